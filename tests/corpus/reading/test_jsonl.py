from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest


def test_reading_goes_on_after_every_kind_of_broken_line(tmp_path: Path, read: Callable) -> None:
    lines = [
        b'{"text": "first", "url": "u", "n": 1, "none": null, "nan": NaN, "deep": {"x": [1, Infinity]}}',
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
        b'{"text": "last", "half": "\\ud83d"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    result = read(type="jsonl", path="a.jsonl")
    assert result.texts == {"s/a.jsonl:1": "first", "s/a.jsonl:12": "last"}
    assert result.docs[0].fields == {"n": 1, "url": "u", "deep": {"x": [1, None]}}
    assert result.docs[1].fields == {"half": "?"}
    reasons = ["bad_json", "not_an_object", "missing_text", "missing_text", "text_not_string", "invalid_encoding"]
    reasons += ["invalid_unicode", "empty", "binary", "bad_json"]
    assert result.reasons == list(zip(range(2, 12), reasons, strict=True))
    assert [u.bytes for u in result.lost] == [len(line) for line in lines[1:-1]]


def test_ids(tmp_path: Path, read: Callable) -> None:
    text = '{"t": "x", "key": "k1"}\n{"t": "y", "key": 7}\n{"t": "z"}\n{"t": "z", "key": true}\n'
    (tmp_path / "a.jsonl").write_text(text)
    result = read(type="jsonl", path="a.jsonl", text="t", id="key")
    assert list(result.texts) == ["s/k1", "s/7"]
    assert result.reasons == [(3, "missing_id"), (4, "missing_id")]


def test_nested_fields_and_fields_that_move(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"data": {"content": "x", "n": 1}, "meta": {"key": 5, "link": "http://a"}, "day": "2024"}\n'
        '{"data.content": "literal", "data": 3, "meta": {"key": 6}}\n'
        '{"data": {}, "meta": {"key": 7}}\n'
    )
    named = {"text": "data.content", "id": "meta.key", "url": "meta.link", "date": "day"}
    result = read(type="jsonl", path="a.jsonl", **named)
    assert result.texts == {"s/5": "x", "s/6": "literal"}
    assert result.docs[0].fields == {"data": {"n": 1}, "meta": {}, "url": "http://a", "date": "2024"}
    assert result.reasons == [(3, "missing_text")]


def test_the_language_of_the_document_wins(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "language": "deu_Latn"}\n{"text": "y", "language": "en"}\n')
    result = read(type="jsonl", path="a.jsonl", language="eng_Latn")
    assert [doc.language for doc in result.docs] == ["deu_Latn", "eng_Latn"]


def test_a_truncated_gz_keeps_its_whole_lines(tmp_path: Path, read: Callable) -> None:
    whole = gzip.compress(b"".join(b'{"text": "speech %d"}\n' % (i * 7919) for i in range(5000)))
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    result = read(type="jsonl", path="a.jsonl.gz")
    assert 1000 < len(result.docs) < 5000
    assert result.reasons == [(len(result.docs) + 1, "truncated")]


def test_a_damaged_gz_keeps_the_lines_before(tmp_path: Path, read: Callable) -> None:
    whole = bytearray(gzip.compress(b"".join(b'{"text": "speech %d"}\n' % (i * 7919) for i in range(5000))))
    middle = len(whole) // 2
    whole[middle : middle + 30] = b"\xff" * 30
    (tmp_path / "a.jsonl.gz").write_bytes(whole)
    result = read(type="jsonl", path="a.jsonl.gz")
    assert 1000 < len(result.docs) < 5000 and result.reasons[-1][1] == "corrupt"
    assert [doc.text for doc in result.docs[:1000]] == [f"speech {i * 7919}" for i in range(1000)]


@pytest.mark.parametrize("encoding", ["auto", "utf-16"])
def test_utf16(tmp_path: Path, read: Callable, encoding: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "国情"}\n{"text": "咨文"}\n', "utf-16")
    assert list(read(type="jsonl", path="a.jsonl", encoding=encoding).texts.values()) == ["国情", "咨文"]


