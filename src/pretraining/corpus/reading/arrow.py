"""Arrow IPC: files (also Feather), of which a damaged batch costs itself, and streams, which end where they break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.columns import DAMAGE, Columns, open_table, read_row
from pretraining.corpus.reading.records import Advance, Records, Unfit
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import ArrowSource

FILE_MAGIC = b"ARROW1"


def read_arrow(file: SourceFile, source: ArrowSource, advance: Advance) -> Records:
    """One document per row. Row numbers count from 1; a damaged batch of a file is one unreadable record.

    Rows after a damaged batch are numbered as if it had no rows: how many it had is known only to the batch.
    """
    try:
        handle = open_table(file)
        is_file = handle.read(len(FILE_MAGIC)) == FILE_MAGIC
        handle.seek(0)
        reader = pa.ipc.open_file(handle) if is_file else pa.ipc.open_stream(handle)
        columns = Columns.of(reader.schema, source)
    except Unfit as error:
        yield Unreadable(file.source, file.relative, error.reason, file.size)
        return
    except DAMAGE:
        yield Unreadable(file.source, file.relative, "corrupt", file.size)
        return
    told, row = 0, 1
    for batch, position in _batches(reader, handle, file, is_file):
        if batch is None:
            yield Unreadable(file.source, file.relative, "corrupt", max(position - told, 0), row)
        else:
            for values in columns.rows(batch):
                yield read_row(row, values, file, source)
                row += 1
        advance(max(position - told, 0))
        told = max(position, told)
    advance(max(file.size - told, 0))


def _batches(reader: Any, handle: Any, file: SourceFile, is_file: bool) -> Iterator[tuple[Any, int]]:
    """(batch, or None for a damaged one; bytes of the file up to its end)."""
    if is_file:
        count = reader.num_record_batches
        for i in range(count):
            position = file.size * (i + 1) // count
            try:
                batch = reader.get_batch(i)
                batch.validate(full=False)
            except DAMAGE:
                batch = None
            yield batch, position
        return
    while True:
        try:
            batch = reader.read_next_batch()
            batch.validate(full=False)
        except StopIteration:
            return
        except DAMAGE:
            yield None, file.size
            return
        yield batch, min(handle.tell(), file.size)
