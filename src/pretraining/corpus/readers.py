"""Documents from files. Nothing is lost in silence: what cannot be read comes out as ``Unreadable``.

datatrove's own readers are not used because they lose data without a count: in 0.10.1 one invalid byte in the
middle of a JSON Lines file ends the file, and broken or empty records are only logged.
"""

from __future__ import annotations

import importlib
from typing import Any

from pretraining.corpus.reading.chunks import read_chunks
from pretraining.corpus.reading.records import REASONS, Advance, Records, Skipped
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.reading.split import split
from pretraining.corpus.sections.sources import Source

__all__ = ["REASONS", "Advance", "Records", "Skipped", "read_file", "split"]

FROM_FILE = {"parquet": "parquet:read_parquet", "arrow": "arrow:read_arrow", "huggingface": "hub:read_hub"}
"""``module:function`` below ``reading`` for the kinds of source whose library opens the file itself."""
FROM_CHUNKS = {
    "package": "text:read_text",
    "text": "text:read_text",
    "markdown": "text:read_markdown",
    "html": "html:read_html",
    "warc": "warc:read_warc",
    "jsonl": "jsonl:read_jsonl",
    "csv": "tables:read_csv",
    "code": "code:read_code",
}
"""The same for those that are read from decompressed pieces; imported when a source of the kind is read."""


def read_file(file: SourceFile, source: Source, advance: Advance) -> Records:
    """The documents of one file (or part of one), in its order.

    Args:
        advance: is told how many bytes were read from the disk.

    Returns:
        ``Draft`` for a document, ``Unreadable`` for a record that should have been one, and for web archives
        ``Skipped`` for those that never were. Engines count the last apart: they are neither read nor lost.

    Raises:
        DataError: the file cannot be opened.
    """
    if source.type in FROM_FILE:
        return _reader(FROM_FILE[source.type])(file, source, advance)  # type: ignore[no-any-return]
    chunks = read_chunks(file, advance, mend=source.type == "warc")
    return _reader(FROM_CHUNKS[source.type])(file, source, chunks)  # type: ignore[no-any-return]


def _reader(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"pretraining.corpus.reading.{module}"), function)