def test_an_array_of_objects_and_strings(tmp_path: Path, read: Callable) -> None:
    items = '[\n  {"text": ["one,", "two"], "n": 1},\n  "三国演义 ]",\n {"text": "last"} ]\n'
    (tmp_path / "a.json").write_text(items, "utf-8")
    result = read(type="jsonl", path="a.json", layout="array")
    assert result.texts == {"s/a.json:1": "one,\ntwo", "s/a.json:2": "三国演义 ]", "s/a.json:3": "last"}
    assert result.docs[0].fields == {"n": 1} and not result.lost
    assert [doc.offset for doc in result.docs] == [
        items.encode().index(b) for b in (b'{"text": [', b'"\xe4', b'{"text": "l')
    ]


def test_an_item_that_is_broken_costs_itself(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.json").write_bytes(
        b'[{"text": "a"}, {"text": "caf\xe9"}, 3, {"body": "x"}, {"text": [1]}, {"text": "b"}]'
    )
    result = read(type="jsonl", path="a.json", layout="array")
    assert list(result.texts.values()) == ["a", "b"]
    assert result.reasons == [
        (2, "invalid_encoding"),
        (3, "not_an_object"),
        (4, "missing_text"),
        (5, "text_not_string"),
    ]


@pytest.mark.parametrize(
    ("text", "kept", "lost"),
    [
        ('["a", "b"', 2, (3, "bad_json")),
        ('["a", "b", ', 2, (3, "bad_json")),
        ('["a" "b"]', 1, (2, "bad_json")),
        ('["a"]\n["b"]', 1, (2, "bad_json")),
        ('{"text": "a"}', 0, (1, "bad_json")),
    ],
)
def test_the_rest_of_a_damaged_array_is_counted(
    tmp_path: Path, read: Callable, text: str, kept: int, lost: tuple[int, str]
) -> None:
    (tmp_path / "a.json").write_text(text)
    result = read(type="jsonl", path="a.json", layout="array")
    assert len(result.docs) == kept and result.reasons == [lost]


def test_an_empty_array_and_a_truncated_one(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.json").write_text(" [ ]\n")
    result = read(type="jsonl", path="a.json", layout="array")
    assert not result.docs and not result.lost
    whole = gzip.compress(b"[" + b",".join(b'"speech %d"' % (i * 7919) for i in range(5000)) + b"]")
    (tmp_path / "b.json.gz").write_bytes(whole[: len(whole) // 2])
    result = read(type="jsonl", path="b.json.gz", layout="array")
    assert 1000 < len(result.docs) < 5000
    assert result.reasons == [(len(result.docs) + 1, "truncated")]


@pytest.mark.parametrize("encoding", ["auto", "utf-16"])
def test_an_array_in_utf16(tmp_path: Path, read: Callable, encoding: str) -> None:
    (tmp_path / "a.json").write_text('["国情", "咨文"]', "utf-16")
    result = read(type="jsonl", path="a.json", layout="array", encoding=encoding)
    assert list(result.texts.values()) == ["国情", "咨文"]


def _one_long_line(path: Path, megabytes: int, read: Callable) -> int:
    """Peak bytes that Python allocates while it reads one line of so many megabytes."""
    with path.open("wb") as file:
        file.write(b'{"text": "')
        for _ in range(megabytes):
            file.write(b"long line " * 100_000)
        file.write(b'"}\n{"text": "after"}\n')
    tracemalloc.start()
    result = read(type="jsonl", path=path.name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(doc.text) for doc in result.docs] == [megabytes * 1_000_000, 5] and not result.lost
    return peak


def test_a_line_of_20_megabytes_takes_few_times_its_size(tmp_path: Path, read: Callable) -> None:
    assert _one_long_line(tmp_path / "a.jsonl", 20, read) < 5 * 20_000_000


@pytest.mark.slow
def test_a_line_of_100_megabytes_takes_few_times_its_size(tmp_path: Path, read: Callable) -> None:
    assert _one_long_line(tmp_path / "a.jsonl", 100, read) < 5 * 100_000_000
