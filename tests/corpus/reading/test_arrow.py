from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pytest

TABLE = pa.table({"text": [f"speech {i}" for i in range(300)], "n": range(300), "data": [{"body": "x"}] * 300})


def write(path: Path, *, stream: bool) -> None:
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=100)


@pytest.mark.parametrize("stream", [True, False])
def test_files_and_streams(tmp_path: Path, read: Callable, stream: bool) -> None:
    write(tmp_path / "a.arrow", stream=stream)
    result = read(type="arrow", path="a.arrow")
    assert list(result.texts.values()) == TABLE["text"].to_pylist() and not result.lost
    assert next(iter(result.texts)) == "s/a.arrow:1" and result.docs[-1].record == 300
    assert result.docs[7].fields == {"n": 7}
    assert result.advanced == result.size


def test_feather_and_nested_text(tmp_path: Path, read: Callable) -> None:
    pyarrow.feather.write_feather(TABLE, tmp_path / "a.feather")
    result = read(type="arrow", path="a.feather", text="data.body", id="n")
    assert list(result.texts)[:2] == ["s/0", "s/1"] and set(result.texts.values()) == {"x"}


@pytest.mark.parametrize("stream", [True, False])
def test_a_truncated_file_is_told(tmp_path: Path, read: Callable, stream: bool) -> None:
    write(tmp_path / "a.arrow", stream=stream)
    data = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(data[: len(data) // 2])
    result = read(type="arrow", path="a.arrow")
    assert [doc.text for doc in result.docs] == TABLE["text"].to_pylist()[: len(result.docs)]
    assert len(result.docs) == (100 if stream else 0)  # the list of batches stands at the end of a file
    assert [u.reason for u in result.lost] == ["corrupt"]


def test_a_damaged_batch_of_a_file_costs_itself(tmp_path: Path, read: Callable) -> None:
    write(tmp_path / "a.arrow", stream=False)
    data = bytearray((tmp_path / "a.arrow").read_bytes())
    metadata = data.index(b"\xff\xff\xff\xff", data.index(b"speech 50"))  # of the second batch
    data[metadata : metadata + 40] = b"\x77" * 40
    (tmp_path / "a.arrow").write_bytes(data)
    result = read(type="arrow", path="a.arrow")
    texts = TABLE["text"].to_pylist()
    assert [doc.text for doc in result.docs] == texts[:100] + texts[200:]
    assert result.reasons == [(101, "corrupt")]


def test_no_arrow_and_no_text(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.arrow").write_bytes(b"ARROW1 or not")
    assert read(type="arrow", path="a.arrow").reasons == [(None, "corrupt")]
    write(tmp_path / "a.arrow", stream=True)
    assert read(type="arrow", path="a.arrow", text="body").reasons == [(None, "missing_text")]
