from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pretraining.corpus.reading import tables


def test_rows_with_quotes_and_line_breaks(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfid,text,note\r\n1,"one, ""two""\r\nthree",x\r\n\r\n2,four,\r\n')
    result = read(type="csv", path="a.csv")
    assert result.texts == {"s/a.csv:2": 'one, "two"\nthree', "s/a.csv:5": "four"} and not result.lost
    assert [doc.fields for doc in result.docs] == [{"id": "1", "note": "x"}, {"id": "2"}]
    assert [doc.offset for doc in result.docs] == [17, 46]


def test_other_delimiters(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.tsv").write_text("key\tbody\nk\tone, two\n")
    assert read(type="csv", path="a.tsv", text="body", id="key").texts == {"s/k": "one, two"}
    (tmp_path / "b.csv").write_text("key;text\nk;one, two\n")
    assert read(type="csv", path="b.csv", delimiter=";").texts == {"s/b.csv:2": "one, two"}


def test_bad_rows_cost_themselves(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.csv").write_bytes(b"text,n\none,1\ncaf\xe9,2\nthree\n,4\nfive,5,6\n\0,6\nseven,7\n")
    result = read(type="csv", path="a.csv")
    assert list(result.texts.values()) == ["one", "seven"]
    assert result.reasons[:4] == [(3, "invalid_encoding"), (4, "bad_csv"), (5, "empty"), (6, "bad_csv")]
    assert result.reasons[4][0] == 7  # csv itself refuses NUL before Python 3.11
    assert [u.bytes for u in result.lost] == [6, 5, 2, 8, 3]


def test_a_quote_that_never_ends_costs_its_line(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.csv").write_text('text,n\none,1\n"two,2\nthree,3\n"fo"ur,4\nfive,5\n')
    result = read(type="csv", path="a.csv")
    assert list(result.texts.values()) == ["one", "three", "five"]
    assert result.reasons == [(3, "bad_csv"), (5, "bad_csv")]


def test_a_row_has_a_largest_size(tmp_path: Path, read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROW", 100)
    (tmp_path / "a.csv").write_text('text,n\n"two,2\n' + "three,3\n" * 30)
    result = read(type="csv", path="a.csv")
    assert len(result.docs) == 30 and result.reasons == [(2, "bad_csv")]


def test_no_such_column(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.csv").write_text("body,n\none,1\n")
    assert read(type="csv", path="a.csv").reasons == [(2, "missing_text")]


def test_a_truncated_file(tmp_path: Path, read: Callable) -> None:
    import gzip

    whole = gzip.compress(b"text\n" + b"".join(b"speech %d\n" % (i * 7919) for i in range(5000)))
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    result = read(type="csv", path="a.csv.gz")
    assert len(result.docs) > 1000 and result.reasons == [(len(result.docs) + 2, "truncated")]
