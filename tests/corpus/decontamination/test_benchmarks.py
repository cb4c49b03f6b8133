from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pydantic import ValidationError

from pretraining.corpus.decontamination.benchmarks import benchmark_files, read_items
from pretraining.corpus.sections.decontamination import Benchmark
from pretraining.errors import DataError

ROWS = [
    {"id": 7, "doc": {"question": "Who?", "choices": ["Ann", "Bob"]}},
    {"id": 8, "doc": {"question": "Where?", "choices": ["Rome", "Bonn"]}},
]
ITEMS = [("7", "Who?\nAnn\nBob"), ("8", "Where?\nRome\nBonn")]


def benchmark(path: Any = "", **keys: Any) -> Benchmark:
    where = {"path": str(path)} if path else {}
    return Benchmark(name="quiz", **{"fields": ["doc.question", "doc.choices"], "id": "id", **where, **keys})


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.parquet", "a.arrow", "b.arrow"])
def test_every_format(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    table = pa.Table.from_pylist(ROWS)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines))
    elif name.endswith(".zst"):
        path.write_bytes(zstandard.compress(lines))
    elif name.endswith(".jsonl"):
        path.write_bytes(lines + b"\n")
    elif name.endswith(".json"):
        path.write_text(json.dumps(ROWS))
    elif name.endswith(".parquet"):
        pq.write_table(table, path)
    else:
        new = pa.ipc.new_file if name == "a.arrow" else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table)
    (tmp_path / "dataset_info.json").write_text("{}")
    assert [tuple(item) for item in read_items(benchmark(path), tmp_path)] == ITEMS
    assert [tuple(item) for item in read_items(benchmark(tmp_path), tmp_path)] == ITEMS


def test_csv_and_numbers_as_ids(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('q,a\n"Who, then?",Ann\nWhere?,Rome\n')
    (tmp_path / "b.tsv").write_text("q\ta\nWhen?\tNow\n")
    items = read_items(benchmark(tmp_path, fields=["q"], id=None), tmp_path)
    assert [tuple(item) for item in items] == [("0", "Who, then?"), ("1", "Where?"), ("2", "When?")]


def test_inside_a_package_that_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "quizzes" / "tasks" / "who"
    folder.mkdir(parents=True)
    (tmp_path / "quizzes" / "__init__.py").write_text("raise RuntimeError")
    (folder / "requests.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    (folder / "config.json").write_text("{}")
    monkeypatch.syspath_prepend(tmp_path)
    given = benchmark(package="quizzes", files="tasks/who/*")
    assert [tuple(item) for item in read_items(given, tmp_path)] == ITEMS[:1]
    assert "quizzes" not in sys.modules
    with pytest.raises(DataError, match=r"no file in .*quizzes matches 'tasks/why/\*'\n    correct `files`"):
        benchmark_files(benchmark(package="quizzes", files="tasks/why/*"), tmp_path)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"benchmark 'quiz': .*nowhere does not exist\n    correct `path`"):
        benchmark_files(benchmark("nowhere"), tmp_path)
    with pytest.raises(DataError, match="package no_such_quiz is not installed\n    install"):
        benchmark_files(benchmark(package="no_such_quiz"), tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=re.escape("has a name in .jsonl")):
        benchmark_files(benchmark(tmp_path), tmp_path)
    (tmp_path / "a.jsonl").write_text('{"id": 1, "doc": {"query": "x"}}\n')
    with pytest.raises(DataError, match=r"has no field 'doc\.question': there is query\n    correct `fields`"):
        list(read_items(benchmark(tmp_path), tmp_path))
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n{"id"\n')
    with pytest.raises(DataError, match=r"a\.jsonl cannot be read: line 2 is not JSON"):
        list(read_items(benchmark(tmp_path, fields=["id"]), tmp_path))


def test_a_path_or_a_package() -> None:
    for keys in ({}, {"path": "a", "package": "b"}):
        with pytest.raises(ValidationError, match="give either `path` or `package`"):
            benchmark(**keys)
