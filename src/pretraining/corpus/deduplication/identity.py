"""No two documents have the same id: the ledger, the splits and later releases go by it."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import equal_keys
from pretraining.corpus.deduplication.hashing import hash_pair
from pretraining.corpus.deduplication.parts import Part, Parts, Shape, write_bands
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import TWIN, Preparation, Rule, TwinStep

SHAPE = Shape(bands=1, rows=2, precision=64)
"""An id's hash is one key of 128 bits."""


class IdentityStep(StepSection):
    """Always there, after the steps of the recipe."""

    type: Literal["identity"] = "identity"
    implementation: ClassVar[str] = "deduplication.identity:Identity"


class Identity(TwinStep):
    """Keep the first document of every id.

    A task holds 16 bytes per document of its own; ``find`` 16 per document of all, and ``bands.BAND_BYTES``.
    """

    rules = (Rule("duplicate_id", ">=", unit="share"),)

    def open(self, preparation: Preparation) -> None:
        """Start with no id."""
        self._hashes = array("Q")

    def sign(self, draft: Draft) -> None:
        """Remember the id's hash."""
        self._hashes.extend(hash_pair(draft.id))

    def save(self, folder: Path, rank: int) -> None:
        """Write the hashes, sorted."""
        hashes = np.array(self._hashes, dtype=np.uint64).reshape(-1, 2)
        write_bands(Part(folder, rank, 0, len(hashes)), SHAPE, hashes, np.arange(len(hashes)))
        self._hashes = array("Q")

    def find(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> NDArray[np.void]:
        """The first document of each id."""
        twins = np.empty(int(counts.sum()), dtype=TWIN)
        twins["twin"], twins["value"] = -1, np.nan
        for positions, group in equal_keys(Parts([(folder, counts)]), SHAPE, 0, by_source=False):
            first = positions[np.searchsorted(group, group)]  # groups lie together, each in reading order
            later = positions != first
            twins["twin"][positions[later]], twins["value"][positions[later]] = first[later], 1.0
        return twins
