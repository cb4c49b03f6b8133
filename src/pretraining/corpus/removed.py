"""Samples: per kind the documents with the smallest hashes of their ids, so always the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

TEXT_SHOWN = 2000
"""Characters of a removed document's text."""


def id_hash(identifier: str, salt: str = "") -> int:
    """64 bits of blake2b: decides about samples and about the held-out split, whatever else is in the corpus.

    Args:
        salt: for another, independent decision about the same document (at most 16 bytes).
    """
    digest = hashlib.blake2b(identifier.encode(), digest_size=8, salt=salt.encode()).digest()
    return int.from_bytes(digest, "big")


def is_held_out(identifier: str, share: float) -> bool:
    """Whether a document is one that nothing learns from: its id decides, whatever else is in the corpus."""
    return id_hash(identifier) / 2**64 < share


class Samples:
    """At most ``size`` samples of every kind.

    Args:
        keys: the keys of a sample that say of which kind it is, like ``("step", "reason")``.
    """

    def __init__(self, size: int, keys: tuple[str, ...]) -> None:
        self.size, self.keys = size, keys
        self._samples: dict[tuple[str, ...], list[tuple[int, dict[str, Any]]]] = {}
        self._limits: dict[tuple[str, ...], int] = {}

    def would_take(self, kind: tuple[str, ...], number: int) -> bool:
        """Whether a sample of this kind with this hash may be among the chosen, as far as is known."""
        return number < self._limits.get(kind, 1 << 64)

    def add(self, number: int, sample: dict[str, Any]) -> None:
        """Offer a sample, with the hash of its id. Of equal hashes, the one that was offered first is preferred."""
        kind = tuple(sample[key] for key in self.keys)
        if not self.would_take(kind, number):
            return
        samples = self._samples.setdefault(kind, [])
        samples.append((number, sample))
        if len(samples) >= 2 * self.size + 8:
            self._shrink(kind)

    def _shrink(self, kind: tuple[str, ...]) -> None:
        samples = self._samples[kind]
        samples.sort(key=lambda entry: entry[0])
        del samples[self.size :]
        if len(samples) == self.size:
            self._limits[kind] = samples[-1][0] if samples else 0

    def chosen(self) -> list[dict[str, Any]]:
        """The samples, by kind in the order of their first offer."""
        for kind in self._samples:
            self._shrink(kind)
        return [sample for samples in self._samples.values() for _, sample in samples]


def merged(size: int, keys: tuple[str, ...], tasks: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The samples of the whole, from those of its tasks in order."""
    samples = Samples(size, keys)
    for task in tasks:
        for sample in task:
            samples.add(id_hash(sample["id"]), sample)
    return samples.chosen()
