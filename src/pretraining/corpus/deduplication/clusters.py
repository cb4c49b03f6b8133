"""The groups that documents with equal keys form, and the one of each group that stays.

Memory of ``find``: 4 bytes per document for the groups (8 from 2^31 documents on), 16 for the result, and
``bands.BAND_BYTES`` for what is compared at a time: 21 GB for 10^9 documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import BAND_BYTES, Groups
from pretraining.corpus.deduplication.keep import best_first
from pretraining.corpus.deduplication.parts import Parts
from pretraining.corpus.step import TWIN

_MEMBER = 160
"""Bytes that choosing takes per document of a group."""
_BINS = 4096
"""Ranges of documents in which copies are counted, to take groups a part at a time."""
ROUNDS = 64
"""Documents of one group that may stay because what stayed before them is less similar than was asked for."""

Similarity = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
"""Of documents [n] to others [n], by position."""


class Clusters:
    """Union-find over all documents, many pairs at a time. Holds 4 bytes per document (8 from 2^31 documents on)."""

    def __init__(self, documents: int) -> None:
        self._parent = np.arange(documents, dtype=np.int32 if documents < 2**31 else np.int64)

    def roots(self, nodes: NDArray[np.integer]) -> NDArray[np.integer]:
        """The first document of each one's group."""
        root: NDArray[np.integer] = self._parent[nodes]
        while True:
            above = self._parent[root]
            if np.array_equal(above, root):
                break
            root = above
        self._parent[nodes] = root
        return root

    def join(self, groups: Groups) -> None:
        """Every group becomes one, with all that were joined to its documents before."""
        positions, group = groups
        if not len(positions):
            return
        heads = np.searchsorted(group, np.arange(group[-1] + 1))
        left: NDArray[np.integer] = positions[heads[group]]
        right: NDArray[np.integer] = positions
        while True:
            a, b = self.roots(left), self.roots(right)
            differ = np.flatnonzero(a != b)
            if not len(differ):
                return
            left, right = a[differ], b[differ]
            # Roots hang below smaller ones only, so there is never a circle. Where several pairs hang the same root,
            # the last one wins; the others are still different in the next round.
            self._parent[np.maximum(left, right)] = np.minimum(left, right)

    def members(self, budget: int = BAND_BYTES) -> Iterator[Groups]:
        """All documents of groups of two and more, by group (its first document) and in reading order.

        They come in ranges of first documents, about ``budget / _MEMBER`` documents at a time (and whole groups).
        """
        size = len(self._parent)
        step = max(1, budget // _MEMBER)
        sums = np.zeros(_BINS, dtype=np.int64)
        for start in range(0, size, step):
            nodes = np.arange(start, min(start + step, size))
            child = self.roots(nodes)
            sums += np.bincount(child[child != nodes].astype(np.int64) * _BINS // size, minlength=_BINS)
        full = np.flatnonzero(
            np.diff(np.cumsum(sums) * 2 // step, append=-1)
        )  # a group has a first and a copy at least
        for low, high in pairwise([0, *(-(-(full + 1) * size // _BINS)).tolist()]):
            yield self._members_between(low, high, step)

    def _members_between(self, low: int, high: int, step: int) -> Groups:
        """Those whose group's first document is ``low`` to ``high - 1``. All must point to it already."""
        copies = []
        for start in range(low, len(self._parent), step):
            label = self._parent[start : start + step]
            child = (label >= low) & (label < high) & (label != np.arange(start, start + len(label)))
            copies.append(np.flatnonzero(child) + start)
        child = np.concatenate([np.zeros(0, dtype=np.int64), *copies])
        heads = np.unique(self._parent[child])
        positions = np.concatenate([heads.astype(np.int64), child])
        label = np.concatenate([heads, self._parent[child]])
        order = np.lexsort((positions, label))
        return positions[order], np.unique(label[order], return_inverse=True)[1]


def twins(
    clusters: Clusters, parts: Parts, earlier: int, similarity: Similarity, *, minimum: float = 0.0
) -> NDArray[np.void]:
    """For every document of this build the one of its group that stays, and how similar they are.

    The best of a group stays (documents of earlier releases before all others). What is less similar to it than
    ``minimum`` chooses a best again, and so on; the value and twin of one that stays in the end are those of the first
    choice. So what is removed (value >= ``minimum``) has a twin that stays.

    Args:
        clusters: all documents.
        parts: earlier releases first.
        earlier: documents of earlier releases; ``-2 - position`` is the twin when it is one of those.
        similarity: of documents to their twins.
        minimum: see above.

    Returns:
        ``TWIN`` [documents of this build].
    """
    found = np.empty(parts.total - earlier, dtype=TWIN)
    found["twin"], found["value"] = -1, np.nan
    for positions, group in clusters.members():
        if not len(positions):
            continue
        order = best_first(parts.gather("records", positions), positions, positions >= earlier, group)
        ordered = positions[order]
        twin, value = _choose(ordered, group[order], similarity, minimum)
        new = np.flatnonzero((ordered >= earlier) & (twin >= 0))
        found["value"][ordered[new] - earlier] = value[new]
        found["twin"][ordered[new] - earlier] = np.where(twin[new] < earlier, -2 - twin[new], twin[new] - earlier)
    return found


def _choose(
    positions: NDArray[np.int64], group: NDArray[np.int64], similarity: Similarity, minimum: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Twin and similarity of each document; groups lie together, the best document first."""
    twin, value = np.full(len(positions), -1, dtype=np.int64), np.full(len(positions), np.nan)
    left = np.arange(len(positions))
    for _ in range(ROUNDS):
        heads = np.ones(len(left), dtype=bool)
        heads[1:] = group[left][1:] != group[left][:-1]
        best = left[heads][np.cumsum(heads) - 1]
        left, best = left[~heads], best[~heads]
        if not len(left):
            break
        likeness = similarity(positions[left], positions[best])
        settle = (likeness >= minimum) | np.isnan(value[left])
        twin[left[settle]], value[left[settle]] = positions[best[settle]], likeness[settle]
        left = left[likeness < minimum]
    return twin, value
