"""Parquet: what a damaged page takes with it is counted, and the next row group is read."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.columns import DAMAGE, ROWS_PER_READ, Columns, open_table, read_row
from pretraining.corpus.reading.records import Advance, Records, Unfit
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import ParquetSource


def read_parquet(file: SourceFile, source: ParquetSource, advance: Advance) -> Records:
    """One document per row of the row groups ``start`` to ``end``. Row numbers count from 1, in the whole file."""
    try:
        parquet = pq.ParquetFile(open_table(file), page_checksum_verification=True)
    except Unfit as error:
        yield Unreadable(file.source, file.relative, error.reason, file.size)
        return
    except DAMAGE:
        yield Unreadable(file.source, file.relative, "corrupt", file.size)
        return
    with parquet:
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        groups = range(file.start, len(sizes) if file.end is None else file.end)
        rows = sum(sizes[group] for group in groups)
        row = 1 + sum(sizes[: file.start])
        try:
            columns = Columns.of(parquet.schema_arrow, source)
        except Unfit as error:
            yield Unreadable(file.source, file.relative, error.reason, file.size, row, documents=max(rows, 1))
            return
        done = 0
        for group in groups:
            yield from _read_group(parquet, group, row, columns=columns, file=file, source=source)
            row += sizes[group]
            before, done = done, done + sizes[group]
            advance(file.size * done // rows - file.size * before // rows if rows else 0)


def _read_group(
    parquet: Any, group: int, row: int, *, columns: Columns, file: SourceFile, source: ParquetSource
) -> Records:
    """``row`` is the number of the group's first row. A damaged page costs the rest of its row group."""
    metadata = parquet.metadata.row_group(group)
    end = row + metadata.num_rows
    batches = parquet.iter_batches(
        batch_size=ROWS_PER_READ, row_groups=[group], columns=columns.names, use_threads=False
    )
    while row < end:
        try:
            values = list(columns.rows(next(batches)))
        except (*DAMAGE, StopIteration):
            lost = sum(metadata.column(i).total_compressed_size for i in range(metadata.num_columns))
            lost = lost * (end - row) // metadata.num_rows
            yield Unreadable(file.source, file.relative, "corrupt", lost, row, documents=end - row)
            return
        for value in values:
            yield read_row(row, value, file, source)
            row += 1
