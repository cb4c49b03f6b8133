"""Hashes of byte spans by one prefix sum, and the anchors by which equal spans find each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_LETTERS = np.random.Generator(np.random.PCG64(0x5EED)).integers(0, 2**64, 256, dtype=np.uint64)
CHUNK = 1 << 15
"""Bytes that are hashed at a time: the arrays stay in the processor's cache."""


@cache
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """``_BASE`` to the powers 0 ... size - 1, and its inverse, modulo 2^64."""
    rows = np.empty((2, size), dtype=np.uint64)
    rows[0], rows[1] = _BASE, pow(_BASE, -1, 1 << 64)
    rows[:, 0] = 1
    powers = np.cumprod(rows, axis=1, dtype=np.uint64)
    return powers[0], powers[1]


def prefix_sums(data: Bytes) -> Hashes:
    """For ``span_hashes``, [len(data) + 1]."""
    powers, _ = _powers(_rounded(len(data) + 1))
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum(_LETTERS[data] * powers[: len(data)], out=sums[1:])
    return sums


def span_hashes(sums: Hashes, starts: Any, ends: Any) -> Hashes:
    """64 bits for each span ``[start, end)``: equal bytes get equal hashes, wherever they stand.

    A polynomial of random letters modulo 2^64, then MurmurHash3's finalizer, so that all bits can be sorted by. Not
    safe against someone who builds collisions; who needs certainty compares the bytes.

    Args:
        starts, ends: index arrays or slices of the same length.
    """
    _, inverse = _powers(_rounded(len(sums)))
    hashes: Hashes = (sums[ends] - sums[starts]) * inverse[: len(sums)][starts]
    hashes ^= hashes >> np.uint64(33)
    hashes *= np.uint64(0xFF51AFD7ED558CCD)
    hashes ^= hashes >> np.uint64(33)
    hashes *= np.uint64(0xC4CEB9FE1A85EC53)
    hashes ^= hashes >> np.uint64(33)
    return hashes


def _rounded(size: int) -> int:
    """The next power of two, so that the table of powers is seldom made anew."""
    return max(1 << 12, 1 << (size - 1).bit_length())


def sliding(best: Callable[..., Any], values: Hashes, width: int) -> Hashes:
    """``best`` (``np.minimum`` or ``np.maximum``) of every ``width`` neighbours, [len(values) - width + 1]."""
    size = 1
    while 2 * size <= width:
        values = best(values[:-size], values[size:])
        size *= 2
    return best(values[: len(values) - (width - size)], values[width - size :])  # type: ignore[no-any-return]


def anchors(data: Bytes, ends: NDArray[np.int64], size: int) -> Iterator[tuple[NDArray[np.int64], Hashes]]:
    """Places (ascending) and hashes of the anchors of all documents, chunk by chunk; a place may come twice.

    Winnowing (Schleimer, Wilkerson and Aiken 2003): every window of ``size`` bytes chooses the smallest hash among
    its pieces of ``size // 2`` bytes, with all ties. So two equal windows have anchors of equal hash, at the same
    distance from their starts, and of the pieces only about ``4 / size`` are anchors.

    Args:
        data: the documents, one after the other.
        ends: end of each document in ``data``.
    """
    piece = size // 2
    width = size - piece + 1
    for begin in range(0, max(0, len(data) - size + 1), CHUNK):
        windows = min(CHUNK, len(data) - size + 1 - begin)
        sums = prefix_sums(np.asarray(data[begin : begin + windows + size - 1]))
        pieces = span_hashes(sums, slice(0, len(sums) - piece), slice(piece, None))
        chosen = sliding(np.minimum, pieces, width)
        chosen[~_inside(begin, windows, ends, size)] = 0
        around = np.zeros(windows + 2 * (width - 1), dtype=np.uint64)
        around[width - 1 : width - 1 + windows] = chosen
        best = sliding(np.maximum, around, width)  # of the windows that hold the piece
        places = np.flatnonzero((best == pieces) & (best > 0))
        yield places + begin, pieces[places]


def _inside(begin: int, windows: int, ends: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Which windows that start at ``begin`` ... ``begin + windows - 1`` lie in one document."""
    first, last = np.searchsorted(ends, [begin, begin + windows + size], side="right")
    inside = np.ones(windows, dtype=bool)
    start = int(ends[first - 1]) if first else 0
    for end in ends[first : last + 1].tolist():
        inside[max(start, end - size + 1, begin) - begin : max(0, end - begin)] = False
        start = end
    return inside
