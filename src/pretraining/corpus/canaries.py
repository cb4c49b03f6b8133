"""Known documents that go through every build, so that a step that does not do what it says is found out.

They come last, as a source of their own, are looked at by every step except quotas, and are left out of the output,
of the samples and of all counts. ``canary_fates.py`` says what must become of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pretraining.corpus.draft import Draft

CANARY = "canary"
"""The source of the canaries; no source of a recipe may have this name."""


@dataclass(frozen=True)
class Canary:
    """A document with its name and language (``code_Script``)."""

    name: str
    text: str
    language: str | None = "eng_Latn"


def _paragraphs(text: str, joint: str = " ") -> str:
    """One line per paragraph, as web pages have them."""
    return "\n\n".join(joint.join(paragraph.splitlines()) for paragraph in text.strip().split("\n\n"))


PROSE = _paragraphs("""
The lighthouse keeper of Varnholm kept two clocks on the kitchen wall, and he trusted neither of them. One had been
given to him by the harbour board when he took the post, and it lost a little every day, so that by the end of a month
the evening news began before the kettle had boiled. The other he had built himself from the works of a ruined music
box, and it ran well enough in summer but stopped whenever the wind came from the east. Between the two he had learned
to guess the hour from the sound of the water under the rocks, which changed as the tide came in, and from the gulls,
who were punctual about the fishing boats and about nothing else.

When the inspector came in October to replace both clocks with an electric one, the keeper thanked him and carried the
parcel into the store room, where it stayed in its paper. He said that a clock which is always right gives a man
nothing to think about. The inspector wrote in his report that the light itself had been in perfect order, that the
lenses were clean, the oil was dry and the log was complete to the minute, and that he had not been able to find out
how. He recommended that the station should be left as it was for as long as anybody could be found to live there, and
the board, which had other worries that winter, agreed to this without a single question being asked at the table.
""")

UNLIKE = _paragraphs("""
A loaf that is baked from rye alone needs more water than most recipes admit, and far more patience. The dough never
becomes smooth under the hands, because there is almost no gluten in it to be stretched; it behaves like wet clay, and
the baker shapes it with a scraper instead of kneading. What holds the crumb together is starch, and the starch has to
be protected by acid from the enzymes that would otherwise turn it into sugar in the oven. That is the reason why
bread of this kind has been raised with sourdough in every country where it is eaten, long before anyone knew why.
After baking it should rest for a whole day, wrapped in linen, before it is cut, and it will keep for two weeks.
""")

REPEATED = "\n".join(["Please choose your size and add the article to your basket before you continue."] * 40)

_SYLLABLES = ("xqz", "vrk", "wpf", "jjd", "kzt", "bqm", "hxg", "ncv")
GIBBERISH = "\n".join(
    " ".join("".join(_SYLLABLES[(i * 7 + j * j * 3 + k * 5) % 8] for k in range(1 + (i + j) % 3)) for j in range(12))
    for i in range(15)
)

CHINESE = _paragraphs(
    """
灯塔看守人在厨房的墙上挂了两个钟，可是他哪一个也不相信。一个是港务局在他上任的时候送给他的，每天都要慢一点，到了月底，水壶还没有
烧开，晚间新闻就已经开始了。另一个是他自己用旧八音盒的零件做成的，夏天走得很好，可是只要一刮东风就停下来。日子久了，他学会了听礁石
下面的水声来猜时间，因为涨潮的时候声音会变；他也看海鸥，它们对渔船回港的时刻记得很准，对别的事情却一点也不在乎。十月里检查员来了，
要把两个旧钟都换成电钟。看守人谢过了他，把包裹放进储藏室，再也没有打开。他说，一个永远走得准的钟，会让人没有什么可想的。检查员在
报告里写道，灯光十分正常，镜片擦得很干净，日志一分钟也不差，只是他始终没有弄明白这是怎么做到的。
""",
    joint="",
)

LATEX = r"""The mean of a sample is written $\bar{x} = \frac{1}{n} \sum_{i=1}^{n} x_i$, and its variance follows as
\begin{equation}
    s^2 = \frac{1}{n-1} \sum_{i=1}^{n} \left( x_i - \bar{x} \right)^2 .
