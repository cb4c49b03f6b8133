from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from pydantic import TypeAdapter

from pretraining.corpus import parquet
from pretraining.corpus.config import Source
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.parquet import ParquetWriter, read_back
from pretraining.corpus.readers import read_file
from pretraining.corpus.sources import source_files


def read(path: Path, **keys: Any) -> tuple[list[Document], list[Unreadable]]:
    source = TypeAdapter(Source).validate_python({"type": "parquet", "path": path.name, "name": "s", **keys})
    (file,) = source_files(source, path.parent)
    read_bytes: list[int] = []
    records = list(read_file(file, source, read_bytes.append))
    assert sum(read_bytes) in (0, file.size)
    lost = [record for record in records if isinstance(record, Unreadable)]
    return [record for record in records if isinstance(record, Document)], lost


def write(path: Path, row_group_size: int | None = None, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size, write_page_checksum=True)
    return path


def test_rows_with_metadata(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", text=["one", "two"], year=[1790, None], vector=[[0.5], [0.25]], url=["u", "v"])
    docs, lost = read(path)
    assert [(doc.id, doc.text) for doc in docs] == [("s/a.parquet:1", "one"), ("s/a.parquet:2", "two")]
    assert [doc.metadata["metadata"] for doc in docs] == ['{"url": "u", "year": 1790}', '{"url": "v"}']
    assert not lost


@pytest.mark.parametrize("kind", [pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_other_types_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    path = write(tmp_path / "a.parquet", text=pa.array(["é", "two", "é"]).cast(kind), key=["a", "b", "c"])
    docs, lost = read(path, id="key")
    assert [(doc.id, doc.text) for doc in docs] == [("s/a", "é"), ("s/b", "two"), ("s/c", "é")] and not lost


def test_bad_rows_cost_themselves(tmp_path: Path) -> None:
    text = pa.array([b"ok", None, b"caf\xe9", b" ", b"\0", b"end"], pa.binary())
    docs, lost = read(write(tmp_path / "a.parquet", text=text, key=["a", "b", "c", "d", "e", None]), id="key")
    assert [doc.id for doc in docs] == ["s/a"]
    assert [(u.record, u.reason, u.bytes) for u in lost] == [
        (2, "missing_text", 0),
        (3, "invalid_encoding", 4),
        (4, "empty", 1),
        (5, "binary", 1),
        (6, "missing_id", 3),
    ]


def test_columns_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", text=[1, 2, 3], body=["x", "y", "z"])
    for keys, reason in [
        ({}, "text_not_string"),
        ({"text": "content"}, "missing_text"),
        ({"text": "body", "id": "key"}, "missing_id"),
    ]:
        docs, lost = read(path, **keys)
        assert docs == [] and [(u.reason, u.documents) for u in lost] == [(reason, 3)]


def test_no_parquet_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 or not")
    assert read(path)[1] == [Unreadable("s", "a.parquet", "corrupt", 11)]


def test_a_damaged_row_group_costs_only_itself(tmp_path: Path, speeches: list[str]) -> None:
    path = write(tmp_path / "a.parquet", text=speeches, row_group_size=5)
    data = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(1).column(0)
    middle = (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size // 2
    data[middle : middle + 50] = bytes(50)
    path.write_bytes(data)
    docs, lost = read(path)
    assert [doc.text for doc in docs] == speeches[:5] + speeches[10:]
    assert [(u.reason, u.record, u.documents) for u in lost] == [("corrupt", 6, 5)]
    assert lost[0].bytes == column.total_compressed_size


def docs(texts: list[str]) -> list[Document]:
    return [Document(text, f"s/{i}", metadata={"source": "s", "metadata": "{}"}) for i, text in enumerate(texts)]


def test_what_is_written_comes_back(tmp_path: Path, speeches: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 8)
    writer = ParquetWriter(tmp_path / "a.parquet")
    for doc in docs(speeches):
        writer.write(doc, len(doc.text))
    writer.close()
    assert list(read_back(tmp_path / "a.parquet")) == docs(speeches)
    metadata = pq.read_metadata(tmp_path / "a.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [8, 8, 4]
    assert pq.read_schema(tmp_path / "a.parquet").names == ["id", "text", "source", "metadata"]


def test_a_row_group_ends_at_a_number_of_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BYTES_PER_GROUP", 10)
    writer = ParquetWriter(tmp_path / "a.parquet")
    for doc in docs(["12345", "12345", "1"]):
        writer.write(doc, len(doc.text))
    writer.close()
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == 2


def test_no_document_no_file(tmp_path: Path) -> None:
    ParquetWriter(tmp_path / "a.parquet").close()
    assert not (tmp_path / "a.parquet").exists()
    assert list(read_back(tmp_path / "a.parquet")) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_as_such() -> None:
    import errno

    writer = ParquetWriter(Path("/dev/full"))
    with pytest.raises(OSError) as caught:
        for doc in docs(["x" * 1000]):
            writer.write(doc, 1000)
        writer.close()
    assert caught.value.errno == errno.ENOSPC
