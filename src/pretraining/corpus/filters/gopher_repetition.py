"""The ``gopher_repetition`` step: how much of a text repeats itself, in lines, paragraphs and n-grams."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.word_step import UNSEGMENTED_SCRIPT, WordStep
from pretraining.corpus.step import Rule
from pretraining.corpus.text.ngrams import NGrams

_PARAGRAPHS = re.compile(r"\n{2,}")
_LINES = re.compile(r"\n+")
TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)


class GopherRepetition(WordStep):
    """``gopher_repetition``; in the order and with the reasons of datatrove's ``GopherRepetitionFilter``."""

    rules = (
        UNSEGMENTED_SCRIPT,
        Rule("dup_para_frac", ">", "max_duplicate_paragraphs", "share"),
        Rule("dup_para_char_frac", ">", "max_duplicate_paragraph_characters", "share"),
        Rule("dup_line_frac", ">", "max_duplicate_lines", "share"),
        Rule("dup_line_char_frac", ">", "max_duplicate_line_characters", "share"),
        *(Rule(f"top_{n}_gram", ">", f"max_top_{n}_gram", "share") for n in TOP),
        *(Rule(f"duplicated_{n}_n_grams", ">", f"max_duplicate_{n}_grams", "share") for n in DUPLICATE),
    )

    def run(self, draft: Draft) -> Iterator[float]:
        """One value a rule; NaN for an empty text."""
        yield self.unsegmented(draft)
        text, every_copy = draft.text, self.section.variant == "dolma"
        characters = sum(map(len, text.split())) if every_copy else len(text)
        if not characters:
            yield from [math.nan] * (len(self.rules) - 1)
            return
        yield from _repeats(_PARAGRAPHS.split(text.strip()), characters, every_copy)
        yield from _repeats(text.split("\n") if every_copy else _LINES.split(text), characters, every_copy)
        rules = {rule.reason: rule for rule in self.rules}
        grams: NGrams | None = None
        for n in (*TOP, *DUPLICATE):
            if not self.wants(rules[f"top_{n}_gram" if n in TOP else f"duplicated_{n}_n_grams"]):
                yield math.nan
                continue
            grams = grams or NGrams(self.words(draft))
            if n in TOP:
                yield _top(grams, n, characters, spaces=not every_copy)
            else:
                yield _every_copy(grams, n) if every_copy else grams.duplicate_characters(n) / characters


def _repeats(parts: Sequence[str], characters: int, every_copy: bool) -> Iterator[float]:
    """Shares of parts that repeat an earlier one (``every_copy``: that occur more than once), and their characters."""
    if every_copy:
        copies = {part: count for part, count in Counter(parts).items() if count > 1}
        yield sum(copies.values()) / len(parts)
        yield sum(len(part) * count for part, count in copies.items()) / characters
        return
    different = set(parts)
    yield (len(parts) - len(different)) / len(parts)
    yield (sum(map(len, parts)) - sum(map(len, different))) / characters


def _top(grams: NGrams, n: int, characters: int, *, spaces: bool) -> float:
    top = grams.top(n)
    if top is None:
        return math.nan
    place, count = top
    return (grams.characters(place, n) + (n - 1 if spaces else 0)) * count / characters


def _every_copy(grams: NGrams, n: int) -> float:
    """Characters of all occurrences of n-grams that occur more than once, per character of all n-grams."""
    if len(grams.words) < n:
        return math.nan
    offsets = grams.offsets
    starts, _ = grams.repeated(n)
    return float((offsets[starts + n] - offsets[starts]).sum() / (offsets[n:] - offsets[:-n]).sum())
