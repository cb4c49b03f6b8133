"""The ``sample`` and ``budget`` steps: documents chosen by hashes of their ids."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sections.sampling import BudgetStep
from pretraining.corpus.step import GlobalStep, Preparation, Rule, Step

SEEN = np.dtype([("hash", "<u8"), ("bytes", "<i8")])
"""What ``budget`` remembers of a document: 16 bytes in the task, and 40 in the parent while it decides."""


def share_hash(identifier: str, salt: str) -> float:
    """A number in [0, 1) that stays the same: 53 bits of blake2b of the id.

    Salted, because the bare hash of the id says which documents are held out.
    """
    return (id_hash(identifier, salt) >> 11) / 2**53


class Sample(Step):
    """``sample``: the value is the document's number in [0, 1); it stays if that is below ``rate``."""

    rules = (Rule("not_sampled", ">=", "rate", "hash"),)

    def run(self, draft: Draft) -> Iterator[float]:
        """Only the id counts."""
        yield share_hash(draft.id, self.section.salt)


class Budget(GlobalStep):
    """``budget``: the value is how many documents (or bytes) there are up to this one, and with it, by their hashes."""

    quota = True

    def __init__(self, section: BudgetStep, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        unit = "documents" if section.documents is not None else "bytes"
        self.rules = (Rule("over_budget", ">", unit, unit),)
        self._seen = array("Q")

    def sign(self, draft: Draft) -> None:
        """Remember the hash and the size."""
        self._seen.extend((id_hash(draft.id, self.section.salt), utf8_length(draft.text)))

    def save(self, folder: Path, rank: int) -> None:
        """``seen-<rank>.npy``: ``SEEN`` [documents of the task]."""
        np.save(folder / f"seen-{rank:05d}.npy", np.array(self._seen, dtype="<u8").view(SEEN))
        self._seen = array("Q")

    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """``sums-<rank>.npy``: the value of each document of the task, int64 [documents]."""
        seen = np.concatenate(
            [np.empty(0, SEEN), *(np.load(folder / f"seen-{rank:05d}.npy") for rank in range(len(counts)))]
        )
        order = np.argsort(seen["hash"], kind="stable")
        sums = np.empty(len(seen), dtype=np.int64)
        by_documents = self.section.documents is not None
        sums[order] = np.arange(1, len(seen) + 1) if by_documents else np.cumsum(seen["bytes"][order])
        for rank, end in enumerate(np.cumsum(counts)):
            np.save(folder / f"sums-{rank:05d}.npy", sums[end - counts[rank] : end])

    def load(self, folder: Path, rank: int) -> None:
        """Read the task's part."""
        self._sums = iter(np.load(folder / f"sums-{rank:05d}.npy"))

    def run(self, draft: Draft) -> Iterator[float]:
        """The sum up to this document."""
        yield float(next(self._sums))
