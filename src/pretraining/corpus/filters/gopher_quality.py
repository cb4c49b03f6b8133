"""The ``gopher_quality`` step: Gopher's rules about words and lines, as three sources count them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
from datatrove.utils.text import PUNCTUATION_SET
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.word_step import UNSEGMENTED_SCRIPT, WordStep
from pretraining.corpus.step import Rule
from pretraining.corpus.text.languages import STOP_WORDS
from pretraining.corpus.text.words import Words

_PUNCTUATION = "".join(sorted(PUNCTUATION_SET))


@dataclass(frozen=True)
class Counting:
    """How a source counts.

    Attributes:
        punctuation_is_no_word: words of punctuation alone have no part in the number and the mean length of words.
        median_length: the median of the lengths instead of the mean.
        symbol_words: words with ``#`` or ``…`` are counted, together, instead of the signs in the text.
        bullets: what a line of a list begins with.
        ellipses: what a line that is cut off ends with.
        bare_lines: lines are cut at line feeds alone, and white space before bullets and after ellipses is not passed
        over.
        blank_lines: lines of white space are lines too.
        fold_case: stop words are compared in lower case.
        every_occurrence: of a stop word counts.
    """

    punctuation_is_no_word: bool = False
    median_length: bool = False
    symbol_words: bool = False
    bullets: tuple[str, ...] = ("•", "-")
    ellipses: tuple[str, ...] = ("...", "…")
    bare_lines: bool = False
    blank_lines: bool = True
    fold_case: bool = False
    every_occurrence: bool = False


COUNTING = {
    "gopher": Counting(bullets=("•", "-", "*"), blank_lines=False, fold_case=True),
    "gopher-datatrove": Counting(punctuation_is_no_word=True),
    "fineweb2-cmn_Hani": Counting(punctuation_is_no_word=True),
    "dolma": Counting(
        median_length=True,
        symbol_words=True,
        bullets=("*", "-"),
        ellipses=("…",),
        bare_lines=True,
        every_occurrence=True,
    ),
}


class GopherQuality(WordStep):
    """``gopher_quality``; in the order of datatrove's ``GopherQualityFilter``."""

    rules = (
        UNSEGMENTED_SCRIPT,
        Rule("too_few_words", "<", "min_words", "words"),
        Rule("too_many_words", ">", "max_words", "words"),
        Rule("words_too_short", "<", "min_mean_word_length", "characters"),
        Rule("words_too_long", ">", "max_mean_word_length", "characters"),
        Rule("too_many_hashes", ">", "max_symbol_to_word_ratio", "per word"),
        Rule("too_many_ellipses", ">", "max_symbol_to_word_ratio", "per word"),
        Rule("too_many_bullet_lines", ">", "max_bullet_lines", "share"),
        Rule("too_many_ellipsis_lines", ">", "max_ellipsis_lines", "share"),
        Rule("too_few_alphabetic_words", "<", "min_alphabetic_words", "share"),
        Rule("too_few_stop_words", "<", "min_stop_words", "words"),
    )

    def run(self, draft: Draft) -> Iterator[float]:
        """One value a rule; shares of nothing are NaN."""
        yield self.unsegmented(draft)
        counting, words = COUNTING[self.section.variant], self.words(draft)
        counts = words.counts
        if counting.punctuation_is_no_word:
            counts = counts * _flags(words, lambda word: bool(word.strip(_PUNCTUATION)))
        yield float(counts.sum())
        yield float(counts.sum())
        length = _typical_length(words, counts, counting)
        yield length
        yield length
        yield from _symbols(draft.text, words, counting)
        yield from _lines(draft.text, counting)
        yield _ratio((words.counts * _flags(words, _has_letter)).sum(), len(words))
        yield self._stop_words(draft, words, counting)

    def _stop_words(self, draft: Draft, words: Words, counting: Counting) -> float:
        given = self.section.stop_words
        stop_words = STOP_WORDS.get(draft.language or "eng_Latn") if given is None else frozenset(given)
        if stop_words is None:
            return math.nan
        types = words.types.keys()
        if counting.every_occurrence:
            return float(sum(words.counts[words.types[word]] for word in stop_words if word in types))
        return float(len(stop_words.intersection({word.lower() for word in types} if counting.fold_case else types)))


def _ratio(part: float, whole: int) -> float:
    return float(part) / whole if whole else math.nan


def _flags(words: Words, has: Callable[[str], bool]) -> NDArray[np.bool_]:
    return np.fromiter(map(has, words.types), np.bool_, len(words.types))


def _has_letter(word: str) -> bool:
    return word.isalpha() or any(map(str.isalpha, word))


def _typical_length(words: Words, counts: NDArray[np.int64], counting: Counting) -> float:
    if not counting.median_length:
        return _ratio((words.lengths * counts).sum(), int(counts.sum()))
    return float(median(np.repeat(words.lengths, counts).tolist())) if len(words) else math.nan


def _symbols(text: str, words: Words, counting: Counting) -> Iterator[float]:
    if counting.symbol_words:
        yield _ratio((words.counts * _flags(words, lambda word: "#" in word or "…" in word)).sum(), len(words))
        yield math.nan
        return
    yield _ratio(text.count("#"), len(words))
    yield _ratio(text.count("...") + text.count("…"), len(words))


def _lines(text: str, counting: Counting) -> Iterator[float]:
    lines = text.split("\n") if counting.bare_lines else [line.strip() for line in text.splitlines()]
    if not counting.blank_lines:
        lines = [line for line in lines if line]
    yield _ratio(sum(line.startswith(counting.bullets) for line in lines), len(lines))
    yield _ratio(sum(line.endswith(counting.ellipses) for line in lines), len(lines))
