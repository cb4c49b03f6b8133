"""The proof that a packing holds every token once: a plan that lies is worse than none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pretraining.batching.packing import BLOCK, Packing

Unsigned = npt.NDArray[np.uint64]


def check_packing(packing: Packing, lengths: npt.NDArray[np.int64], row_length: int) -> None:
    """Refuse a packing that loses or repeats a token, or overfills a row.

    With all documents laid end to end, the pieces cover every token once if and only if each of them has a length,
    lies within its document, and begins where another one ends (or at the very beginning), and the last one ends at
    the very end: pieces lead forwards only, so there is just one way through them, and every piece is on it. So the
    places where pieces begin, and the end, are the places where pieces end, and the beginning. The two bags of places
    are compared by sums of 64-bit hashes, in one pass over the rows that sorts and keeps nothing: two bags that
    differ pass with a chance of 2^-64.

    Args:
        lengths: tokens of each document.
        row_length: tokens of a row, at most.

    Raises:
        AssertionError: the packing is wrong, which is a bug.
    """
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    offsets = packing.offsets
    balance = _hash(bounds[:1]) - _hash(bounds[-1:])
    sound = offsets[0] == 0 and offsets[-1] == len(packing.pieces)
    for rows in _row_blocks(offsets):
        begins = offsets[rows] - offsets[rows.start]
        pieces = packing.pieces[offsets[rows.start] : offsets[rows.stop]].astype(np.int64)
        sound = sound and bool((np.diff(begins, append=len(pieces)) > 0).all())
        sound = sound and bool(((pieces >= (0, 0, 1)) & (pieces[:, :1] < len(lengths))).all())
        if not sound:
            break
        document, start, length = pieces.T
        begin, end = bounds[document] + start, bounds[document] + start + length
        sound = bool((end <= bounds[document + 1]).all() and (np.add.reduceat(length, begins) <= row_length).all())
        balance -= _hash(begin) - _hash(end)
    if not sound or balance[0]:
        raise AssertionError("the packing loses, repeats or overfills; this is a bug")


def _row_blocks(offsets: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Rows of about ``BLOCK`` pieces at a time."""
    first = 0
    while first < len(offsets) - 1:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + BLOCK, side="right")) - 1)
        yield slice(first, last)
        first = last


def _hash(places: npt.NDArray[np.int64]) -> Unsigned:
    """Sum of a hash of each place: the finaliser of SplitMix64 (Steele et al. 2014), modulo 2^64; shape (1,)."""
    values = (places.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.add.reduce(values ^ (values >> np.uint64(31)), keepdims=True)
