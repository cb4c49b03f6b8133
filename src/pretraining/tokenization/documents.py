"""Read the corpus folder: documents of a split, in order, a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pretraining.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation")
BATCH_ROWS, BATCH_BYTES = 1000, 2_000_000
"""Of ``small_batches``: enough text for many cores, little enough that what is made of it stays small."""


def corpus_files(corpus: Path, split: str) -> list[Path]:
    """The Parquet files of ``split`` (``train`` or ``validation``), in order."""
    return sorted(corpus.glob(f"{split}-*.parquet"))


def document_batches(corpus: Path, split: str, *, rows: int = 256) -> Iterator[pa.RecordBatch]:
    """Batches of ``rows`` documents with the columns ``id``, ``text`` and ``source``; never the whole corpus.

    Raises:
        DataError: a file is not readable as Parquet or lacks a column.
    """
    for path in corpus_files(corpus, split):
        yield from _read(path, ("id", "text", "source"), rows)


def small_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The documents of one corpus file with all their columns, a few megabytes of text at a time.

    A batch ends before the document that begins another ``BATCH_BYTES``, so a huge document is alone or nearly so.

    Raises:
        DataError: the file is not readable as Parquet, lacks a column, or has a document without text or whose text is
            not UTF-8 (Parquet readers do not look: a lone surrogate would be found nowhere else).
    """
    import pyarrow.compute as pc

    for batch in _read(path, ("id", "text", "source", "metadata"), BATCH_ROWS):
        _require_texts(batch, path)
        begins = np.cumsum(pc.binary_length(batch.column("text")).to_numpy(), dtype=np.int64) // BATCH_BYTES
        cuts = (np.flatnonzero(np.diff(begins)) + 1).tolist()
        for begin, end in pairwise([0, *cuts, batch.num_rows]):
            if end > begin:
                yield batch.slice(begin, end - begin)


def _require_texts(batch: pa.RecordBatch, path: Path) -> None:
    import pyarrow as pa

    if batch.column("text").null_count:
        raise DataError(f"{path}: a document has no text (null); run `pretrain corpus` again")
    try:
        batch.column("text").validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: a document is not valid UTF-8 ({error}). Surrogates and other encodings belong into no corpus; "
            "run `pretrain corpus` again."
        ) from error


def _read(path: Path, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if missing := set(columns) - set(file.schema_arrow.names):
                raise DataError(f"{path}: no column {', '.join(sorted(missing))}. Run `pretrain corpus` again.")
            yield from file.iter_batches(batch_size=rows, columns=list(columns))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a corpus file ({error}). Run `pretrain corpus` again.") from error


def count_rows(path: Path) -> int:
    """Documents of one corpus file, from its footer.

    Raises:
        DataError: the file is not readable as Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a corpus file ({error}). Run `pretrain corpus` again.") from error


def texts(corpus: Path, split: str) -> Iterator[str]:
    """The documents' texts, in order."""
    for batch in document_batches(corpus, split):
        yield from batch.column("text").to_pylist()


def declared_languages(corpus: Path) -> dict[str, str | None]:
    """The language of each source as the recipe of the corpus states it (``code_Script``); {} without a ledger."""
    try:
        sources = json.loads((corpus / "ledger.json").read_text("utf-8"))["sources"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: source.get("language") for name, source in sources.items()}


def languages(batch: pa.RecordBatch, declared: Mapping[str, str | None]) -> list[str | None]:
    """The language of each document: its own, as a step found it, else that of its source, else None."""
    found = []
    for source, metadata in zip(batch.column("source").to_pylist(), batch.column("metadata").to_pylist(), strict=True):
        own = json.loads(metadata).get("language") if metadata and '"language"' in metadata else None
        found.append(own if isinstance(own, str) else declared.get(source))
    return found
