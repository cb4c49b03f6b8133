"""The order of rows that are kept together by length (packing ``none``): like ``order``, a pure function.

Rows are sorted by length. Bucket ``b`` is the rows ``b * bucket .. (b + 1) * bucket - 1``; the last one is shorter
where ``bucket`` does not divide the number of rows. An epoch is a permutation of the buckets, the shorter one among
them, each with its rows permuted::

    rows        0 1 2 | 3 4 5 | 6 7          bucket = 3
    an epoch    4 5 3 | 7 6 | 0 2 1

From 64 buckets on they are spread: of 64 that follow each other there is one from each 64th part of the lengths, and
neighbours are far apart. So a part of an epoch has about as many tokens a row as the whole, and a mixture the shares
that are asked, wherever it ends.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pretraining.batching.order import Integers, Unsigned, as_seeds, permute, unpermute

STRATA = 64
"""Parts of the buckets, by length, that are visited in turn."""
_STRIDE = 39  # from one part to the next: the golden section of 64, so that any run of them is spread evenly
_BACK = pow(_STRIDE, -1, STRATA)


def permute_buckets(
    positions: npt.ArrayLike, epochs: npt.ArrayLike, *, size: npt.ArrayLike, bucket: int, seed: npt.ArrayLike
) -> Integers:
    """The row at each position of each epoch, with the rows of a bucket side by side.

    Args:
        bucket: rows of a bucket.

    The other arguments and the result are those of ``order.permute``.
    """
    position, epoch, sizes = (np.asarray(each, np.int64) for each in (positions, epochs, size))
    buckets, missing = _buckets(sizes, bucket)
    rounds = _Rounds(epoch, buckets, seed)
    # places as if the shorter bucket were full
    place = position + np.where(position >= (rounds.slot(buckets - 1) + 1) * bucket - missing, missing, 0)
    which = rounds.bucket(place // bucket)
    rows = bucket - np.where(which == buckets - 1, missing, 0)
    return which * bucket + permute(place % bucket, epoch * buckets + which, size=rows, seed=_seed(seed, 0))


def unpermute_buckets(
    rows: npt.ArrayLike, epochs: npt.ArrayLike, *, size: npt.ArrayLike, bucket: int, seed: npt.ArrayLike
) -> Integers:
    """The position of each row in each epoch: the inverse of ``permute_buckets``, with the same arguments."""
    row, epoch, sizes = (np.asarray(each, np.int64) for each in (rows, epochs, size))
    buckets, missing = _buckets(sizes, bucket)
    rounds, which = _Rounds(epoch, buckets, seed), row // bucket
    within = bucket - np.where(which == buckets - 1, missing, 0)
    inside = unpermute(row % bucket, epoch * buckets + which, size=within, seed=_seed(seed, 0))
    slot = rounds.slot(which)
    return slot * bucket + inside - np.where(slot > rounds.slot(buckets - 1), missing, 0)


def _buckets(size: Integers, bucket: int) -> tuple[Integers, Integers]:
    """How many buckets there are, and how many rows the last one lacks."""
    buckets = -(-size // bucket)
    return buckets, buckets * bucket - size


class _Rounds:
    """Round after round over the strata, of which stratum ``s`` is the buckets from ``s * size // strata`` on.

    There are ``full`` rounds over all of them; the last one is over the ``more`` strata that have a bucket more.
    """

    def __init__(self, epochs: Integers, size: Integers, seed: npt.ArrayLike) -> None:
        self.epochs, self.size, self.seed = epochs, size, seed
        self.strata = np.where(size < STRATA, 1, STRATA)  # a few buckets are one stratum
        self.full, self.more = np.divmod(size, self.strata)

    def bucket(self, slot: Integers) -> Integers:
        """The bucket at each slot."""
        turn, place = np.divmod(slot, self.strata)
        begin, of_last = self._begin(turn), np.maximum(1, self.more)
        stratum = np.where(
            turn < self.full,
            (begin + _STRIDE * place) % self.strata,
            -(-((begin + place) % of_last + 1) * self.strata // of_last) - 1,
        )
        first, size = self._stratum(stratum)
        return first + permute(turn, self.epochs * self.strata + stratum, size=size, seed=_seed(self.seed, 2))

    def slot(self, bucket: Integers) -> Integers:
        """The slot of each bucket: the inverse."""
        stratum = (self.strata * (bucket + 1) - 1) // self.size
        first, size = self._stratum(stratum)
        turn = unpermute(bucket - first, self.epochs * self.strata + stratum, size=size, seed=_seed(self.seed, 2))
        begin, of_last = self._begin(turn), np.maximum(1, self.more)
        place = np.where(
            turn < self.full,
            (stratum - begin) * _BACK % self.strata,
            (first - stratum * self.full - begin) % of_last,
        )
        return turn * self.strata + place

    def _begin(self, turn: Integers) -> Integers:
        """Where a round begins."""
        return permute(0, self.epochs * (self.full + 1) + turn, size=self.strata, seed=_seed(self.seed, 1))

    def _stratum(self, stratum: Integers) -> tuple[Integers, Integers]:
        """(the first bucket of a stratum, how many it has)."""
        first = stratum * self.size // self.strata
        return first, (stratum + 1) * self.size // self.strata - first


def _seed(seed: npt.ArrayLike, number: int) -> Unsigned:
    """Another seed for each of the permutations."""
    other: Unsigned = as_seeds(seed) ^ np.uint64(number + 1)
    return other
