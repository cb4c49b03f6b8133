"""Random subsets of exact size, for all rows of a batch at once.

Everything is drawn with ``draws``, so row ``b`` depends on ``keys[b]`` alone and not on how wide the batch is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pretraining.objectives.draws import Keys, bits, mix

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_LAST = np.uint64(2**64 - 1)
_INDEX = np.uint64(2**20 - 1)
_ODD = np.uint64(0xA24BAED4963EE407)


def bits_at(keys: Keys, rows: Integers, places: Integers, *, stream: int) -> npt.NDArray[np.uint64]:
    """(n,) random words, one for each of n places of rows, the same for a place whichever others are asked for."""
    start = bits(keys, 1, stream=stream)[:, 0]
    with np.errstate(over="ignore"):
        return mix(start[rows] + (places.astype(np.uint64) + np.uint64(1)) * _ODD)


def below(words: npt.NDArray[np.uint64], share: npt.ArrayLike) -> Mask:
    """Which random words fall into the first ``share`` (broadcast) of all."""
    found: Mask = (words >> np.uint64(11)) < np.rint(np.asarray(share) * 2.0**53).astype(np.uint64)
    return found


def choose(keys: Keys, inside: Mask, count: Integers, *, stream: int) -> Mask:
    """(B, W): exactly ``count[b]`` places of row ``b``, drawn without replacement from those ``inside``.

    Args:
        inside: (B, W), with ``count <= inside.sum(1)``.
        count: (B,).
    """
    # The words of a key are a bijection of the counter, so no two are the same and the count is exact.
    words = bits(keys, inside.shape[1], stream=stream)
    words[~inside] = _LAST
    most = int(count.max(initial=1))
    smallest = np.sort(np.partition(words, most - 1, axis=1)[:, :most], axis=1)
    chosen: Mask = words <= smallest[np.arange(len(words)), np.maximum(count - 1, 0)][:, None]
    chosen &= inside
    chosen[count == 0] = False
    return chosen


def random_order(keys: Keys, sizes: Integers, width: int, *, stream: int) -> Integers:
    """(B, width): in row ``b`` the numbers ``0 .. sizes[b] - 1`` in random order, then the others.

    Raises:
        ValueError: ``width`` is more than 2^20.
    """
    if width > int(_INDEX):
        raise ValueError(f"rows of {width} words; at most {int(_INDEX)} can be put in order")
    # Sorting numbers is several times faster than argsort, so each carries its place in its low bits.
    words = bits(keys, width, stream=stream)
    words &= ~_INDEX
    words |= np.arange(width, dtype=np.uint64)
    np.bitwise_or(words, ~_INDEX, out=words, where=np.arange(width) >= sizes[:, None])
    words.sort(axis=1)
    words &= _INDEX
    return words.view(np.int64)


def fill(sizes: Integers, budget: Integers, *, cut: bool) -> Integers:
    """(B, U): how much of each unit is taken, unit after unit, until the row's budget is met.

    Args:
        sizes: (B, U) tokens of the units in the order in which they are taken; 0 for none.
        budget: (B,) tokens.
        cut: take a part of the unit that would exceed the budget (SpanBERT); else leave it out and go on to the
            next one that fits (BERT's whole words).
    """
    taken = np.zeros_like(sizes)
    ahead = sizes[:, : int(budget.max(initial=0))]  # a unit has a token or more, so the first to exceed is among them
    total = np.cumsum(ahead, axis=1)
    if cut:
        taken[:, : ahead.shape[1]] = np.minimum(np.maximum(budget[:, None] - total + ahead, 0), ahead)
        return taken
    taken[:, : ahead.shape[1]] = np.where(total <= budget[:, None], ahead, 0)
    left = budget - taken.sum(1)
    rows = np.flatnonzero(left > 0)
    while len(rows):
        # What is larger than the rest of the budget now will not fit later either, so the next that fits is the
        # next that is taken.
        fits = np.where((taken[rows] == 0) & (sizes[rows] <= left[rows, None]), sizes[rows], 0)
        fits[np.cumsum(fits, axis=1) > left[rows, None]] = 0
        taken[rows] += fits
        more = fits.sum(1)
        left[rows] -= more
        rows = rows[(more > 0) & (left[rows] > 0)]
    return taken


def members(first: Integers, taken: Integers) -> Integers:
    """The numbers ``first .. first + taken - 1`` of units that do not overlap, all together in order.

    Args:
        first, taken: of the same shape.
    """
    some = np.flatnonzero(taken > 0)
    size = taken.ravel()[some]
    start = first.ravel()[some] - (np.cumsum(size) - size)
    found = np.repeat(start, size)
    found += np.arange(len(found))
    found.sort()
    return found
