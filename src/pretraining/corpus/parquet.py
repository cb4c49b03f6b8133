"""Parquet in and out: row groups that cannot be read are counted, and what is written is the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document

from pretraining.corpus.config import ParquetSource
from pretraining.corpus.files import Unfit, decode
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.readers import Advance, Records, document, id_of, text_of
from pretraining.corpus.sources import SourceFile

SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "metadata")])
ROWS_PER_GROUP = 1000
BYTES_PER_GROUP = 32 << 20
"""A row group ends at so many documents or bytes of text, whichever comes first."""
ROWS_PER_READ = 64


def read_parquet(file: SourceFile, source: ParquetSource, advance: Advance) -> Records:
    """One document per row, with the other columns of plain values as metadata. Row numbers count from 1."""
    try:
        parquet = pq.ParquetFile(file.path, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        yield Unreadable(file.source, file.relative, "corrupt", file.size)
        return
    with parquet:
        rows = parquet.metadata.num_rows
        if reason := _unfit_columns(parquet.schema_arrow, source):
            yield Unreadable(file.source, file.relative, reason, file.size, documents=max(rows, 1))
            return
        done = 0
        for group in range(parquet.num_row_groups):
            yield from _read_group(parquet, group, done + 1, file, source)
            before, done = done, done + parquet.metadata.row_group(group).num_rows
            advance(file.size * done // rows - file.size * before // rows)


def _unfit_columns(schema: pa.Schema, source: ParquetSource) -> str | None:
    if source.text not in schema.names:
        return "missing_text"
    if not _is_text(schema.field(source.text).type):
        return "text_not_string"
    return "missing_id" if source.id is not None and source.id not in schema.names else None


def _is_text(type_: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(type_):
        type_ = type_.value_type
    return any(
        is_it(type_) for is_it in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    )


def _is_plain(type_: pa.DataType) -> bool:
    types = pa.types
    kinds = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(is_it(type_) for is_it in kinds)


def _read_group(parquet: Any, group: int, row: int, file: SourceFile, source: ParquetSource) -> Records:
    """``row`` is the number of the group's first row. A damaged page costs the rest of its row group."""
    columns = [f.name for f in parquet.schema_arrow if f.name in (source.text, source.id) or _is_plain(f.type)]
    metadata = parquet.metadata.row_group(group)
    end = row + metadata.num_rows
    batches = parquet.iter_batches(batch_size=ROWS_PER_READ, row_groups=[group], columns=columns, use_threads=False)
    while row < end:
        try:
            values = _values(next(batches), source)
        except (pa.ArrowException, OSError, StopIteration):
            lost = sum(metadata.column(i).total_compressed_size for i in range(metadata.num_columns))
            lost = lost * (end - row) // metadata.num_rows
            yield Unreadable(file.source, file.relative, "corrupt", lost, row, documents=end - row)
            return
        for fields in values:
            yield _read_row(fields, row, file, source)
            row += 1


def _values(batch: pa.RecordBatch, source: ParquetSource) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries; strings stay bytes here, so that an invalid one costs its row and not the batch."""
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        columns[name] = (plain.cast(pa.large_binary()) if _is_text(plain.type) else plain).to_pylist()
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _read_row(fields: dict[str, Any], row: int, file: SourceFile, source: ParquetSource) -> Document | Unreadable:
    raw = fields[source.text]
    try:
        if raw is not None:
            fields[source.text] = decode(raw, source.encoding, first=False)
        text = text_of(fields, source.text)
        others = {k: v.decode("utf-8", "replace") if isinstance(v, bytes) else v for k, v in fields.items()}
        identifier = f"{file.relative}:{row}" if source.id is None else id_of(others, source.id)
    except Unfit as error:
        return Unreadable(file.source, file.relative, error.reason, len(raw or b""), row)
    return document(file, identifier, text, others)


class ParquetWriter:
    """Documents to one Parquet file, which exists only if there was a document."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: Any = None
        self._rows: list[dict[str, str]] = []
        self._bytes = 0

    def write(self, doc: Document, size: int) -> None:
        """Add a document of ``size`` bytes of text."""
        self._rows.append({"id": doc.id, "text": doc.text, **doc.metadata})
        self._bytes += size
        if len(self._rows) >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, SCHEMA, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._rows, SCHEMA))
        self._rows, self._bytes = [], 0

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        if self._writer is not None:
            self._writer.close()


def read_back(path: Path) -> Iterator[Document]:
    """The documents that ``ParquetWriter`` wrote, in their order; none where there is no file."""
    if not path.exists():
        return
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(batch_size=ROWS_PER_READ):
            for row in batch.to_pylist():
                yield Document(text=row.pop("text"), id=row.pop("id"), metadata=row)
