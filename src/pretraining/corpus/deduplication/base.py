"""What the four steps that remove whole documents have in common: files, groups, earlier releases."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import Groups, equal_keys
from pretraining.corpus.deduplication.clusters import Clusters, twins
from pretraining.corpus.deduplication.earlier import Release, export, open_releases, read_releases, remember_releases
from pretraining.corpus.deduplication.keep import RECORD, record
from pretraining.corpus.deduplication.parts import Part, Parts, Shape, write_part
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import Preparation, TwinStep
from pretraining.errors import DataError

_IN_MEMORY = 32 << 20
"""Bytes of signatures that a task holds before it writes them to a temporary file."""


class DocumentDeduplication(TwinStep):
    """Sign documents, group those with equal keys in a band, keep one of each group. Subclasses make signatures."""

    shape: Shape

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._forget()

    def _forget(self) -> None:
        self._spool: IO[bytes] | None = None
        self._records: list[tuple[int, int, float]] = []
        self._signed: list[bool] = []

    @abstractmethod
    def signature(self, draft: Draft) -> NDArray[Any] | None:
        """The document's signature [bands * rows]; None: it is compared to none."""

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """All that signatures depend on; signatures of an earlier release must agree in it."""

    def similarity(self, parts: Parts, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of documents [n] to others [n] that are in the same group."""
        return np.ones(len(left))

    def minimum(self) -> float:
        """Least similarity to the document that stays."""
        return 0.0

    def prepare(self, preparation: Preparation) -> None:
        """Look at the earlier releases."""
        self._releases(preparation)

    def open(self, preparation: Preparation) -> None:
        """Start with no document."""
        self._forget()

    def _releases(self, preparation: Preparation) -> list[Release]:
        return open_releases(self.section.against, self.section.type, preparation.base, self.parameters())

    def sign(self, draft: Draft) -> None:
        """Remember the record, and the signature."""
        self._records.append(record(draft, self.section))
        signature = self.signature(draft)
        self._signed.append(signature is not None)
        if signature is None:
            signature = np.zeros(self.shape.bands * self.shape.rows, dtype=self.shape.hash_type)
        self._write(signature)

    def _write(self, signatures: NDArray[Any]) -> None:
        if self._spool is None:
            self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed by `save`
        self._spool.write(np.ascontiguousarray(signatures, dtype=self.shape.hash_type).tobytes())

    def save(self, folder: Path, rank: int) -> None:
        """Write the files of ``parts``."""
        records = np.array(self._records, dtype=RECORD)
        signatures = self._spooled(len(records))
        write_part(Part(folder, rank, 0, len(records)), self.shape, records, signatures, np.array(self._signed, bool))
        if self._spool is not None:
            self._spool.close()
        self._forget()

    def _spooled(self, documents: int) -> NDArray[Any]:
        width = self.shape.bands * self.shape.rows
        if self._spool is None:
            return np.empty((0, width), dtype=self.shape.hash_type)
        self._spool.seek(0)
        if getattr(self._spool, "_rolled", True):
            return np.memmap(self._spool, dtype=self.shape.hash_type, mode="r", shape=(documents, width))
        return np.frombuffer(self._spool.read(), dtype=self.shape.hash_type).reshape(documents, width)

    def groups(self, parts: Parts) -> Iterator[Groups]:
        """Groups of documents that belong together; a document may be in several."""
        for band in range(self.shape.bands):
            yield from equal_keys(parts, self.shape, band, by_source=self.section.scope == "source")

    def find(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> NDArray[np.void]:
        """Group, and choose."""
        releases = self._releases(preparation)
        remember_releases(folder, releases)
        self._require_field(folder, len(counts))
        parts = Parts([*((release.folder, release.counts) for release in releases), (folder, counts)])
        clusters = Clusters(parts.total)
        for groups in self.groups(parts):
            clusters.join(groups)
        earlier = parts.total - int(counts.sum())
        return twins(clusters, parts, earlier, lambda a, b: self.similarity(parts, a, b), minimum=self.minimum())

    def _require_field(self, folder: Path, tasks: int) -> None:
        key = {"newest": "date_field", "best_score": "score_field"}.get(self.section.keep)
        if key is None:
            return
        known = documents = 0
        for rank in range(tasks):
            preference = np.load(folder / f"records-{rank:05d}.npy")["preference"]
            known, documents = known + int(np.isfinite(preference).sum()), documents + len(preference)
        if documents and not known:
            raise DataError(
                f"{self.section.type}: keep is {self.section.keep!r}, but none of {documents:,} documents has "
                f"{getattr(self.section, key)!r} among its metadata\n"
                f"    name the field in `{key}`, or say another `keep`"
            )

    def export_signatures(self, folder: Path, ids_by_task: Iterable[Sequence[str | None]], output: Path) -> None:
        """Keep what a later build needs to find copies of this one's documents.

        Args:
            folder: the step's folder after ``decide``.
            ids_by_task: for each task the ids of the documents that reached the step, in order; None for those that
                are not in the output (removed by this step or another; canaries).
            output: ``signatures/<type>`` in the output folder; made here.
        """
        export(folder, ids_by_task, output, shape=self.shape, parameters=self.parameters(), minimum=self.minimum())

    def earlier_ids(self, folder: Path, numbers: NDArray[np.int64]) -> list[str]:
        """The ids of the ``number``-th documents of the earlier releases."""
        return _ids_of(read_releases(folder), numbers)


def _ids_of(releases: list[Release], numbers: NDArray[np.int64]) -> list[str]:
    ends = np.cumsum([release.documents for release in releases])
    which = np.searchsorted(ends, numbers, side="right")
    starts = ends - [release.documents for release in releases]
    return [releases[i].id_of(int(number - starts[i])) for i, number in zip(which, numbers, strict=True)]
