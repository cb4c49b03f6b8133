"""What is masked together: the words of packed rows, and n-grams or spans of them at random places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pretraining.objectives.draws import Keys, uniform
from pretraining.objectives.sections.masked import MaskingSection
from pretraining.objectives.selection import random_order

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class WordTable(NamedTuple):
    """The words of a batch: ``before`` int64 (N + 1,) tokens before each of N words and at last all of them, counted
    over the batch; ``bounds`` int64 (B + 1,) words before each row."""

    before: Integers
    bounds: Integers

    @property
    def counts(self) -> Integers:
        """(B,): words of each row."""
        return np.diff(self.bounds)

    @property
    def width(self) -> int:
        """Words of the row that has most."""
        return int(self.counts.max(initial=0))


def unit_lengths(section: MaskingSection) -> Floats | None:
    """P(a unit has at most n words) for n = 1, 2, ...; None where every unit is one token or word."""
    if section.unit == "ngram":
        weight = 1.0 / np.arange(1.0, section.ngram + 1)
    elif section.unit == "span":
        weight = (1.0 - section.geometric_p) ** np.arange(float(section.span_upper))
    else:
        return None
    return np.asarray(np.cumsum(weight) / weight.sum(), np.float64)


def single_words(keys: Keys, words: WordTable, *, stream: int) -> tuple[Integers, Integers]:
    """Whole words in random order, both (B, U): the number of the first token, and the tokens (0 for no word)."""
    word = random_order(keys, words.counts, words.width, stream=stream) + words.bounds[:-1, None]
    word[np.arange(words.width) >= words.counts[:, None]] = len(words.before) - 1
    return words.before[word], np.diff(words.before, append=words.before[-1:])[word]


def placed_units(
    keys: Keys, words: WordTable, budget: Integers, lengths: Floats, *, streams: tuple[int, int]
) -> tuple[Integers, Integers]:
    """N-grams or spans in the order in which they are to be taken, both (B, U) as from ``single_words``.

    A row of n words becomes k drawn lengths and n - sum(lengths) single words, all in random order: every way to
    place the lengths without overlap is as likely. The drawn ones come first, in the order of the draw; the single
    words are there to fill what is left of the budget.

    Args:
        budget: (B,) tokens that will be taken.
        lengths: cumulative probabilities, from ``unit_lengths``.
        streams: of the order and of the lengths.
    """
    length = _lengths(keys, words, budget, lengths, stream=streams[1])
    order = random_order(keys, np.count_nonzero(length, axis=1), words.width, stream=streams[0])
    slot = order + np.arange(len(keys))[:, None] * words.width
    placed = np.empty_like(length)
    placed.ravel()[slot] = length
    word = (np.cumsum(placed, axis=1) - placed).ravel()[slot] + words.bounds[:-1, None]
    first = words.before[word]
    return first, words.before[word + length] - first


def fill_with_words(words: WordTable, first: Integers, size: Integers, budget: Integers) -> Integers:
    """(B, U): tokens taken of each n-gram, in their order, until the row's budget is met.

    Of one that exceeds what is left, the words that fit are taken, none if its first does not (ALBERT's
    ``create_masked_lm_predictions`` tries n - 1, n - 2, ... words).

    Args:
        first, size: (B, U) from ``placed_units``.
        budget: (B,) tokens.
    """
    total = np.cumsum(size, axis=1)
    taken = np.where(total <= budget[:, None], size, 0)
    left, unit = budget - taken.sum(1), np.count_nonzero(total <= budget[:, None], axis=1)
    ends = np.append(words.before, words.before[-1:])
    one = ends[np.searchsorted(words.before, first) + 1] - first  # tokens of the first word
    rows = np.flatnonzero(left > 0)
    while len(rows):
        fits = (np.arange(size.shape[1]) >= unit[rows, None]) & (size[rows] > 0) & (one[rows] <= left[rows, None])
        rows, fits = rows[fits.any(1)], fits[fits.any(1)]
        unit[rows] = fits.argmax(1)
        start = first[rows, unit[rows]]
        end = words.before[np.searchsorted(words.before, start + left[rows], side="right") - 1]
        more = np.minimum(size[rows, unit[rows]], end - start)
        taken[rows, unit[rows]] = more
        left[rows] -= more
        unit[rows] += 1
        rows = rows[left[rows] > 0]
    return taken


def _lengths(keys: Keys, words: WordTable, budget: Integers, lengths: Floats, *, stream: int) -> Integers:
    """(B, U): words of each unit: drawn lengths, then ones that make up the row's words, then zeros.

    More lengths are drawn than the budget is likely to take, by a quarter and ten words, because how many tokens
    their words have is not known before they are placed.
    """
    counts = words.counts
    expected = budget * counts / np.maximum(np.diff(words.before[words.bounds]), 1)
    limit = np.minimum(counts, np.ceil(1.25 * expected).astype(np.int64) + 10)
    most = int(limit.max(initial=0))
    drawn = 1 + np.searchsorted(lengths[:-1], uniform(keys, most, stream=stream), side="right")
    length = np.zeros((len(keys), words.width), np.int64)
    length[:, :most] = np.minimum(np.maximum(limit[:, None] - np.cumsum(drawn, axis=1) + drawn, 0), drawn)
    units = np.count_nonzero(length, axis=1)
    place = np.arange(words.width)
    length[(place >= units[:, None]) & (place < (units + counts - limit)[:, None])] = 1
    return length
