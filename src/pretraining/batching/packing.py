"""Packing: which pieces of which documents make up each row. Nothing is dropped.

A piece is ``(document, start, length)``. With ``row_length = 4``::

    documents   aaaaaaaaaa   bbb   c   dd
    best_fit    [aaaa] [aaaa] [bbb c] [aa dd]            long ones cut into full rows, the rest placed whole
    concatenate [aaaa] [aaaa] [aa bb] [b c dd]           one stream, cut everywhere
    none        [aaaa] [aaaa] [bbb] [aa] [dd] [c]        one piece a row, from the longest to the shortest
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.batching.best_fit import place

BLOCK = 1 << 16
"""Pieces or rows that are worked on at a time: what is needed beside the arrays of a plan stays a few megabytes."""

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Packing:
    """``pieces`` is ``(n, 3)`` with columns document, start, length, grouped by row, of the smaller of uint32 and int64
    that holds them; row ``i`` is ``pieces[offsets[i]:offsets[i + 1]]`` (``offsets`` int64, one more than rows)."""

    pieces: Integers
    offsets: npt.NDArray[np.int64]

    @property
    def samples(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1


def pack(lengths: npt.ArrayLike, row_length: int, method: str) -> Packing:
    """Pack documents of ``lengths`` tokens into rows of at most ``row_length`` tokens.

    Args:
        lengths: tokens of each document; empty ones are skipped.
        method: ``best_fit``, ``concatenate`` or ``none``.
    """
    documents = np.asarray(lengths, np.int64)
    if method == "concatenate":
        return _concatenate(documents, row_length)
    ordered, counts = _longest_rest_first(documents, row_length)
    if method == "best_fit":
        per_row = _best_fit(ordered, counts, row_length, len(documents))
    else:
        per_row = np.ones(len(ordered), np.int64)
    return _assembled(documents, row_length, ordered, per_row)


def blocks(size: int) -> Iterator[slice]:
    """``0 .. size - 1`` in slices of ``BLOCK``."""
    return (slice(first, min(first + BLOCK, size)) for first in range(0, size, BLOCK))


def _items(counts: npt.NDArray[np.int64]) -> Iterator[tuple[slice, Integers, Integers]]:
    """Owner ``k`` has ``counts[k]`` items, all in a row: blocks of (which items, owner of each, its number there)."""
    ends = np.cumsum(counts)
    for block in blocks(int(ends[-1]) if len(ends) else 0):
        items = np.arange(block.start, block.stop)
        low, high = np.searchsorted(ends, items[[0, -1]], side="right")
        owner = low + np.searchsorted(ends[low : high + 1], items, side="right")
        yield block, owner, items - ends[owner] + counts[owner]


def _empty_pieces(pieces: int, lengths: npt.NDArray[np.int64]) -> Integers:
    largest = max(len(lengths), int(lengths.max(initial=0)))
    return np.empty((pieces, 3), np.uint32 if largest < 1 << 32 else np.int64)


def _longest_rest_first(
    lengths: npt.NDArray[np.int64], row_length: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(documents that full rows do not hold whole, by the length of their rest, longest first, then by number;
    how many rests there are of each length).

    Length and document are sorted as one number, which is several times faster than ``argsort`` and needs no copy.
    """
    keys = lengths % row_length
    counts = np.bincount(keys)
    counts[:1] = 0
    keys -= keys.max(initial=0)  # in place: (longest rest - rest) * documents + document
    keys *= -len(lengths)
    keys += np.arange(len(lengths))
    keys.sort()
    ordered = keys[: counts.sum()]  # documents without a rest have the largest keys
    ordered %= max(1, len(lengths))
    return ordered, counts


def _best_fit(
    ordered: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], row_length: int, documents: int
) -> npt.NDArray[np.int64]:
    """Pieces of each row; brings ``ordered`` into the order of the rows, those of a row by document."""
    placed = place(counts, row_length)
    for block, step, number in _items(placed.pieces):
        ordered[block] += (placed.first[step] + placed.step[step] * (number // placed.each[step])) * documents
    ordered.sort()
    per_row = np.zeros(placed.rows, np.int64)
    for block in blocks(len(ordered)):
        row, ordered[block] = np.divmod(ordered[block], documents)
        _count(row, per_row)
    return per_row


def _count(rows: Integers, per_row: npt.NDArray[np.int64]) -> None:
    """Add the rows of a block, in order, to the counts."""
    per_row[rows[0] : rows[-1] + 1] += np.bincount(rows - rows[0])


def _assembled(
    lengths: npt.NDArray[np.int64], row_length: int, rests: npt.NDArray[np.int64], per_row: npt.NDArray[np.int64]
) -> Packing:
    """The full rows of long documents, then the rows of the rests."""
    long = np.flatnonzero(lengths >= row_length)
    counts = lengths[long] // row_length
    full = int(counts.sum())
    pieces = _empty_pieces(full + len(rests), lengths)
    for block, owner, number in _items(counts):
        _set(pieces[block], long[owner], number * row_length, row_length)
    for block in blocks(len(rests)):
        rest = lengths[rests[block]] % row_length
        _set(pieces[full:][block], rests[block], lengths[rests[block]] - rest, rest)
    offsets = np.arange(full + len(per_row) + 1)
    np.cumsum(per_row, out=offsets[full + 1 :])
    offsets[full + 1 :] += full
    return Packing(pieces, offsets)


def _set(pieces: Integers, document: Integers, start: Integers, length: Integers | int) -> None:
    pieces[:, 0], pieces[:, 1], pieces[:, 2] = document, start, length


def _concatenate(lengths: npt.NDArray[np.int64], row_length: int) -> Packing:
    begins = np.cumsum(lengths)
    rows = -(-int(begins[-1]) // row_length) if len(begins) else 0
    begins -= lengths
    counts = begins % row_length  # rows that a document touches
    counts += lengths + (row_length - 1)
    counts //= row_length
    counts[lengths == 0] = 0
    pieces, per_row = _empty_pieces(int(counts.sum()), lengths), np.zeros(rows, np.int64)
    for block, document, number in _items(counts):
        begin = begins[document]
        row = begin // row_length + number
        first = np.maximum(begin, row * row_length)
        end = np.minimum(begin + lengths[document], (row + 1) * row_length)
        _set(pieces[block], document, first - begin, end - first)
        _count(row, per_row)
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(per_row, out=offsets[1:])
    return Packing(pieces, offsets)
