"""Which documents are copies: one pass over 16-byte hashes in memory (40 bytes a document), in reading order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HASHES = np.dtype([("id", "<u8", 2), ("text", "<u8", 2), ("bytes", "<i8")])
"""What a task remembers of every document. 128 bits of blake2b: two texts of 10^12 share one with odds of 10^-15."""

KEEP, DUPLICATE_ID, EXACT_DUPLICATE = 0, 1, 2


def hash_pair(text: str) -> tuple[int, int]:
    """128 bits of blake2b as two numbers."""
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def first_occurrences(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each row of ``hashes`` [n, 2], the index of the first row that equals it (its own, if it is the first)."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable: equal rows stay in reading order
    ordered = hashes[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    group = np.cumsum(starts) - 1
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[starts][group]
    return first


@dataclass(frozen=True)
class Decisions:
    """For every document in reading order: what happens to it [n], and the index of the document it repeats [n]."""

    fate: NDArray[np.uint8]
    original: NDArray[np.int64]


def decide(hashes: NDArray[np.void], *, exact: bool) -> Decisions:
    """Keep the first document of every id, then (``exact``) the first of every text among those."""
    original = first_occurrences(hashes["id"])
    positions = np.arange(len(hashes))
    fate = np.where(original == positions, KEEP, DUPLICATE_ID).astype(np.uint8)
    if exact:
        survivors = np.flatnonzero(fate == KEEP)
        first = survivors[first_occurrences(hashes["text"][survivors])]
        original[survivors] = first
        fate[survivors[first != survivors]] = EXACT_DUPLICATE
    return Decisions(fate, original)
