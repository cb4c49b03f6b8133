"""The documents of a source, for what learns from text before the build."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document

from pretraining.corpus.readers import read_file
from pretraining.corpus.reading.chunks import no_progress
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sources import source_files


def source_documents(source: Any, base: Path) -> Iterator[Document]:
    """The documents of a source section in its order, as they are before any step; what is unreadable is passed over.

    Raises:
        SourceError: the source is not there.
    """
    for file in source_files(source, base):
        for record in read_file(file, source, no_progress):
            if isinstance(record, Document):
                yield record


def id_share(identifier: str) -> float:
    """The place of an id in [0, 1): below ``held_out`` the document is held out."""
    return id_hash(identifier) / 2**64
