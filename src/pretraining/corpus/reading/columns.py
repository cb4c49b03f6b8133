"""Rows out of Arrow batches, whether they come from Parquet or from Arrow IPC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from pretraining.corpus.draft import Draft
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.chunks import no_progress, open_binary, read_chunks
from pretraining.corpus.reading.encoding import AUTO, decode, detect
from pretraining.corpus.reading.lines import read_whole
from pretraining.corpus.reading.records import Unfit, check_id, make_draft
from pretraining.corpus.reading.remote import is_url
from pretraining.corpus.reading.source_file import COMPRESSIONS, SourceFile
from pretraining.corpus.sections.sources import ArrowSource, ParquetSource

TableSource: TypeAlias = ParquetSource | ArrowSource
ROWS_PER_READ = 64
DAMAGE = (pa.ArrowException, OSError)
"""What pyarrow raises for a damaged file."""


def open_table(file: SourceFile) -> Any:
    """What pyarrow can seek in: the file, or its bytes in memory where it is compressed.

    Raises:
        Unfit: the compressed file is damaged or larger than a record may be.
    """
    if file.member is None and not file.name.lower().endswith((".zip", *COMPRESSIONS)):
        return pa.PythonFile(open_binary(file.path), mode="r") if is_url(file.path) else pa.memory_map(file.path)
    return pa.BufferReader(read_whole(read_chunks(file, no_progress)).require_whole())


@dataclass(frozen=True)
class Columns:
    """Where the values of a row stand: paths of names, the first of which is a column."""

    text: list[str]
    id: list[str] | None
    moved: dict[str, list[str]]
    plain: list[str]

    @classmethod
    def of(cls, schema: pa.Schema, source: TableSource) -> Columns:
        """The columns that the source names, and all others of plain values.

        Raises:
            Unfit: ``missing_text``, ``text_not_string`` or ``missing_id``.
        """
        text = _path(schema, source.text)
        if text is None:
            raise Unfit("missing_text")
        if not _is_text(_type(schema, text)):
            raise Unfit("text_not_string")
        id = None if source.id is None else _path(schema, source.id)
        if source.id is not None and id is None:
            raise Unfit("missing_id")
        given = {
            key: path for key in ("url", "date") if (name := getattr(source, key)) and (path := _path(schema, name))
        }
        taken = [path for path in (text, id, *given.values()) if path is not None]
        plain = [field.name for field in schema if [field.name] not in taken and _is_plain(field.type)]
        return cls(text, id, given, plain)

    @property
    def names(self) -> list[str]:
        """The columns that have to be read."""
        paths = [self.text, *([self.id] if self.id else []), *self.moved.values()]
        return list(dict.fromkeys([*(path[0] for path in paths), *self.plain]))

    def rows(self, batch: pa.RecordBatch) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
        """(text, id, fields) of each row; strings are bytes, so that an invalid one costs its row and not the batch."""
        paths = {"": self.text, **({"id": self.id} if self.id else {})}
        special = {key: _values(batch, path) for key, path in paths.items()}
        ids = special.get("id", [None] * batch.num_rows)
        fields = {**{name: _values(batch, [name]) for name in self.plain}, **self._moved(batch)}
        for i in range(batch.num_rows):
            yield special[""][i], ids[i], {name: values[i] for name, values in fields.items()}

    def _moved(self, batch: pa.RecordBatch) -> dict[str, list[Any]]:
        return {key: _values(batch, path) for key, path in self.moved.items()}


def read_row(
    row: int, values: tuple[Any, Any, dict[str, Any]], file: SourceFile, source: TableSource
) -> Draft | Unreadable:
    """The document of row number ``row``, from 1."""
    raw, identifier, fields = values
    try:
        if raw is None:
            raise Unfit("missing_text")
        text = decode(raw, detect(raw) if source.encoding == AUTO else source.encoding, first=False)
        if isinstance(identifier, bytes):
            identifier = identifier.decode("utf-8", "replace")
        named = None if source.id is None else check_id(identifier)
    except Unfit as error:
        return Unreadable(file.source, file.relative, error.reason, len(raw or b""), row)
    return make_draft(file, source, text, fields, identifier=named, record=row)


def _path(schema: pa.Schema, name: str) -> list[str] | None:
    """The way to a column, or through structs to one inside; None: there is none."""
    if name in schema.names:
        return [name]
    path = name.split(".")
    if path[0] not in schema.names:
        return None
    type_ = schema.field(path[0]).type
    for part in path[1:]:
        if not pa.types.is_struct(type_) or type_.get_field_index(part) < 0:
            return None
        type_ = type_.field(part).type
    return path


def _type(schema: pa.Schema, path: list[str]) -> pa.DataType:
    type_ = schema.field(path[0]).type
    for part in path[1:]:
        type_ = type_.field(part).type
    return type_


def _values(batch: pa.RecordBatch, path: list[str]) -> list[Any]:
    column = batch.column(path[0])
    if len(path) > 1:
        column = pc.struct_field(column, path[1:])
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    values: list[Any] = (column.cast(pa.large_binary()) if _is_text(column.type) else column).to_pylist()
    return values


def _is_text(type_: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(type_):
        type_ = type_.value_type
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(is_it(type_) for is_it in kinds)


def _is_plain(type_: pa.DataType) -> bool:
    types = pa.types
    kinds = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(is_it(type_) for is_it in kinds)
