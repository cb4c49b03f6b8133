"""Documents between two passes: one Parquet file per task, with what the steps measured beside the text."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft
from pretraining.corpus.step import NamedStep

ROWS_PER_GROUP = 1000
BYTES_PER_GROUP = 32 << 20
"""A row group ends at so many documents or bytes of text, whichever comes first."""

CORPUS_SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "metadata")])
"""What the corpus stage gives to the stages after it."""

_DRAFT_FIELDS = [
    ("row", pa.int64()),
    ("id", pa.string()),
    ("text", pa.string()),
    ("source", pa.string()),
    ("file", pa.string()),
    ("record", pa.int64()),
    ("offset", pa.int64()),
    ("language", pa.string()),
    ("fields", pa.string()),
    ("hash", pa.string()),
    ("bytes", pa.int64()),
    ("before", pa.string()),
]


class TableWriter:
    """A Parquet file that grows row by row; it has its name only when it is complete.

    The bytes depend on the rows alone. Used with ``with``; without a row no file is written, unless ``always``.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, always: bool = True) -> None:
        self.path, self.schema, self.always = path, schema, always
        self.rows = 0
        self._columns: list[list[Any]] = [[] for _ in schema.names]
        self._bytes = 0
        self._writer: pq.ParquetWriter | None = None

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    def write(self, values: Sequence[Any], size: int = 0) -> None:
        """Add a row (values in the order of the schema); ``size`` is the bytes of its text."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self.rows += 1
        self._bytes += size
        if len(self._columns[0]) == ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self._flush()

    def write_table(self, table: pa.Table) -> None:
        """Add many rows."""
        self._flush()
        self._open().write_table(table)
        self.rows += table.num_rows

    def _open(self) -> Any:
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._temporary, self.schema, compression="zstd", write_page_checksum=True, store_schema=True
            )
        return self._writer

    def _flush(self) -> None:
        if self._columns[0]:
            arrays = [pa.array(column, field.type) for column, field in zip(self._columns, self.schema, strict=True)]
            self._open().write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        for column in self._columns:
            column.clear()
        self._bytes = 0

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            if self._writer is not None:
                self._writer.close()
            self._temporary.unlink(missing_ok=True)
            return
        self._flush()
        if self.always:
            self._open()
        if self._writer is not None:
            self._writer.close()
            os.replace(self._temporary, self.path)


def step_fields(steps: Sequence[NamedStep]) -> list[tuple[str, pa.DataType]]:
    """The columns of what steps measure: ``<step>.<reason>``, ``<step>.bytes``, ``<step>.edits.<edit>``."""
    fields = []
    for named in steps:
        fields += [(f"{named.name}.{rule.reason}", pa.float64()) for rule in named.step.rules]
        fields.append((f"{named.name}.bytes", pa.int64()))
        fields += [(f"{named.name}.edits.{edit}", pa.int32()) for edit in named.step.edits]
    return fields


def step_values(steps: Sequence[NamedStep], draft: Draft) -> list[Any]:
    """The values for ``step_fields``; None for a step that the document did not reach."""
    row: list[Any] = []
    for i, named in enumerate(steps):
        step = named.step
        if i >= len(draft.values):
            row += [None] * (len(step.rules) + 1 + len(step.edits))
            continue
        row += [None if math.isnan(value) else value for value in draft.values[i]]
        row.append(draft.sizes[i + 1])
        edits = draft.edits[i]
        row += [edits.get(edit, 0) for edit in step.edits]
    return row


class DraftWriter:
    """A store of drafts of one task."""

    def __init__(self, path: Path, steps: Sequence[NamedStep]) -> None:
        self.steps = steps
        self._table = TableWriter(path, pa.schema([*_DRAFT_FIELDS, *step_fields(steps)]))

    def write(self, draft: Draft, text: str) -> None:
        """Add a draft with this text (that of a removed one may be shortened)."""
        size = draft.sizes[0]
        self._table.write(
            [
                draft.row,
                draft.id,
                text,
                draft.source,
                draft.file,
                draft.record,
                draft.offset,
                draft.language,
                json.dumps(draft.fields, sort_keys=True, ensure_ascii=False) if draft.fields else None,
                draft.hash,
                size,
                json.dumps(draft.before, ensure_ascii=False) if draft.before else None,
                *step_values(self.steps, draft),
            ],
            len(text),
        )

    def __enter__(self) -> DraftWriter:
        self._table.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._table.__exit__(*error)


def read_drafts(
    path: Path, steps: Sequence[NamedStep], rows: NDArray[np.int64] | None = None
) -> Iterator[tuple[int, Draft]]:
    """(place in the store, draft) for all documents of a store, or those at ``rows`` (ascending).

    Args:
        steps: whose measurements are given back with the drafts; none for a store that another pass made.
    """
    wanted = None if rows is None else iter(rows.tolist())
    following = None if wanted is None else next(wanted, None)
    names = [name for name, _ in _DRAFT_FIELDS] + [name for name, _ in step_fields(steps)]
    with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
        place = 0
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            if wanted is not None and (following is None or following >= place + size):
                place += size
                continue
            table = parquet.read_row_group(group, columns=names, use_threads=False)
            columns = [column.to_pylist() for column in table.select(names).columns]
            for values in zip(*columns, strict=True):
                if wanted is None or place == following:
                    yield place, _draft(values, steps)
                    following = None if wanted is None else next(wanted, None)
                place += 1


def _draft(values: Sequence[Any], steps: Sequence[NamedStep]) -> Draft:
    row, id_, text, source, file, record, offset, language, fields, _, size, before = values[: len(_DRAFT_FIELDS)]
    draft = Draft(
        text,
        id_,
        source=source,
        file=file,
        record=record,
        offset=offset,
        fields=json.loads(fields) if fields else {},
        language=language,
    )
    draft.row = row
    draft.before = [(number, beginning) for number, beginning in json.loads(before)] if before else []
    draft.sizes.append(size)
    at = len(_DRAFT_FIELDS)
    for named in steps:
        rules, edits = len(named.step.rules), named.step.edits
        step_size = values[at + rules]
        if step_size is None:
            break
        draft.values.append(tuple(np.nan if v is None else v for v in values[at : at + rules]))
        draft.sizes.append(step_size)
        draft.edits.append(dict(zip(edits, values[at + rules + 1 : at + rules + 1 + len(edits)], strict=True)))
        at += rules + 1 + len(edits)
    return draft


class IdWriter:
    """The ids of the documents of a task that a global step saw, as bytes and offsets that can be mapped."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = [0]

    def add(self, identifier: str) -> None:
        """The next id."""
        self._bytes += identifier.encode("utf-8")
        self._ends.append(len(self._bytes))

    def save(self, folder: Path, rank: int) -> None:
        """Write them."""
        (folder / f"ids-{rank:05d}.bin").write_bytes(self._bytes)
        np.save(folder / f"ids-{rank:05d}.npy", np.array(self._ends, dtype=np.int64))


class Ids:
    """The ids of all documents that a global step saw, by their number; files are mapped when they are asked for."""

    def __init__(self, folder: Path, counts: NDArray[np.int64]) -> None:
        self.folder = folder
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self._open: dict[int, tuple[Any, Any]] = {}

    def __getitem__(self, number: int) -> str:
        rank = int(np.searchsorted(self.starts, number, side="right")) - 1
        if rank not in self._open:
            ends = np.load(self.folder / f"ids-{rank:05d}.npy", mmap_mode="r")
            data: Any = np.memmap(self.folder / f"ids-{rank:05d}.bin", dtype=np.uint8, mode="r") if ends[-1] else b""
            self._open[rank] = (ends, data)
        ends, data = self._open[rank]
        place = number - int(self.starts[rank])
        return bytes(data[ends[place] : ends[place + 1]]).decode("utf-8")


def counts_of(folder: Path, tasks: int) -> NDArray[np.int64]:
    """How many documents of each task the global step of this folder saw, [tasks]."""
    return np.array(
        [len(np.load(folder / f"ids-{rank:05d}.npy", mmap_mode="r")) - 1 for rank in range(tasks)], dtype=np.int64
    )
