from __future__ import annotations

import datetime
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretraining.corpus.ledger import Unreadable


def write(path: Path, row_group_size: int | None = None, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size, write_page_checksum=True)
    return path


def test_rows_with_fields(tmp_path: Path, read: Callable) -> None:
    columns = {"text": ["one", "two"], "year": [1790, None], "vector": [[0.5], [0.25]], "url": ["u", "v"]}
    write(tmp_path / "a.parquet", **columns)
    result = read(type="parquet", path="a.parquet")
    assert result.texts == {"s/a.parquet:1": "one", "s/a.parquet:2": "two"} and not result.lost
    assert [doc.fields for doc in result.docs] == [{"url": "u", "year": 1790}, {"url": "v"}]
    assert [doc.record for doc in result.docs] == [1, 2]
    assert result.advanced == result.size


def test_nested_columns_and_columns_that_move(tmp_path: Path, read: Callable) -> None:
    day = datetime.date(1790, 1, 8)
    data = [{"content": "one", "meta": {"key": 5}}, {"content": None, "meta": {"key": 6}}, None]
    write(tmp_path / "a.parquet", data=data, link=["http://a", None, None], day=[day, day, day])
    named = {"text": "data.content", "id": "data.meta.key", "url": "link", "date": "day"}
    result = read(type="parquet", path="a.parquet", **named)
    assert result.texts == {"s/5": "one"}
    assert result.docs[0].fields == {"url": "http://a", "date": "1790-01-08"}
    assert result.reasons == [(2, "missing_text"), (3, "missing_text")]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_other_types_of_text(tmp_path: Path, read: Callable, kind: pa.DataType) -> None:
    write(tmp_path / "a.parquet", text=pa.array(["é", "two", "é"]).cast(kind), key=["a", "b", "c"])
    result = read(type="parquet", path="a.parquet", id="key")
    assert result.texts == {"s/a": "é", "s/b": "two", "s/c": "é"} and not result.lost


def test_bad_rows_cost_themselves(tmp_path: Path, read: Callable) -> None:
    text = pa.array([b"ok", None, b"caf\xe9", b" ", b"\0", b"end"], pa.binary())
    write(tmp_path / "a.parquet", text=text, key=["a", "b", "c", "d", "e", None])
    result = read(type="parquet", path="a.parquet", id="key")
    assert list(result.texts) == ["s/a"]
    assert [(u.record, u.reason, u.bytes) for u in result.lost] == [
        (2, "missing_text", 0),
        (3, "invalid_encoding", 4),
        (4, "empty", 1),
        (5, "binary", 1),
        (6, "missing_id", 3),
    ]
    assert list(read(type="parquet", path="a.parquet", encoding="auto").texts.values()) == ["ok", "café", "end"]


def test_columns_that_are_not_there_or_not_text(tmp_path: Path, read: Callable) -> None:
    write(tmp_path / "a.parquet", text=[1, 2, 3], body=["x", "y", "z"])
    for keys, reason in [
        ({}, "text_not_string"),
        ({"text": "content"}, "missing_text"),
        ({"text": "body.x"}, "missing_text"),
        ({"text": "body", "id": "key"}, "missing_id"),
    ]:
        result = read(type="parquet", path="a.parquet", **keys)
        assert result.docs == [] and [(u.reason, u.documents) for u in result.lost] == [(reason, 3)]


def test_no_parquet_at_all(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 or not")
    assert read(type="parquet", path="a.parquet").lost == [Unreadable("s", "a.parquet", "corrupt", 11)]


def test_a_damaged_row_group_costs_only_itself(tmp_path: Path, read: Callable, speeches: list[str]) -> None:
    path = write(tmp_path / "a.parquet", text=speeches, row_group_size=5)
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(1).column(0)
    middle = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size // 2
    data[middle : middle + 50] = bytes(50)
    path.write_bytes(data)
    result = read(type="parquet", path="a.parquet")
    assert [doc.text for doc in result.docs] == speeches[:5] + speeches[10:]
    assert [(u.reason, u.record, u.documents) for u in result.lost] == [("corrupt", 6, 5)]
    assert result.lost[0].bytes == column.total_compressed_size


def test_behind_a_url_and_in_a_zip(tmp_path: Path, read: Callable) -> None:
    path = write(tmp_path / "a.parquet", text=["one", "two"])
    with fsspec.open("memory://tables/a.parquet", "wb") as file:
        file.write(path.read_bytes())
    assert list(read(type="parquet", path="memory://tables").texts.values()) == ["one", "two"]
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.write(path, "inside/a.parquet")
    assert read(type="parquet", path="b.zip").texts == {
        "s/b.zip!inside/a.parquet:1": "one",
        "s/b.zip!inside/a.parquet:2": "two",
    }
