"""Which script a text is written in, as an ISO 15924 code, from the Unicode blocks of its letters."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from functools import lru_cache

_BLOCKS = """
41-24F:Latn 250-2AF:Latn 370-3FF:Grek 400-52F:Cyrl 530-58F:Armn 590-5FF:Hebr 600-6FF:Arab 700-74F:Syrc 750-77F:Arab
780-7BF:Thaa 7C0-7FF:Nkoo 860-86F:Syrc 870-8FF:Arab 900-97F:Deva 980-9FF:Beng A00-A7F:Guru A80-AFF:Gujr B00-B7F:Orya
B80-BFF:Taml C00-C7F:Telu C80-CFF:Knda D00-D7F:Mlym D80-DFF:Sinh E00-E7F:Thai E80-EFF:Laoo F00-FFF:Tibt 1000-109F:Mymr
10A0-10FF:Geor 1100-11FF:Hang 1200-139F:Ethi 13A0-13FF:Cher 1400-167F:Cans 1700-171F:Tglg 1780-17FF:Khmr 1800-18AF:Mong
18B0-18FF:Cans 1B00-1B7F:Bali 1B80-1BBF:Sund 1C50-1C7F:Olck 1C80-1C8F:Cyrl 1C90-1CBF:Geor 1D00-1D7F:Latn
1E00-1EFF:Latn 1F00-1FFF:Grek 2C60-2C7F:Latn 2D00-2D2F:Geor 2D30-2D7F:Tfng 2D80-2DDF:Ethi 2DE0-2DFF:Cyrl 2E80-2FDF:Hani
3005-3007:Hani 3021-3029:Hani 3040-309F:Hira 30A0-30FF:Kana 3100-312F:Bopo 3130-318F:Hang 31F0-31FF:Kana 3400-4DBF:Hani
4E00-9FFF:Hani A000-A4CF:Yiii A640-A69F:Cyrl A720-A7FF:Latn A8E0-A8FF:Deva A960-A97F:Hang A980-A9DF:Java
AA60-AA7F:Mymr AB00-AB2F:Ethi AB30-AB6F:Latn AB70-ABBF:Cher ABC0-ABFF:Mtei AC00-D7FF:Hang F900-FAFF:Hani FB00-FB06:Latn
FB13-FB17:Armn FB1D-FB4F:Hebr FB50-FDFF:Arab FE70-FEFF:Arab FF21-FF5A:Latn FF66-FF9D:Kana FFA0-FFDC:Hang
1E900-1E95F:Adlm 20000-323AF:Hani
"""
_RANGES = sorted(
    (int(first, 16), int(last, 16), script)
    for first, last, script in (
        (*span.split("-"), script) for span, _, script in (b.partition(":") for b in _BLOCKS.split())
    )
)
_STARTS = [first for first, _, _ in _RANGES]

UNKNOWN = "Zyyy"
"""ISO 15924 for no particular script: a text without letters, or with those of a script that is not in the table."""


@lru_cache(maxsize=65_536)
def character_script(character: str) -> str | None:
    """The script of a letter; None for what is no letter (digits, punctuation, marks) or not in the table."""
    if not character.isalpha():
        return None
    code = ord(character)
    _, last, script = _RANGES[bisect_right(_STARTS, code) - 1]
    return script if code <= last else None


def script_counts(text: str) -> Counter[str]:
    """Letters of the text by script. Kana and Han are ``Jpan`` together where a tenth of them are kana.

    Kana are what tells Japanese from Chinese: in Japanese prose they are half of the characters or more.
    """
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        script = character_script(character)
        if script is not None:
            counts[script] += count
    kana = counts["Hira"] + counts["Kana"]
    if kana and kana >= 0.1 * (kana + counts["Hani"]):
        counts["Jpan"] = kana + counts["Hani"]
        del counts["Hira"], counts["Kana"], counts["Hani"]
    return +counts


def main_script(text: str) -> str:
    """The script of most letters; ``Zyyy`` without letters."""
    counts = script_counts(text)
    return max(counts, key=lambda script: (counts[script], script), default=UNKNOWN)
