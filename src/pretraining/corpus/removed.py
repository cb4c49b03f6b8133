"""Samples of what was removed: per reason the documents with the smallest hashes of their ids, so always the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TEXT_SHOWN = 2000
"""Characters of a removed document's text."""


def id_hash(identifier: str) -> int:
    """64 bits of blake2b: decides about samples and about the held-out split, whatever else is in the corpus."""
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=8).digest(), "big")


class RemovedSamples:
    """At most ``size`` removed documents for every step and reason."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._samples: dict[tuple[str, str], list[tuple[int, dict[str, Any]]]] = {}

    def add(self, sample: dict[str, Any]) -> None:
        """Offer a removed document: ``{id, source, step, reason, value, threshold, text, ...}``.

        Of copies with the same id, the one that was offered first is preferred.
        """
        samples = self._samples.setdefault((sample["step"], sample["reason"]), [])
        samples.append((id_hash(sample["id"]), {**sample, "text": sample["text"][:TEXT_SHOWN]}))
        if len(samples) > 4 * self.size + 100:
            self._shrink(samples)

    def _shrink(self, samples: list[tuple[int, dict[str, Any]]]) -> None:
        samples.sort(key=lambda entry: entry[0])
        del samples[self.size :]

    def chosen(self) -> list[dict[str, Any]]:
        """The samples, by step and reason in the order of their first offer."""
        for samples in self._samples.values():
            self._shrink(samples)
        return [sample for samples in self._samples.values() for _, sample in samples]

    def write(self, folder: Path) -> None:
        """``<step>-<reason>.jsonl`` for every reason that has samples."""
        folder.mkdir(exist_ok=True)
        for sample in self.chosen():
            with (folder / f"{sample['step']}-{sample['reason']}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(sample, ensure_ascii=False) + "\n")


def removed_samples(size: int, tasks: Iterable[list[dict[str, Any]]]) -> RemovedSamples:
    """The samples of the whole, from those of its tasks in order."""
    samples = RemovedSamples(size)
    for task in tasks:
        for sample in task:
            samples.add(sample)
    return samples
