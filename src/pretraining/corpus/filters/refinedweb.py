"""The ``refinedweb_lines`` step: lines that are no prose go, and pages that had many of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.word_step import UNSEGMENTED_SCRIPT, WordStep
from pretraining.corpus.sections.cleaning import RefinedWebLinesStep
from pretraining.corpus.step import Rule
from pretraining.corpus.text.words import FIXED

_NEVER = re.compile("(?!)")


class RefinedWebLines(WordStep):
    """``refinedweb_lines``: the rules look at one line after the other, so the page is gone through once.

    Blank lines stay. The value is the share of the page's words that were removed; 0 in a page without words. Text of
    an unspaced script is refused where ``words`` are those between spaces: each line would be one word.
    """

    rules = (UNSEGMENTED_SCRIPT, Rule("too_many_words_removed", ">", "max_removed_words", "share"))
    edits = ("lines_removed", "phrases_removed")

    def __init__(self, section: RefinedWebLinesStep, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._counter = _counter_lines(section.counters)
        self._phrases = _phrases(section)

    def run(self, draft: Draft) -> Iterator[float]:
        """Refuse text whose words are not found by spaces; edit the lines, then measure how much that took."""
        yield self.unsegmented(draft)
        lines = draft.text.split("\n")
        kept: list[str] = []
        words = removed = phrases = 0
        for line in lines:
            count = self._count(line)
            words += count
            if line and self._is_noise(line, count):
                removed += count
                continue
            shorter, hits = self._cut(line, count)
            if hits:
                phrases += hits
                removed += count - self._count(shorter)
                if not shorter.strip():
                    continue
            kept.append(shorter)
        if len(kept) < len(lines) or phrases:
            draft.text = "\n".join(kept).strip("\n")
            edited = {"lines_removed": len(lines) - len(kept), "phrases_removed": phrases}
            self.edited = {name: count for name, count in edited.items() if count}
        yield removed / words if words else 0.0

    def _count(self, line: str) -> int:
        return len(FIXED[self.section.words](line))

    def _is_noise(self, line: str, words: int) -> bool:
        """Whether the whole line goes: capitals, digits, a counter, too few words."""
        section = self.section
        if section.min_words is not None and words < section.min_words:
            return True
        if _share(str.isupper, line) > _limit(section.max_uppercase):
            return True
        if _share(str.isdigit, line) > _limit(section.max_digits):
            return True
        return bool(self._counter.search(line))

    def _cut(self, line: str, words: int) -> tuple[str, int]:
        """A short line without the phrases, and how many there were."""
        hits = 0
        if words <= self.section.max_phrase_words:
            for phrase in self._phrases:
                line, found = phrase.subn("", line)
                hits += found
        return line, hits


def _share(of: Callable[[str], bool], line: str) -> float:
    return sum(map(of, line)) / len(line)


def _limit(threshold: float | None) -> float:
    return math.inf if threshold is None else threshold


def _counter_lines(counted: list[str]) -> re.Pattern[str]:
    """Lines with a number and what it counts: ``3 likes``, ``(1,234 views)``, ``1.2K followers``, ``浏览：3`` .

    Between the number and the word is white space, or nothing if the word is Chinese; there also the order is free.
    """
    if not counted:
        return _NEVER
    number = r"\d[\d.,]*[kmb千万亿]?"
    latin = [re.escape(word) for word in counted if word.isascii()]
    other = [re.escape(word) for word in counted if not word.isascii()]
    forms = [rf"{number}\s+(?:{'|'.join(latin)})"] if latin else []
    if other:
        forms += [rf"{number}\s*(?:{'|'.join(other)})", rf"(?:{'|'.join(other)})[\s:：(（]*{number}"]
    return re.compile(rf"^\W*(?:{'|'.join(forms)})\W*$", re.IGNORECASE)


def _phrases(section: RefinedWebLinesStep) -> list[re.Pattern[str]]:
    """What is cut, in DCLM's order: anywhere, at the end, at the start. White space goes with the phrase."""
    forms = (
        (section.phrases_anywhere, r"\s?(?:{})"),
        (section.phrases_at_end, r"\s?(?:{})\s*$"),
        (section.phrases_at_start, r"^\s*(?:{})\s?"),
    )
    return [
        re.compile(form.format("|".join(map(re.escape, phrases))), re.IGNORECASE) for phrases, form in forms if phrases
    ]
