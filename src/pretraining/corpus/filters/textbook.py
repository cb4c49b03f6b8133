"""The ``textbook`` step: quality rules as textbooks on language models teach them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.word_step import UNSEGMENTED_SCRIPT, WordStep
from pretraining.corpus.step import Preparation, Rule
from pretraining.corpus.text.words import Words

SYMBOLS = frozenset("#%&*@/\\_{}[]")
"""Punctuation by Unicode, but of markup and code rather than of prose; with the categories Sm, Sc, Sk and So."""
WORD_KEYS = (
    "min_words",
    "min_mean_word_length",
    "max_mean_word_length",
    "max_repeated_words",
    "min_distinct_ngrams",
    "min_stop_words",
)
"""Thresholds of the rules that look at words, in the order of the rules, which is that of their cost."""
_SENTENCE_ENDS = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？｡])|\n")
_MANY = 1 << 31


class Textbook(WordStep):
    """``textbook``; how each value is counted stands with the keys of ``TextbookStep``."""

    rules = (
        UNSEGMENTED_SCRIPT,
        Rule("too_few_characters", "<", "min_characters", "characters"),
        Rule("too_many_characters", ">", "max_characters", "characters"),
        Rule("too_few_votes", "<", "min_votes", "votes"),
        Rule("too_many_symbols", ">", "max_symbols", "share"),
        Rule("repeated_sentences", ">", "max_repeated_sentences", "times"),
        Rule("too_few_words", "<", "min_words", "words"),
        Rule("words_too_short", "<", "min_mean_word_length", "characters"),
        Rule("words_too_long", ">", "max_mean_word_length", "characters"),
        Rule("repeated_words", ">", "max_repeated_words", "times"),
        Rule("too_few_distinct_ngrams", "<", "min_distinct_ngrams", "share"),
        Rule("too_few_stop_words", "<", "min_stop_words", "words"),
    )

    def prepare(self, preparation: Preparation) -> None:
        """Look for what finds the words.

        Raises:
            DataError: a package is not installed.
        """
        if self._wants(*WORD_KEYS):
            super().prepare(preparation)

    def run(self, draft: Draft) -> Iterator[float]:
        """What costs least first: the words are found only for documents that nothing else removes."""
        text, section = draft.text, self.section
        yield self.unsegmented(draft) if self._wants(*WORD_KEYS) else math.nan
        yield float(len(text))
        yield float(len(text))
        yield _votes(draft.fields.get(section.votes_field))
        yield symbol_share(text) if self._wants("max_symbols") else math.nan
        yield float(most_repeated_sentence(text)) if self._wants("max_repeated_sentences") else math.nan
        if not self._wants(*WORD_KEYS):
            yield from [math.nan] * len(WORD_KEYS)
            return
        ids, words = _numbered(self.words(draft))
        yield float(len(ids))
        mean = float(np.fromiter(map(len, words), np.int64, len(words))[ids].mean()) if len(ids) else math.nan
        yield mean
        yield mean
        yield float(longest_run(ids))
        yield distinct_ngram_share(ids, section.ngram)
        yield float(len({word.lower() for word in words} & set(map(str.lower, section.stop_words))))

    def _wants(self, *keys: str) -> bool:
        return any(self.wants(rule) for rule in self.rules if rule.key in keys)


def _votes(votes: object) -> float:
    """A number, as a number or in digits; NaN for anything else."""
    if isinstance(votes, bool) or not isinstance(votes, int | float | str):
        return math.nan
    try:
        return float(votes)
    except (ValueError, OverflowError):
        return math.nan


def symbol_share(text: str) -> float:
    """Symbols per character; 0 for an empty text."""
    counts = Counter(text)
    symbols = sum(n for c, n in counts.items() if c in SYMBOLS or unicodedata.category(c)[0] == "S")
    return symbols / max(len(text), 1)


def most_repeated_sentence(text: str) -> int:
    """Occurrences of the most frequent sentence, case aside; 0 without any.

    A sentence ends with its line, at ``. ! ? …`` before white space, and at ``。 ！ ？``; it has a letter or a digit.
    """
    sentences = Counter(sentence.strip().lower() for sentence in _SENTENCE_ENDS.split(text))
    return max((n for sentence, n in sentences.items() if any(map(str.isalnum, sentence))), default=0)


def _numbered(found: Words) -> tuple[NDArray[np.int64], list[str]]:
    """The words with a letter or digit: their numbers [words], equal where only the case differs, and what they are."""
    numbers: dict[str, int] = {}
    of_type = np.fromiter(
        (numbers.setdefault(word.lower(), len(numbers)) if any(map(str.isalnum, word)) else -1 for word in found.types),
        np.int64,
        len(found.types),
    )
    ids = of_type[found.ids]
    return ids[ids >= 0], list(numbers)


def longest_run(ids: NDArray[np.int64]) -> int:
    """How often the same number stands in a row, at most; 0 for none. ids: [words]."""
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    return int(np.diff(starts, append=len(ids)).max(initial=0))


def distinct_ngram_share(ids: NDArray[np.int64], n: int) -> float:
    """Different n-grams per n-gram; NaN with fewer than ``n`` words. ids: [words], from 0."""
    if len(ids) < n:
        return math.nan
    base = int(ids.max()) + 1
    codes, many = ids, base
    for k in range(1, n):
        if many > _MANY:  # number the (k)-grams anew, so that the next code fits 64 bits
            codes = np.unique(codes, return_inverse=True)[1]
            many = int(codes.max()) + 1
        codes, many = codes[:-1] * base + ids[k:], many * base
    return len(np.unique(codes)) / len(codes)
