"""The last step of every corpus: no training document is a near-duplicate of a held-out one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import Groups, equal_keys
from pretraining.corpus.deduplication.clusters import Similarity
from pretraining.corpus.deduplication.minhash import MinhashDeduplication
from pretraining.corpus.deduplication.parts import Parts, Shape
from pretraining.corpus.draft import Draft
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep
from pretraining.corpus.step import TWIN, Preparation, Rule

COMPARED = 16
"""Held-out documents of one bucket that a training document is compared with."""


class HeldOutNeighbours(MinhashDeduplication):
    """Remove training documents that share a band with a held-out one, and are as similar as the section asks for.

    Only direct pairs count, not what is connected through third documents, and held-out documents always stay.
    """

    rules = (Rule("near_duplicate_of_held_out", ">=", "min_similarity", "share"),)

    def __init__(self, section: MinhashDeduplicationStep, held_out: float, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self.held_out = held_out
        self._held_out: list[bool] = []

    def open(self, preparation: Preparation) -> None:
        """Start with no document."""
        super().open(preparation)
        self._held_out = []

    def sign(self, draft: Draft) -> None:
        """Remember on which side the document is."""
        super().sign(draft)
        self._held_out.append(id_hash(draft.id) / 2**64 < self.held_out)

    def save(self, folder: Path, rank: int) -> None:
        """Write the sides too."""
        super().save(folder, rank)
        np.save(folder / f"held-out-{rank:05d}.npy", np.array(self._held_out, dtype=bool))
        self._held_out = []

    def find(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> NDArray[np.void]:
        """The most similar held-out document of each training document."""
        sides = [np.load(folder / f"held-out-{rank:05d}.npy") for rank in range(len(counts))]
        parts = Parts([(folder, counts)])
        held_out = np.concatenate([np.zeros(0, dtype=bool), *sides])
        return near_held_out(parts, self.shape, held_out, lambda a, b: self.similarity(parts, a, b))


def near_held_out(parts: Parts, shape: Shape, held_out: NDArray[np.bool_], similarity: Similarity) -> NDArray[np.void]:
    """For each training document the held-out document that is most similar to it, of those it shares a band with.

    Args:
        parts: signatures of all documents.
        shape: of a signature.
        held_out: which documents are [documents].
        similarity: of training documents to held-out ones.

    Returns:
        ``TWIN`` [documents]; of equally similar ones the first. Holds 17 bytes per document.
    """
    found = np.empty(parts.total, dtype=TWIN)
    found["twin"], found["value"] = -1, np.nan
    for band in range(shape.bands):
        for groups in equal_keys(parts, shape, band, by_source=False):
            for training, held in _pairs(groups, held_out):
                value, before = similarity(training, held), found[training]
                better = np.isnan(before["value"]) | (value > before["value"])
                better |= (value == before["value"]) & (held < before["twin"])
                found["twin"][training[better]], found["value"][training[better]] = held[better], value[better]
    return found


def _pairs(groups: Groups, held_out: NDArray[np.bool_]) -> list[Groups]:
    """(training, held-out) documents of the same groups; in each element a training document is there once."""
    positions, group = groups
    if not len(positions):
        return []
    held = held_out[positions]
    training, of_training = positions[~held], group[~held]
    others, of_others = positions[held], group[held]
    starts = np.searchsorted(of_others, np.arange(group[-1] + 2))
    pairs = []
    for number in range(min(COMPARED, int(np.diff(starts).max()))):
        place = starts[of_training] + number
        there = place < starts[of_training + 1]
        if there.any():
            pairs.append((training[there], others[place[there]]))
    return pairs
