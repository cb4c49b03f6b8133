"""Training an n-gram model with interpolated, modified Kneser-Ney smoothing.

Chen & Goodman (1998), "An empirical study of smoothing techniques for language modeling", section 3; with the
conventions of KenLM's ``lmplz`` (Heafield et al. 2013): n-grams that begin with ``<s>`` keep their counts, unigrams are
interpolated with the uniform distribution over all words but ``<s>``, and ``<unk>`` has only what that gives it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.models.ngram_lm import BEGIN, END, NEVER, RESERVED, UNKNOWN, Level, NgramModel

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where the counts of counts give none (a very small text), as ``lmplz --discount_fallback``."""


@dataclass
class _Counts:
    """The different n-grams of one order in the text.

    Attributes:
        word: last word, [n]; all are 32 bits.
        context: number of the (n-1)-gram before it, [n].
        suffix: number of the (n-1)-gram without the first word, [n].
        count: how often it occurs, [n].
        adjusted: in how many words' company it occurs (words before it), [n]; of the highest order, and after
            ``<s>``, how often.
    """

    word: NDArray[np.int32]
    context: NDArray[np.int32]
    suffix: NDArray[np.int32]
    count: NDArray[np.int32]
    adjusted: NDArray[np.int32]


class Vocabulary:
    """Numbers of words in the order of their first occurrence, and the text as numbers (4 bytes a word)."""

    def __init__(self) -> None:
        self.numbers = {word: i for i, word in enumerate(RESERVED)}
        self.row = array("i")

    def add(self, words: Iterable[str]) -> None:
        """Append a sentence."""
        numbers = self.numbers
        self.row.append(BEGIN)
        for word in words:
            number = numbers.setdefault(word, len(numbers))
            self.row.append(number if number >= len(RESERVED) else UNKNOWN)
        self.row.append(END)


def train_ngrams(text: Vocabulary, *, order: int, min_count: int = 1) -> NgramModel:
    """The model of all sentences that were added.

    Args:
        order: words of the longest n-gram; less where no sentence is as long, or nothing of that length is kept.
        min_count: n-grams of three words or more that occur less often are dropped after the discounts are known.
    """
    row = np.frombuffer(text.row, dtype=np.int32).astype(np.int64)
    counts = _count(row, len(text.numbers), order)
    levels: list[Level] = []
    probability = np.empty(0)
    renumbered, kept_before = np.zeros(1, dtype=np.int64), np.ones(1, dtype=bool)
    for n, level in enumerate(counts, 1):
        kept = (level.count >= min_count) | (n < 3)
        if not kept.any():
            break
        lower = np.full(1, 1.0 / (len(text.numbers) - 1)) if n == 1 else probability
        probability, backoff = _interpolate(level, kept, lower)
        if n > 1:  # the weight belongs to the context, whose level is complete but for it
            levels[-1].backoff[:] = _log10(backoff[kept_before])
        keys = renumbered[level.context[kept]] * len(text.numbers) + level.word[kept]
        log_prob = _log10(probability[kept])
        if n == 1:
            log_prob[BEGIN] = NEVER
        levels.append(Level(keys, log_prob, np.zeros(len(keys), dtype=np.float32)))
        renumbered, kept_before = np.cumsum(kept) - 1, kept
    return NgramModel(list(text.numbers), levels)


def _log10(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.log10(np.maximum(values, 1e-38)).astype(np.float32)


def _count(row: NDArray[np.int64], vocabulary: int, order: int) -> list[_Counts]:
    """All orders. An n-gram is the pair of the (n-1)-gram before its last word and that word, so 64 bits hold it."""
    occurrences = np.bincount(row, minlength=vocabulary).astype(np.int32)
    words = np.arange(vocabulary, dtype=np.int32)
    levels = [_Counts(words, np.zeros_like(words), np.zeros_like(words), occurrences, occurrences)]
    number = row
    for _ in range(2, order + 1):
        at = np.flatnonzero((number[:-1] >= 0) & (row[1:] != BEGIN)) + 1
        if not len(at):
            break
        keys, first, inverse, count = np.unique(
            number[at - 1] * vocabulary + row[at], return_index=True, return_inverse=True, return_counts=True
        )
        suffix = number[at[first]].astype(np.int32)
        _adjust(levels[-1], suffix)
        word, context, count = (part.astype(np.int32) for part in (keys % vocabulary, keys // vocabulary, count))
        levels.append(_Counts(word, context, suffix, count, count))
        number = np.full_like(number, -1)
        number[at] = inverse
    levels[0].adjusted[[UNKNOWN, BEGIN]] = 0
    return levels


def _adjust(lower: _Counts, suffix: NDArray[np.int32]) -> None:
    """Kneser-Ney's counts: the different words before. Only what begins with ``<s>`` has none, and keeps its count."""
    before = np.bincount(suffix, minlength=len(lower.count))
    lower.adjusted = np.where(before == 0, lower.count, before).astype(np.int32)


def discounts(adjusted: NDArray[np.int32]) -> tuple[float, float, float]:
    """What is taken from counts of 1, 2, and 3 or more: equation 26 of Chen & Goodman (1998)."""
    n = [int((adjusted == k).sum()) for k in (1, 2, 3, 4)]
    if not n[0] or not n[1] or not n[2]:
        return FALLBACK
    y = n[0] / (n[0] + 2 * n[1])
    found = tuple(k - (k + 1) * y * n[k] / n[k - 1] for k in (1, 2, 3))
    return found if all(0 < d <= k for k, d in enumerate(found, 1)) else FALLBACK  # type: ignore[return-value]


def _interpolate(
    level: _Counts, kept: NDArray[np.bool_], lower: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(probability of every n-gram [n], weight of the shorter ones after every context [contexts]).

    Args:
        lower: probabilities of the order below, [n-grams there]. The uniform distribution, [1], for unigrams.
    """
    taken = np.take((0.0, *discounts(level.adjusted)), np.minimum(level.adjusted, 3))
    taken = np.where(kept, taken, level.adjusted)
    total = np.bincount(level.context, weights=level.adjusted, minlength=len(lower))
    left = np.bincount(level.context, weights=taken, minlength=len(lower))
    with np.errstate(invalid="ignore", divide="ignore"):
        backoff = np.where(total > 0, left / total, 1.0)
    share = (level.adjusted - taken) / total[level.context]
    return share + backoff[level.context] * lower[level.suffix], backoff
