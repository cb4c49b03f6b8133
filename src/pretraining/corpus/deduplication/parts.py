"""The files in which tasks leave signatures, and one numbering of the documents in all of them.

A folder holds for every task ``records-00000.npy`` (``keep.RECORD``) and ``signatures-00000.npy`` [documents, hashes],
in reading order, and for every band ``bucket_000/00000.minhash.sig``: the file format of datatrove 0.10.1's MinHash,
records of ``rows`` hashes and the number of the document in its task (uint32), sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shape:
    """Of a signature: ``bands`` times ``rows`` hashes of ``precision`` bits."""

    bands: int
    rows: int
    precision: int

    @property
    def hash_type(self) -> np.dtype[Any]:
        """Of one hash."""
        return np.dtype("<u4" if self.precision == 32 else "<u8")

    @property
    def band_type(self) -> np.dtype[Any]:
        """Of a record of a band's file."""
        return np.dtype([("key", self.hash_type, (self.rows,)), ("document", "<u4")])


@dataclass(frozen=True)
class Part:
    """What one task left: its documents are ``start`` to ``start + documents`` of all."""

    folder: Path
    rank: int
    start: int
    documents: int

    def path(self, name: str) -> Path:
        """``<name>-00000.npy``."""
        return self.folder / f"{name}-{self.rank:05d}.npy"

    def band(self, band: int) -> Path:
        """The file of a band."""
        return self.folder / f"bucket_{band:03d}" / f"{self.rank:05d}.minhash.sig"


def write_part(
    part: Part, shape: Shape, records: NDArray[np.void], signatures: NDArray[Any], signed: NDArray[np.bool_]
) -> None:
    """Write the files of a task.

    Args:
        part: which task; its ``start`` does not matter.
        shape: of a signature.
        records: ``keep.RECORD`` [documents].
        signatures: [documents, hashes]; may be a memory map.
        signed: documents that are compared at all [documents]; the others are in no band.
    """
    np.save(part.path("records"), records)
    np.save(part.path("signatures"), signatures)
    np.save(part.path("signed"), signed)
    write_bands(part, shape, signatures, np.flatnonzero(signed))


def write_bands(part: Part, shape: Shape, signatures: NDArray[Any], documents: NDArray[np.int64]) -> None:
    """Write the files of all bands, for these documents of ``signatures``."""
    for band in range(shape.bands):
        keys = np.ascontiguousarray(signatures[:, band * shape.rows : (band + 1) * shape.rows])[documents]
        # the bytes, most significant first, sort as the tuples of numbers do
        text = keys.astype(keys.dtype.newbyteorder(">")).view(f"S{keys.dtype.itemsize * shape.rows}")[:, 0]
        order = np.argsort(text, kind="stable")
        rows = np.empty(len(documents), dtype=shape.band_type)
        rows["key"], rows["document"] = keys[order], documents[order]
        part.band(band).parent.mkdir(parents=True, exist_ok=True)
        rows.tofile(part.band(band))


class Parts:
    """Several parts, their documents numbered through. Holds nothing per document."""

    def __init__(self, folders: Sequence[tuple[Path, Sequence[int] | NDArray[np.int64]]]) -> None:
        """Args: folders: each with the number of documents of its tasks."""
        self.parts: list[Part] = []
        self.total = 0
        for folder, counts in folders:
            for rank, count in enumerate(counts):
                self.parts.append(Part(folder, rank, self.total, int(count)))
                self.total += int(count)
        self._starts = np.array([part.start for part in self.parts], dtype=np.int64)

    def gather(self, name: str, positions: NDArray[np.int64]) -> NDArray[Any]:
        """The rows of ``<name>-*.npy`` for documents in any order, [n, ...]. There must be one document at least."""
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        ends = np.searchsorted(ordered, np.append(self._starts, self.total))
        gathered: NDArray[Any] | None = None
        for part, low, high in zip(self.parts, ends[:-1], ends[1:], strict=True):
            if low < high:
                rows = np.load(part.path(name), mmap_mode="r")
                if gathered is None:
                    gathered = np.empty((len(positions), *rows.shape[1:]), dtype=rows.dtype)
                gathered[order[low:high]] = rows[ordered[low:high] - part.start]
        assert gathered is not None
        return gathered
