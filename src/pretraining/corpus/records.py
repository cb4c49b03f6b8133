"""The rows of the ledger: one for every record that came in, put together from what the passes wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pretraining.corpus.blocks import SPLITS, Block, records_schema
from pretraining.corpus.canaries import CANARY
from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.ledger import UNREADABLE_LISTED, Count, Ledger, SourceLedger, StepCount, Unreadable
from pretraining.corpus.readers import REASONS
from pretraining.corpus.removed import is_held_out
from pretraining.corpus.step import EMPTY, GlobalStep, NamedStep
from pretraining.corpus.steps import Pass
from pretraining.corpus.store import Ids, TableWriter, counts_of, step_fields
from pretraining.corpus.task import WorkFolder, read_json, write_json

CHUNK = 20_000
"""Rows that are put together at a time."""

_TEXT, _INT, _REAL = pa.string(), pa.int64(), pa.float64()
ORIGIN = [("id", _TEXT), ("source", _TEXT), ("file", _TEXT), ("record", _INT), ("offset", _INT), ("hash", _TEXT)]
FATE = [
    ("documents", _INT),
    ("bytes", _INT),
    ("fate", _TEXT),
    ("split", _TEXT),
    ("bytes_kept", _INT),
    ("step", _TEXT),
    ("reason", _TEXT),
    ("value", _REAL),
    ("threshold", _REAL),
    ("duplicate_of", _TEXT),
    ("similarity", _REAL),
    ("language", _TEXT),
]
"""``language`` is what the last step that saw the document knew."""


def ledger_schema(parts: Sequence[Pass]) -> pa.Schema:
    """Columns of ``ledger/*.parquet``: where a record came from, its fate, and what every step measured and edited."""
    return pa.schema([*ORIGIN, *FATE, *(field for part in parts for field in step_fields(part.steps))])


class WriteLedger(Block):
    """The last block: the rows of one task, and their sums."""

    def __init__(self, work: WorkFolder, parts: Sequence[Pass], held_out: float, tasks: int) -> None:
        super().__init__("ledger", work)
        self.parts, self.held_out, self.tasks = parts, held_out, tasks

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Write ``ledger-<rank>.parquet`` and ``ledger-<rank>.json`` (counts), or ``canaries.json``."""
        folder = self.work.folder("ledger")
        sums = Sums([named for part in self.parts for named in part.steps])
        twins = [Twins(self.work, part, self.tasks) for part in self.parts]
        with TableWriter(folder / f"ledger-{rank:05d}.parquet", ledger_schema(self.parts), always=False) as table:
            for chunk in self._chunks(rank):
                rows = self._rows(chunk, twins)
                if len(rows) and rows["source"][0].as_py() == CANARY:
                    write_json(folder / "canaries.json", rows.select([n for n, _ in [*ORIGIN, *FATE]]).to_pylist())
                    return
                sums.add(rows)
                table.write_table(rows)
        write_json(folder / f"ledger-{rank:05d}.json", sums.to_json())

    def _chunks(self, rank: int) -> Iterator[tuple[pa.Table, list[pa.Table], list[dict[str, Any]]]]:
        """(documents as read, what each pass recorded of them, unreadable records), in reading order."""
        columns = ["row", "id", "source", "file", "record", "offset", "hash", "bytes"]
        store = _Rows(self.work.store(0, rank), columns)
        records = [_Rows(self.work.records(part.number, rank), records_schema(part).names) for part in self.parts]
        unreadable = read_json(self.work.measured / f"unreadable-{rank:05d}.json")
        while True:
            documents = store.take(CHUNK)
            last = documents["row"][-1].as_py() if len(documents) else None
            lost = [record for record in unreadable if last is None or record["row"] < last]
            unreadable = unreadable[len(lost) :]
            if not len(documents) and not lost:
                return
            yield documents, [rows.until(last) for rows in records], lost

    def _rows(self, chunk: tuple[pa.Table, list[pa.Table], list[dict[str, Any]]], twins: list[Twins]) -> pa.Table:
        documents, records, lost = chunk
        number = len(documents)
        row = documents["row"].to_numpy()
        columns: dict[str, Any] = {name: documents[name] for name, _ in [*ORIGIN, ("bytes", _INT)]}
        fate = {name: np.full(number, None, dtype=object) for name in ("step", "reason", "language", "duplicate_of")}
        value, limit = np.full(number, np.nan), np.full(number, np.nan)
        kept_bytes = documents["bytes"].to_numpy().astype(np.float64)
        for part, found, twin in zip(self.parts, records, twins, strict=True):
            at = np.searchsorted(row, found["row"].to_numpy())
            for name, type_ in step_fields(part.steps):
                columns[name] = _scatter(found[name], at, number, type_)
            if part.steps:
                kept_bytes[at] = _numbers(found[f"{part.steps[-1].name}.bytes"])
            for name in ("step", "reason", "language"):
                fate[name][at] = found[name].to_numpy(zero_copy_only=False)
            value[at], limit[at] = _numbers(found["value"]), _numbers(found["threshold"])
            fate["duplicate_of"][at] = twin.ids(found["twin"].to_numpy())
        gone = fate["reason"] != None  # noqa: E711  # elementwise
        ids = documents["id"].to_pylist()
        split = [
            None if removed else SPLITS[is_held_out(id_, self.held_out)] for id_, removed in zip(ids, gone, strict=True)
        ]
        same = np.array([twin is not None for twin in fate["duplicate_of"]], dtype=bool)
        columns |= {
            "documents": np.ones(number, dtype=np.int64),
            "fate": np.where(gone, "removed", "kept"),
            "split": split,
            "bytes_kept": pa.array(np.where(gone, 0, kept_bytes).astype(np.int64), mask=gone),
            **fate,
            "value": pa.array(value, from_pandas=True),
            "threshold": pa.array(limit, from_pandas=True),
            "similarity": pa.array(np.where(same, value, np.nan), from_pandas=True),
        }
        schema = ledger_schema(self.parts)
        table = pa.table([pa.array(_plain(columns[f.name]), f.type) for f in schema], schema=schema)
        if not lost:
            return table
        both = pa.concat_tables([table, _unreadable(lost, schema)])
        order = np.argsort(np.concatenate([row, [record["row"] for record in lost]]), kind="stable")
        return both.take(pa.array(order))


def _plain(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return numbers


def _scatter(column: pa.ChunkedArray, at: NDArray[np.int64], number: int, type_: pa.DataType) -> pa.Array:
    values = np.full(number, np.nan)
    values[at] = _numbers(column)
    return pa.array(values, from_pandas=True).cast(type_)


def _unreadable(lost: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    keys = ("source", "file", "record", "offset", "documents", "bytes", "reason")
    rows = [{**{key: record[key] for key in keys}, "fate": "unreadable", "step": "read"} for record in lost]
    return pa.Table.from_pylist(rows, schema=schema)


class _Rows:
    """The rows of a Parquet file from first to last, as many as are asked for."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        parquet = pq.ParquetFile(path)
        schema = parquet.schema_arrow
        self._empty = pa.schema([schema.field(name) for name in columns]).empty_table()
        self._batches = parquet.iter_batches(columns=list(columns), use_threads=False)
        self._rest = self._empty

    def _more(self) -> bool:
        batch = next(self._batches, None)
        if batch is None:
            return False
        self._rest = pa.concat_tables([self._rest, pa.table(batch).select(self._empty.schema.names)])
        return True

    def take(self, number: int) -> pa.Table:
        """The next rows."""
        while len(self._rest) < number and self._more():
            pass
        return self._cut(number)

    def until(self, row: int | None) -> pa.Table:
        """All up to ``row`` of the column of that name; the rest, if it is None."""
        while (not len(self._rest) or row is None or self._rest["row"][-1].as_py() <= row) and self._more():
            pass
        rows = self._rest["row"].to_numpy()
        return self._cut(len(rows) if row is None else int(np.searchsorted(rows, row, side="right")))

    def _cut(self, number: int) -> pa.Table:
        taken, self._rest = self._rest.slice(0, number), self._rest.slice(number)
        return taken


class Twins:
    """The ids behind the numbers that the global step of a pass found."""

    def __init__(self, work: WorkFolder, part: Pass, tasks: int) -> None:
        self.step = part.steps[0].step if part.steps and isinstance(part.steps[0].step, GlobalStep) else None
        if self.step is not None:
            self.folder = work.folder(part.steps[0].name)
            self._ids = Ids(self.folder, counts_of(self.folder, tasks))

    def ids(self, numbers: NDArray[np.int64]) -> list[str | None]:
        """An id for every number, None for -1."""
        found: list[str | None] = [None] * len(numbers)
        if self.step is None:
            return found
        for i in np.flatnonzero(numbers >= 0):
            found[i] = self._ids[int(numbers[i])]
        earlier = np.flatnonzero(numbers <= -2)
        if len(earlier):
            assert isinstance(self.step, DocumentDeduplication)  # no other step looks at earlier releases
            for i, id_ in zip(earlier, self.step.earlier_ids(self.folder, -2 - numbers[earlier]), strict=True):
                found[i] = id_
        return found


class Sums:
    """The ledger of one task, from its rows: per source and step, in order."""

    def __init__(self, steps: Sequence[NamedStep]) -> None:
        self.steps = steps
        self.ledger = Ledger({})

    def add(self, rows: pa.Table) -> None:
        """Count these rows."""
        sources = np.array(rows["source"].to_pylist(), dtype=object)
        for name in dict.fromkeys(sources):
            chosen = rows.filter(pa.array(sources == name))
            self.ledger = self.ledger + Ledger({name: self._source(chosen)}, _lost(chosen))

    def _source(self, rows: pa.Table) -> SourceLedger:
        fate, reason, step = (np.array(rows[name].to_pylist(), dtype=object) for name in ("fate", "reason", "step"))
        documents, sizes = rows["documents"].to_numpy(), rows["bytes"].to_numpy()
        place = {named.name: i for i, named in enumerate(self.steps)} | {None: len(self.steps), "read": -1}
        ends = np.array([place[name] for name in step], dtype=np.int64)
        lost = fate == "unreadable"
        read = StepCount.of("read", REASONS)
        _remove(read, reason[lost], documents[lost], sizes[lost])
        read.documents_in, read.bytes_in = int(documents.sum()), int(sizes.sum())
        read.documents_out, read.bytes_out = int((~lost).sum()), int(sizes[~lost].sum())
        counts, before = [read], sizes.astype(np.int64)
        for i, named in enumerate(self.steps):
            count, entered, left = _empty(named), ends >= i, ends > i
            after = _numbers(rows[f"{named.name}.bytes"])
            count.documents_in, count.bytes_in = int(entered.sum()), int(before[entered].sum())
            count.documents_out, count.bytes_out = int(left.sum()), int(after[left].sum())
            count.bytes_edited = int(before[left].sum()) - count.bytes_out
            here = ends == i
            _remove(count, reason[here], documents[here], before[here])
            for edit in named.step.edits:
                count.edits[edit] = int(np.nansum(_numbers(rows[f"{named.name}.edits.{edit}"])[left]))
            counts.append(count)
            before = np.where(left, after, 0).astype(np.int64)
        splits = np.array(rows["split"].to_pylist(), dtype=object)
        return SourceLedger(
            counts, {s: Count(int((splits == s).sum()), int(before[splits == s].sum())) for s in SPLITS}
        )

    def to_json(self) -> dict[str, Any]:
        """For ``read_sums``."""
        from dataclasses import asdict

        return asdict(self.ledger)


def _empty(named: NamedStep) -> StepCount:
    reasons = [rule.reason for rule in named.step.rules]
    if named.step.edits:
        reasons.append(EMPTY)
    return StepCount.of(named.name, reasons, named.step.edits)


def _remove(count: StepCount, reasons: Any, documents: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
    for reason in dict.fromkeys(reasons):
        chosen = reasons == reason
        count.removed[reason] += Count(int(documents[chosen].sum()), int(sizes[chosen].sum()))


def _lost(rows: pa.Table) -> list[Unreadable]:
    import pyarrow.compute as pc

    keys = ("source", "file", "reason", "bytes", "record", "offset", "documents")
    lost = rows.filter(pc.equal(rows["fate"], "unreadable")).slice(0, UNREADABLE_LISTED)
    return [Unreadable(**row) for row in lost.select(keys).to_pylist()]


def read_sums(path: Path) -> Ledger:
    """The counts of one task."""
    data = read_json(path)
    sources = {name: SourceLedger.from_json(source) for name, source in data["sources"].items()}
    return Ledger(sources, [Unreadable(**record) for record in data["unreadable"]])
