"""Documents from files. Nothing is lost in silence: what cannot be read comes out as ``Unreadable``.

datatrove's own readers are not used because they lose data without a count: in 0.10.1 one invalid byte in the
middle of a JSON Lines file ends the file, and broken or empty records are only logged.
"""

from __future__ import annotations

from pretraining.corpus.reading.chunks import read_chunks
from pretraining.corpus.reading.records import REASONS, Advance, Records, Skipped
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.reading.split import split
from pretraining.corpus.sections.sources import (
    ArrowSource,
    CodeSource,
    CsvSource,
    HtmlSource,
    HuggingFaceSource,
    JsonlSource,
    MarkdownSource,
    ParquetSource,
    Source,
    WarcSource,
)

__all__ = ["REASONS", "Advance", "Records", "Skipped", "read_file", "split"]


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
    if isinstance(source, ParquetSource):
        from pretraining.corpus.reading.parquet import read_parquet

        return read_parquet(file, source, advance)
    if isinstance(source, ArrowSource):
        from pretraining.corpus.reading.arrow import read_arrow

        return read_arrow(file, source, advance)
    if isinstance(source, HuggingFaceSource):
        from pretraining.corpus.reading.hub import read_hub

        return read_hub(file, source, advance)
    if isinstance(source, WarcSource):
        from pretraining.corpus.reading.warc import read_warc

        return read_warc(file, source, read_chunks(file, advance, mend=True))
    return _read_chunked(file, source, advance)


def _read_chunked(file: SourceFile, source: Source, advance: Advance) -> Records:
    chunks = read_chunks(file, advance)
    if isinstance(source, JsonlSource):
        from pretraining.corpus.reading.jsonl import read_jsonl

        return read_jsonl(file, source, chunks)
    if isinstance(source, CsvSource):
        from pretraining.corpus.reading.tables import read_csv

        return read_csv(file, source, chunks)
    if isinstance(source, HtmlSource):
        from pretraining.corpus.reading.html import read_html

        return read_html(file, source, chunks)
    if isinstance(source, CodeSource):
        from pretraining.corpus.reading.code import read_code

        return read_code(file, source, chunks)
    from pretraining.corpus.reading.text import read_markdown, read_text

    if isinstance(source, MarkdownSource):
        return read_markdown(file, source, chunks)
    assert not isinstance(source, ParquetSource | ArrowSource | HuggingFaceSource | WarcSource)
    return read_text(file, source, chunks)
