from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datatrove.data import Document
from pydantic import TypeAdapter

from pretraining.corpus.config import Source
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.readers import REASONS, read_file, utf8_length
from pretraining.corpus.sources import source_files


def read(path: Path, **keys: Any) -> tuple[list[Document], list[Unreadable]]:
    """The documents and the unreadable records of one file."""
    source = TypeAdapter(Source).validate_python({"path": path.name, "name": "s", **keys})
    (file,) = source_files(source, path.parent)
    records = list(read_file(file, source, lambda n: None))
    lost = [record for record in records if isinstance(record, Unreadable)]
    assert all(record.reason in REASONS for record in lost)
    return [record for record in records if isinstance(record, Document)], lost


def test_a_text_file_is_one_document_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfFellow citizens:\r\n\r\nIt is  so.\r\n")
    (doc,), lost = read(path, type="text")
    assert (doc.id, doc.text) == ("s/a.txt", "Fellow citizens:\r\n\r\nIt is  so.\r\n")
    assert doc.metadata == {"source": "s", "metadata": "{}"} and not lost


def test_a_text_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("Général\n".encode("latin-1"))
    docs, lost = read(path, type="text")
    assert docs == [] and lost == [Unreadable("s", "a.txt", "invalid_encoding", 8, None, 1)]
    (doc,), lost = read(path, type="text", encoding="latin-1")
    assert doc.text == "Général\n" and not lost


def test_one_bad_line_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\n\ncaf\xe9\n\0\0\nfive\n")
    docs, lost = read(path, type="text", documents="line")
    assert [(doc.id, doc.text) for doc in docs] == [("s/a.txt:1", "one"), ("s/a.txt:5", "five")]
    assert [(u.record, u.reason, u.bytes, u.offset) for u in lost] == [
        (3, "invalid_encoding", 4, 9),
        (4, "binary", 2, 11),
    ]


def test_jsonl_reads_on_after_every_kind_of_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        b'{"text": "first", "url": "u", "n": 1, "none": null, "nan": NaN}',
        b'{"text": "broken',
        b"[1]",
        b'{"body": "x"}',
        b'{"text": null}',
        b'{"text": 3}',
        b'{"text": "caf\xe9"}',
        b'{"text": "half \\ud83d"}',
        b'{"text": "  "}',
        b"\0\0\0",
        b"[" * 100_000,
        b'{"text": "last"}',
    ]
    path.write_bytes(b"\n".join(lines))
    docs, lost = read(path, type="jsonl")
    assert [(doc.id, doc.text) for doc in docs] == [("s/a.jsonl:1", "first"), ("s/a.jsonl:12", "last")]
    assert json.loads(docs[0].metadata["metadata"]) == {"n": 1, "url": "u"}
    reasons = ["bad_json", "not_an_object", "missing_text", "missing_text", "text_not_string", "invalid_encoding"]
    reasons += ["invalid_unicode", "empty", "binary", "bad_json"]
    assert [u.reason for u in lost] == reasons
    assert [u.record for u in lost] == list(range(2, 12))
    assert [u.bytes for u in lost] == [len(line) for line in lines[1:-1]]


def test_jsonl_ids(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"t": "x", "key": "k1"}\n{"t": "y", "key": 7}\n{"t": "z"}\n{"t": "z", "key": true}\n')
    docs, lost = read(path, type="jsonl", text="t", id="key")
    assert [doc.id for doc in docs] == ["s/k1", "s/7"]
    assert [(u.record, u.reason) for u in lost] == [(3, "missing_id"), (4, "missing_id")]


def test_a_truncated_jsonl_gz_keeps_its_whole_lines(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(b"".join(b'{"text": "speech %d"}\n' % (i * 7919) for i in range(5000)))
    path.write_bytes(whole[: len(whole) // 2])
    docs, lost = read(path, type="jsonl")
    assert 1000 < len(docs) < 5000
    assert [(u.reason, u.record) for u in lost] == [("truncated", len(docs) + 1)]


def test_a_truncated_text_gz_is_not_passed_off_as_a_document(tmp_path: Path, speeches: list[str]) -> None:
    import gzip

    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(speeches[0].encode())[:-20])
    docs, lost = read(path, type="text")
    assert docs == [] and [u.reason for u in lost] == ["truncated"]


def test_an_empty_file_among_others_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" \n")
    docs, lost = read(path, type="text")
    assert docs == [] and [(u.reason, u.bytes) for u in lost] == [("empty", 2)]


def _one_long_line(path: Path, megabytes: int) -> int:
    """Peak bytes that Python allocates while it reads one line of so many megabytes."""
    import tracemalloc

    with path.open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(megabytes):
            file.write(b"long line " * 100_000)
        file.write(b'"}\n{"text": "after"}\n')
    tracemalloc.start()
    docs, lost = read(path, type="jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(doc.text) for doc in docs] == [megabytes * 1_000_000, 5] and not lost
    return peak


def test_a_line_of_20_megabytes_takes_few_times_its_size(tmp_path: Path) -> None:
    assert _one_long_line(tmp_path / "a.jsonl", 20) < 5 * 20_000_000


@pytest.mark.slow
def test_a_line_of_100_megabytes_takes_few_times_its_size(tmp_path: Path) -> None:
    assert _one_long_line(tmp_path / "a.jsonl", 100) < 5 * 100_000_000


@pytest.mark.parametrize("text", ["plain", "naïve", "国情", "🎆"])
def test_utf8_length(text: str) -> None:
    assert utf8_length(text) == len(text.encode())
