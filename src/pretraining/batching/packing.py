"""Packing: which pieces of which documents make up each sample. Nothing is dropped.

A piece is ``(document, start, length)``. With ``sequence_length = 4``::

    documents   aaaaaaaaaa   bbb   c   dd
    best_fit    [aaaa] [aaaa] [bbb c] [aa dd]     long ones cut into full rows, the rest placed whole
    concatenate [aaaa] [aaaa] [aa bb] [b c dd]    one stream, cut everywhere
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Packing:
    """``pieces`` is int64 ``(n, 3)`` with columns document, start, length, grouped by sample; sample ``i`` is
    ``pieces[offsets[i]:offsets[i + 1]]`` (``offsets`` int64, one more than samples)."""

    pieces: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    @property
    def samples(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1


def pack(lengths: npt.NDArray[Any], sequence_length: int, method: str) -> Packing:
    """Pack documents of ``lengths`` tokens into rows of at most ``sequence_length`` tokens.

    Args:
        lengths: tokens of each document; empty ones are skipped.
        method: ``best_fit`` or ``concatenate``.
    """
    return {"best_fit": _best_fit, "concatenate": _concatenate}[method](np.asarray(lengths, np.int64), sequence_length)


def cut(lengths: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Cut every document into pieces of ``size`` tokens and a shorter last one; ``(n, 3)`` in document order."""
    counts = -(-lengths // size)
    document = np.repeat(np.arange(len(lengths)), counts)
    first = np.cumsum(counts) - counts
    start = (np.arange(len(document)) - first[document]) * size
    return np.stack([document, start, np.minimum(size, lengths[document] - start)], axis=1)


def _best_fit(lengths: npt.NDArray[np.int64], sequence_length: int) -> Packing:
    """Best-fit decreasing (Johnson 1974; for language models Ding et al. 2024, arXiv 2404.10830).

    Pieces are placed from the longest to the shortest, each into the open row with the least room that still
    holds it. Room is a small integer, so the open rows are kept by room, and a bit mask of the rooms that occur
    finds the best fit in a shift and a count of trailing zeros.
    """
    pieces = cut(lengths, sequence_length)
    order = np.argsort(-pieces[:, 2], kind="stable")
    row_of = np.empty(len(pieces), np.int64)
    full = int((pieces[:, 2] == sequence_length).sum())
    row_of[order[:full]] = np.arange(full)
    rows, mask = full, 0
    open_rows: list[list[int]] = [[] for _ in range(sequence_length + 1)]
    for index, length in zip(order[full:].tolist(), pieces[order[full:], 2].tolist(), strict=True):
        fits = mask >> length
        if fits:
            room = length + (fits & -fits).bit_length() - 1
            row = open_rows[room].pop()
            if not open_rows[room]:
                mask ^= 1 << room
        else:
            room, row, rows = sequence_length, rows, rows + 1
        row_of[index] = row
        if room > length:
            open_rows[room - length].append(row)
            mask |= 1 << (room - length)
    return _grouped(pieces, row_of, rows)


def _concatenate(lengths: npt.NDArray[np.int64], sequence_length: int) -> Packing:
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    rows = -(-total // sequence_length)
    # Cut the stream at document ends and at row ends: the pieces lie between neighbouring cuts.
    cuts = np.union1d(np.concatenate([[0], ends]), np.append(np.arange(rows) * sequence_length, total))
    begin, length = cuts[:-1], np.diff(cuts)
    document = np.searchsorted(ends, begin, side="right")
    start = begin - (ends - lengths)[document] if len(begin) else begin
    return _grouped(np.stack([document, start, length], axis=1), begin // sequence_length, rows)


def _grouped(pieces: npt.NDArray[np.int64], row_of: npt.NDArray[np.int64], rows: int) -> Packing:
    order = np.argsort(row_of, kind="stable")
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(row_of, minlength=rows), out=offsets[1:])
    return Packing(pieces[order], offsets)
