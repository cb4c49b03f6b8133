"""How much of a text its n-grams repeat: numpy on word numbers, with the values of datatrove's loops over strings."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.text.words import Words

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_INVERSE = pow(_BASE, -1, 1 << 64)


class NGrams:
    """The repeated n-grams of the words of one text. About 100 bytes a word while it lives."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._levels: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """Where each word begins in the words joined without spaces, [words + 1]."""
        return np.concatenate(([0], np.cumsum(self.words.lengths[self.words.ids])))

    def repeated(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the n-grams begin that occur at least twice, equal ones together, and the number of each one's kind.

        An n-gram can be repeated only where the (n-1)-gram of its first words is, so each level looks at less.
        """
        while len(self._levels) < n:
            self._levels.append(self._next_level())
        return self._levels[n - 1]

    def _next_level(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        ids, n = self.words.ids, len(self._levels) + 1
        if n == 1:
            starts = np.flatnonzero(self.words.counts[ids] > 1)
            keys = ids[starts]
        else:
            starts, kinds = self._levels[-1]
            inside = starts + n <= len(ids)
            starts = starts[inside]
            keys = kinds[inside] * len(self.words.types) + ids[starts + n - 1]
        if not len(starts):
            return starts, keys
        order = np.argsort(keys)
        starts, keys = starts[order], keys[order]
        begins = np.concatenate(([True], keys[1:] != keys[:-1], [True]))
        repeated = ~(begins[1:] & begins[:-1])
        return starts[repeated], np.cumsum(begins[:-1])[repeated]

    def top(self, n: int) -> tuple[int, int] | None:
        """(first place, occurrences) of the most frequent n-gram, the earliest of several; None in a shorter text."""
        if len(self.words) < n:
            return None
        starts, kinds = self.repeated(n)
        if not len(starts):
            return 0, 1
        bounds = np.flatnonzero(np.concatenate(([True], kinds[1:] != kinds[:-1], [True])))
        first, counts = bounds[:-1], bounds[1:] - bounds[:-1]
        places = np.minimum.reduceat(starts, first)
        return int(places[counts == counts.max()].min()), int(counts.max())

    def characters(self, place: int, n: int) -> int:
        """Characters of the n-gram at a place, without spaces."""
        return int(self.offsets[place + n] - self.offsets[place])

    def duplicate_characters(self, n: int) -> int:
        """Characters of n-grams that occurred before, as ``find_all_duplicate`` of datatrove 0.10.1 counts them.

        From left to right; the words of a duplicate are passed over; n-grams are equal if their words joined without
        spaces are. Only places whose hash another place shares are looked at, and there the strings decide.
        """
        if len(self.words) < n:
            return 0
        prefixes, inverse = self._hashes
        hashes = (prefixes[n:] - prefixes[:-n]) * inverse[: len(prefixes) - n]
        ordered = np.sort(hashes)
        shared = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(shared):
            return 0
        seen: set[str] = set()
        total = following = 0
        text, offsets = self._joined
        nearest = shared[np.minimum(np.searchsorted(shared, hashes), len(shared) - 1)]
        for place in np.flatnonzero(nearest == hashes).tolist():
            if place < following:
                continue
            gram = text[offsets[place] : offsets[place + n]]
            if gram in seen:
                total += len(gram)
                following = place + n
            else:
                seen.add(gram)
        return total

    @cached_property
    def _joined(self) -> tuple[str, list[int]]:
        return "".join(self.words.words), self.offsets.tolist()

    @cached_property
    def _hashes(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Polynomial hashes modulo 2^64 of the first i words joined, [words + 1], and the inverse of the power of the
        base at the start of word i, [words + 1]."""
        words, lengths = self.words, self.words.lengths
        codes = np.frombuffer("".join(words.types).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
        ends = np.cumsum(lengths)
        places = np.arange(len(codes)) - np.repeat(ends - lengths, lengths)
        powers = _powers(_BASE, int(lengths.max()))
        of_type = np.add.reduceat(codes * powers[places], ends - lengths)
        ids = words.ids
        one = np.ones(1, np.uint64)
        power = np.concatenate((one, np.cumprod(powers[lengths][ids])))
        inverse = np.concatenate((one, np.cumprod(_powers(_INVERSE, int(lengths.max()))[lengths][ids])))
        return np.concatenate((one - one, np.cumsum(of_type[ids] * power[:-1]))), inverse


def _powers(base: int, highest: int) -> NDArray[np.uint64]:
    factors = np.full(highest + 1, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors)
