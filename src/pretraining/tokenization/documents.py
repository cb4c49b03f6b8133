"""Read the corpus folder: documents of a split, in order, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pretraining.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation")


def corpus_files(corpus: Path, split: str) -> list[Path]:
    """The Parquet files of ``split`` (``train`` or ``validation``), in order."""
    return sorted(corpus.glob(f"{split}-*.parquet"))


def document_batches(corpus: Path, split: str, *, rows: int = 256) -> Iterator[pa.RecordBatch]:
    """Batches of ``rows`` documents with the columns ``id``, ``text`` and ``source``; never the whole corpus.

    Raises:
        DataError: a file is not readable as Parquet or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in corpus_files(corpus, split):
        try:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=rows, columns=["id", "text", "source"])
        except (pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
            raise DataError(f"{path}: not a corpus file ({error}). Run `pretrain corpus` again.") from error


def count_documents(corpus: Path, split: str) -> int:
    """Documents of a split, from the files' footers."""
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in corpus_files(corpus, split))


def with_progress(
    batches: Iterator[pa.RecordBatch], documents: int, what: str, *, show: bool
) -> Iterator[pa.RecordBatch]:
    """The same batches with a bar on stderr, where ``show`` asks for one."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not show) as bar:
        task = bar.add_task(f"tokens ({what})", total=documents)
        for batch in batches:
            yield batch
            bar.advance(task, batch.num_rows)


def texts(corpus: Path, split: str) -> Iterator[str]:
    """The documents' texts, in order."""
    for batch in document_batches(corpus, split):
        yield from batch.column("text").to_pylist()
