"""Which of very many hashes occurred before: sorted per part, then compared range by range, so memory is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RANGE = 1 << 22
"""Different hashes of one range; about 60 bytes each while it is compared, 250 MB."""


_PLACE_BITS = 40


def numbered(rank: int, places: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers that ascend in reading order over all tasks, for places (documents, bytes) below 2^40 of one task."""
    return (rank << _PLACE_BITS) + places.astype(np.int64)


def located(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(tasks, places) of ``numbered`` ones."""
    return numbers >> _PLACE_BITS, numbers & ((1 << _PLACE_BITS) - 1)


class Repeats:
    """Hashes in parts, in reading order, in files of one folder (30 bytes for each hash).

    First ``write`` every part (in any process), then ``resolve`` once, then ``read``. Two of N different things get the
    same 64 bits with odds of N^2 / 2^65: 0.03 for 10^9 of them, 3 wrong pairs for 10^10.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, part: int, kind: str) -> Path:
        return self.folder / f"{kind}-{part:05d}.npy"

    def write(self, part: int, hashes: NDArray[np.uint64], numbers: NDArray[np.int64]) -> None:
        """Save one part: hashes, and for each the (``numbered``) place at which it stands; several may stand at one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        values, places, inverse, counts = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
        arrays = {
            "values": values,
            "numbers": numbers[places],
            "several": counts > 1,
            "inverse": inverse.astype(np.uint32),
            "later": places[inverse] != np.arange(len(hashes)),
        }
        for kind, array in arrays.items():
            np.save(self._path(part, kind), array)

    def _map(self, part: int, kind: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self._path(part, kind), mmap_mode="r")
        return array

    def resolve(self, parts: int) -> None:
        """Compare all parts, range by range of the hashes."""
        different = 0
        for part in range(parts):
            different += len(self._map(part, "values"))
            self._path(part, "first").write_bytes(b"")
        ranges = max(1, -(-different // RANGE))
        at = [0] * parts
        for i in range(1, ranges + 1):
            at = self._resolve_range(at, None if i == ranges else np.uint64((i << 64) // ranges))

    def _resolve_range(self, at: list[int], limit: np.uint64 | None) -> list[int]:
        """Append the firsts of the hashes below ``limit`` to each part's file; returns where the next range begins."""
        pieces = []
        ends = []
        for part, begin in enumerate(at):
            values = self._map(part, "values")
            ends.append(len(values) if limit is None else int(np.searchsorted(values, limit)))
            pieces.append([self._map(part, kind)[begin : ends[-1]] for kind in ("values", "numbers", "several")])
        if not pieces:
            return ends
        firsts = first_numbers(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
        cuts = np.cumsum(np.subtract(ends, at))[:-1]
        for part, piece in enumerate(np.split(firsts, cuts)):
            with self._path(part, "first").open("ab") as file:
                file.write(piece.tobytes())
        return ends

    def read(self, part: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """For each hash of a part, the number of the first that equals it, and whether it comes after that one.

        The number is -1 where no other equals it.
        """
        inverse = self._map(part, "inverse")
        firsts = np.fromfile(self._path(part, "first"), dtype=np.int64)
        moved = (firsts >= 0) & (firsts != self._map(part, "numbers"))
        return firsts[inverse], moved[inverse] | self._map(part, "later")


def first_numbers(
    values: NDArray[np.uint64], numbers: NDArray[np.int64], several: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """For each value [n] the number of the first that equals it (``numbers`` ascend among equals); -1: it is single.

    Args:
        several: the value stands for several.
    """
    if not len(values):
        return np.empty(0, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    heads = np.flatnonzero(new)
    sizes = np.diff(np.append(heads, len(order)))
    repeated = (sizes > 1) | np.logical_or.reduceat(several[order], heads)
    firsts = np.empty(len(order), dtype=np.int64)
    firsts[order] = np.repeat(np.where(repeated, numbers[order[heads]], -1), sizes)
    return firsts
