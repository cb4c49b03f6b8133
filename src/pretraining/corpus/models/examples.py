"""The labelled documents that a classifier learns from, and those that it is measured on."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pretraining.corpus.models.texts import id_share, source_documents
from pretraining.corpus.sections.classifier_training import ClassifierTraining
from pretraining.corpus.sources import source_name
from pretraining.errors import DataError

LABELS = ("negative", "positive")
"""By number: 0, 1."""
TEXT_KEPT = 8192
"""Characters of a document's beginning: more than 512 words or tokens have."""


@dataclass
class Examples:
    """Texts with labels (0, 1)."""

    texts: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)

    def add(self, text: str, label: int) -> None:
        """Append one."""
        self.texts.append(text)
        self.labels.append(label)


@dataclass(frozen=True)
class Dataset:
    """What was read.

    Attributes:
        train: to learn from.
        held_out: to measure on.
        sources: name, label, licence and documents of each source.
        repeated: documents left out because an earlier one has the same text, or the same text stands in both labels.
    """

    train: Examples
    held_out: Examples
    sources: list[dict[str, Any]]
    repeated: int


def read_examples(training: ClassifierTraining, base: Path) -> Dataset:
    """Read both labels. A text that occurs twice counts once; one that has both labels counts for neither.

    Raises:
        SourceError: a source is not there.
        DataError: a label has too few documents to learn from and to measure on.
    """
    sources: list[dict[str, Any]] = []
    chosen = [
        _choose(label, getattr(training, name), training.max_documents, base, sources)
        for label, name in enumerate(LABELS)
    ]
    seen = [{_digest(text) for _, text in documents} for documents in chosen]
    both = seen[0] & seen[1]
    parts = Examples(), Examples()
    for label, documents in enumerate(chosen):
        done = set(both)
        for identifier, text in documents:
            if _digest(text) not in done:
                done.add(_digest(text))
                parts[id_share(identifier) < training.held_out].add(text, label)
    for part, what in zip(parts, ("learn from", "measure on"), strict=True):
        for label, name in enumerate(LABELS):
            if part.labels.count(label) < 2:
                raise DataError(
                    f"the sources under `{name}` have {len(chosen[label])} documents, {part.labels.count(label)} of "
                    f"them to {what}; at least 2 are needed\n    give more text, or `documents: line`, or change "
                    f"`held_out: {training.held_out:g}`"
                )
    kept = sum(len(part.texts) for part in parts)
    return Dataset(*parts, sources, sum(map(len, chosen)) - kept)


def _choose(
    label: int, sources: list[Any], limit: int, base: Path, accounts: list[dict[str, Any]]
) -> list[tuple[str, str]]:
    """(id, beginning of the text) of the ``limit`` documents with the smallest hashes, in the order of the hashes.

    Not the hashes that decide what is held out: with those, the smallest would all be.
    """
    heap: list[tuple[float, int, str, str]] = []
    count = 0
    for source in sources:
        before = count
        for document in source_documents(source, base):
            count += 1
            entry = (-id_share(f"choice/{document.id}"), -count, document.id, document.text[:TEXT_KEPT])
            if len(heap) < limit:
                heapq.heappush(heap, entry)
            elif entry > heap[0]:
                heapq.heapreplace(heap, entry)
        accounts.append(
            {
                "name": source_name(source),
                "label": LABELS[label],
                "license": source.license,
                "documents": count - before,
            }
        )
    return [(identifier, text) for _, _, identifier, text in sorted(heap, reverse=True)]


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
