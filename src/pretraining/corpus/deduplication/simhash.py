"""``simhash_deduplication``: documents whose 64 bits differ in a few places, found by block permutation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import BAND_BYTES, Groups, equal_keys
from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.deduplication.parts import Parts, Shape
from pretraining.corpus.deduplication.shingles import require_words, shingles
from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Preparation, Rule

BITS = 64
_CLEAN = 3
"""Blocks that agree in a table. With ``max_distance`` + 3 blocks, there are 3 without a difference."""
_ENTRY = 64
"""Bytes that looking for pairs takes per document."""


def simhash(shingles: NDArray[np.uint64]) -> int:
    """The majority of each bit over the hashed shingles [n] (Charikar 2002); a tie is 0."""
    bits = np.unpackbits(shingles.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    majority = 2 * bits.sum(axis=0, dtype=np.int64) > len(shingles)
    return int(np.packbits(majority, bitorder="little").view("<u8")[0])


def close_pairs(
    hashes: NDArray[np.uint64], max_distance: int, *, budget: int = BAND_BYTES
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Indices (left, right) of all pairs of different hashes that differ in at most ``max_distance`` bits.

    Manku, Jain, Das Sarma 2007, section 3: the bits are cut into ``max_distance`` + 3 blocks; of a close pair three
    blocks agree, so for each choice of three the hashes are sorted by them. A pair may come several times.

    Args:
        hashes: [n], all different; may be a memory map.
        max_distance: 0 to 7.
        budget: bytes of memory in which a range of keys is sorted.
    """
    edges = [BITS * i // (max_distance + _CLEAN) for i in range(max_distance + _CLEAN + 1)]
    blocks = [((1 << high) - 1) ^ ((1 << low) - 1) for low, high in zip(edges, edges[1:], strict=False)]
    ranges = max(1, -(-len(hashes) * _ENTRY // budget))
    for chosen in combinations(blocks, _CLEAN):
        mask = np.uint64(sum(chosen))
        # any function of the key cuts the keys into ranges of like size
        which = (((hashes & mask) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) % np.uint64(ranges)
        for number in range(ranges):
            index = np.flatnonzero(which == number) if ranges > 1 else np.arange(len(hashes))
            yield from _pairs_of_table(hashes[index], index, mask, max_distance)


def _pairs_of_table(
    hashes: NDArray[np.uint64], index: NDArray[np.int64], mask: np.uint64, max_distance: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    keys = hashes & mask
    order = np.argsort(keys)
    keys, hashes, index = keys[order], hashes[order], index[order]
    places = np.arange(len(keys))
    for apart in range(1, len(keys)):
        places = places[places + apart < len(keys)]
        places = places[keys[places] == keys[places + apart]]
        if not len(places):
            return
        distance = np.bitwise_count(hashes[places] ^ hashes[places + apart])
        near = places[distance <= max_distance]
        yield index[near], index[near + apart]


class SimhashDeduplication(DocumentDeduplication):
    """Group documents of close SimHash; whatever goes is close to the one that stays, not only to a third.

    ``find`` holds 16 bytes per document besides what is said in ``clusters``.
    """

    rules = (Rule("near_duplicate", ">=", "max_distance", "share"),)
    shape = Shape(bands=1, rows=1, precision=BITS)

    def parameters(self) -> dict[str, Any]:
        """See the base class."""
        return {"ngram": self.section.ngram, "words": self.section.words}

    def prepare(self, preparation: Preparation) -> None:
        """Look for what finds words, and at the earlier releases."""
        require_words(self.section, preparation)
        super().prepare(preparation)

    def minimum(self) -> float:
        """1 - distance / 64."""
        return float(1 - self.section.max_distance / BITS)

    def threshold(self, rule: Rule, fields: dict[str, Any]) -> float | None:
        """``max_distance`` as a similarity."""
        return self.minimum()

    def signature(self, draft: Draft) -> NDArray[np.uint64]:
        """[1]"""
        return np.array([simhash(shingles(draft, self.section.words, self.section.ngram))], dtype=np.uint64)

    def similarity(self, parts: Parts, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """1 - distance / 64."""
        differing = parts.gather("signatures", left)[:, 0] ^ parts.gather("signatures", right)[:, 0]
        similar: NDArray[np.float64] = 1 - np.bitwise_count(differing) / BITS
        return similar

    def groups(self, parts: Parts) -> Iterator[Groups]:
        """Equal hashes first; then pairs of different ones, each looked at once."""
        by_source = self.section.scope == "source"
        yield from equal_keys(parts, self.shape, 0, by_source=by_source)
        if not parts.total:
            return
        hashes = np.concatenate([np.load(part.path("signatures"))[:, 0] for part in parts.parts])
        groups = [np.arange(parts.total)]
        if by_source:
            source = np.concatenate([np.load(part.path("records"))["source"] for part in parts.parts])
            groups = [np.flatnonzero(source == one) for one in np.unique(source)]
        for members in groups:
            distinct, first = np.unique(hashes[members], return_index=True)
            for left, right in close_pairs(distinct, self.section.max_distance):
                pair = np.stack([members[first[left]], members[first[right]]], axis=1).ravel()
                yield pair, np.repeat(np.arange(len(left)), 2)