\end{equation}
Here \(n\) is the number of observations. If they are independent and share the variance $\sigma^2$, then the
expectation of $s^2$ is exactly $\sigma^2$, which is why one divides by $n-1$ and not by $n$."""

CODE = '''\
def drifting_clock(minutes, lost_per_day=2.5):
    """The minutes that a slow clock shows after so many real ones."""
    if minutes < 0:
        raise ValueError("time does not run backwards")
    shown = minutes * (1.0 - lost_per_day / 1440.0)
    return {"real": minutes, "shown": shown}


for day in range(1, 4):
\tprint(day, drifting_clock(day * 1440)["shown"])
'''

NO_DATA = _paragraphs("""
The manual that came with the clock in its edition of 2023-01-02 (the cover says 02.01.2023, the spine 20230102) still
describes release 1.2.3.4 of the program that sets it. Its ISBN is 978-3-16-148410-0, and section 10.4.2.1 prints the
digits 3.14159265358979323846264338327950288419716939937 because somebody at the factory wanted to see them in a book.
The router in the tower answers at 192.168.0.1 when it answers at all. The long test of the motor took 12345678 steps,
and in that time the price of a spare one went up from 1,299.00 to 1,349.95 without anybody on the island noticing it.
""")

PERSONAL = {
    "EMAIL_ADDRESS": "m.okafor@varnholm.org",
    "PHONE_NUMBER": "+1 415 671 9023",
    "IP_ADDRESS": "185.199.108.153",
    "CREDIT_CARD": "4539578763621486",
    "IBAN_CODE": "DE89370400440532013000",
    "CN_RESIDENT_ID": "11010519491231002X",
    "US_SSN": "536-90-4399",
    "SECRET_KEY": "AKIAZ7QXW4M2LR6TNB3P",
}
"""Invented values that pass the checks of their kind."""

LETTERS = _paragraphs(f"""
Letters about the lamp room are answered by the clerk at {PERSONAL["EMAIL_ADDRESS"]} before noon on weekdays. In case
of fog the pilots ask you to ring {PERSONAL["PHONE_NUMBER"]} and to wait for the second tone. Whoever wants to visit the
island with a school class has to write in spring, because there are only two boats and one of them belongs to the
vet. Every third request in the night of the storm came from {PERSONAL["IP_ADDRESS"]} and was refused by the gate. The
clerk has kept all of these letters in a box that once held oranges, and she reads the best of them to the children.
""")

RECEIPTS = _paragraphs(f"""
The deposit for the grey boat was paid with {PERSONAL["CREDIT_CARD"]} by the elder of the two sisters, who never asked
for a receipt. Rent for the shed behind the pier goes to {PERSONAL["IBAN_CODE"]} in the first week of every quarter.
On the permit for the southern cove stands the number {PERSONAL["CN_RESIDENT_ID"]} under a photograph that has faded to
the colour of tea. The old form still asks for a social security number; hers, SSN {PERSONAL["US_SSN"]}, was crossed
out twice. At the bottom of the last page somebody had left aws_access_key_id = {PERSONAL["SECRET_KEY"]} in pencil.
""")


HARBOUR = _paragraphs("""
Before the railway came, everything that the valley ate or wore was carried up from the harbour on the backs of mules.
They walked in strings of nine, and the first of them had a bell whose sound the people on the terraces knew by heart.
A string needed two days for the way up and one for the way down, and in winter it often did not come at all. The
drivers were paid by the load and not by the day, so they slept little and sang a good deal. When the first engine
reached the upper station, the mules that were no longer needed were sold to the quarries on the other side.
""")


def near_copy(text: str) -> str:
    """The text with two words replaced, far apart, by shorter ones: it is never the longest of its kind."""
    words = text.split(" ")
    for place in (len(words) // 3, 2 * len(words) // 3):
        words[place] = "q"
    return " ".join(words)


def known_canaries() -> list[Canary]:
    """The canaries that every recipe gets."""
    return [
        Canary("prose", PROSE),
        Canary("unlike", UNLIKE),
        Canary("exact_copy", PROSE),
        Canary("near_copy", near_copy(PROSE)),
        Canary("repeated", REPEATED),
        Canary("gibberish", GIBBERISH),
        Canary("chinese", CHINESE, "cmn_Hani"),
        Canary("latex", LATEX),
        Canary("code", CODE, None),
        Canary("no_personal_data", NO_DATA),
        Canary("letters", LETTERS),
        Canary("receipts", RECEIPTS),
    ]


def benchmark_canaries(steps: Iterable[Any], base: Path) -> Iterator[Canary]:
    """An item of the first benchmark of each ``decontamination`` step, long enough to be found."""
    from pretraining.corpus.decontamination.benchmarks import read_items
    from pretraining.corpus.decontamination.words import plain_words

    for number, section in enumerate(step for step in steps if step.type == "decontamination"):
        for item in read_items(section.benchmarks[0], base):
            if len(plain_words(item.text)) >= section.ngram + section.min_matches - 1:
                yield Canary(f"benchmark_{number}", f"{HARBOUR}\n\n{item.text}")
                break


def to_json(canaries: Iterable[Canary]) -> list[dict[str, Any]]:
    """Plain values, for the task that reads them."""
    return [asdict(canary) for canary in canaries]


def canary_drafts(data: Iterable[dict[str, Any]]) -> Iterator[Draft]:
    """The canaries as documents, in order."""
    for each in data:
        yield Draft(each["text"], f"{CANARY}/{each['name']}", source=CANARY, file="", language=each["language"])
