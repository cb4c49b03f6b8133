from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pretraining.corpus.draft import Draft
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.readers import read_file, split
from pretraining.corpus.reading import split as split_module
from pretraining.corpus.reading.chunks import no_progress
from pretraining.corpus.sections.sources import Source
from pretraining.corpus.sources import SourceFile, source_files


def records(files: list[SourceFile], source: Any) -> list[tuple[object, ...]]:
    """All that the files give, to compare."""
    found: list[tuple[object, ...]] = []
    for file in files:
        for r in read_file(file, source, no_progress):
            assert isinstance(r, Draft | Unreadable)
            found.append((r.id, r.text, r.record, r.offset) if isinstance(r, Draft) else (r.reason, r.record, r.offset))
    return found


def opened(path: Path, **keys: Any) -> tuple[SourceFile, Any]:
    source = TypeAdapter(Source).validate_python({"path": path.name, "name": "s", **keys})
    (file,) = source_files(source, path.parent)
    return file, source


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([b"x", b"caf\xe9", b"", b"\r", b"three words here", "国情".encode()]), min_size=3),
    st.integers(1, 40),
    st.integers(1, 30),
    st.booleans(),
)
def test_parts_give_what_the_file_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], shard: int, chunk: int, end: bool
) -> None:
    monkeypatch.setattr(split_module, "CHUNK", chunk)
    (tmp_path / "a.txt").write_bytes(b"first\n" + b"\n".join(lines) + (b"\n" if end else b""))
    file, source = opened(tmp_path / "a.txt", type="text", documents="line")
    parts = split(file, source, shard)
    assert sum(part.size for part in parts) == file.size
    assert records(parts, source) == records([file], source)


def test_jsonl_is_cut_into_parts_of_about_the_size(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f'{{"text": "speech {i}"}}\n' for i in range(50_000)))
    file, source = opened(tmp_path / "a.jsonl", type="jsonl")
    parts = split(file, source, 300_000)
    assert len(parts) == 5 and all(300_000 <= part.size < 320_000 for part in parts[:-1])
    assert records(parts, source) == records([file], source)


def test_a_file_of_one_array_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" + ",\n".join(['"speech"'] * 50_000) + "]")
    file, source = opened(tmp_path / "a.json", type="jsonl", layout="array")
    assert split(file, source, 100_000) == [file]


def test_parquet_is_cut_between_row_groups(tmp_path: Path) -> None:
    table = pa.table({"text": [f"speech {i * 7919}" for i in range(10_000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=700)
    file, source = opened(tmp_path / "a.parquet", type="parquet")
    parts = split(file, source, file.size // 5)
    assert len(parts) == 5 and parts[0].start == 0 and parts[-1].end == 15
    assert sum(part.size for part in parts) == file.size
    assert records(parts, source) == records([file], source)


def test_what_cannot_be_cut_stays_whole(tmp_path: Path) -> None:
    import gzip

    text = b'{"text": "x"}\n' * 1000
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text, 0))
    (tmp_path / "b.jsonl").write_bytes(text)
    (tmp_path / "c.parquet").write_bytes(text)
    for name, keys in (
        ("a.jsonl.gz", {"type": "jsonl"}),
        ("b.jsonl", {"type": "jsonl", "encoding": "utf-16"}),
        ("b.jsonl", {"type": "jsonl", "encoding": "auto"}),
        ("b.jsonl", {"type": "text"}),
        ("c.parquet", {"type": "parquet"}),
    ):
        file, source = opened(tmp_path / name, **keys)
        assert split(file, source, 100) == [file]
    file, source = opened(tmp_path / "b.jsonl", type="jsonl")
    assert split(file, source, file.size) == [file] and len(split(file, source, 5000)) == 2
