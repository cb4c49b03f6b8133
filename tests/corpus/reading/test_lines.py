from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.reading import lines
from pretraining.corpus.reading.lines import (
    Line,
    as_utf8,
    read_whole,
    split_lines,
    split_pieces,
    with_plain_newlines,
)


def test_lines_across_chunks() -> None:
    found = list(split_lines([b"one\r\nt", b"wo\n", b"\nfour"]))
    assert found == [Line(1, 0, 4, b"one"), Line(2, 5, 3, b"two"), Line(3, 9, 0, b""), Line(4, 10, 4, b"four")]
    assert list(split_lines([])) == []
    assert [line.data for line in split_lines([b"a\n"])] == [b"a"]


@given(
    st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"b", b"--")), max_size=9),
    st.sampled_from([b"\n", b"--", b"-\n-"]),
)
def test_where_chunks_end_changes_nothing(chunks: list[bytes], separator: bytes) -> None:
    data = b"".join(chunks)
    pieces = list(split_pieces(chunks, separator))
    assert pieces == list(split_pieces([data], separator))
    expected = data.split(separator)
    assert [piece.data for piece in pieces] == (expected if expected[-1] else expected[:-1])
    assert all(data[piece.offset : piece.offset + piece.size] == piece.data for piece in pieces)


def test_a_record_that_is_too_large_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_RECORD", 10)
    first, second = split_lines([b"x" * 8, b"x" * 8, b"x\nshort\n"])
    assert (first.damage, first.size, second.damage, second.data) == ("too_large", 17, None, b"short")
    whole = read_whole([b"x" * 8, b"y" * 8])
    assert (whole.damage, whole.size) == ("too_large", 16)
    assert read_whole([b"x" * 8], limit=7).damage == "too_large"


def test_utf16_has_lines_too() -> None:
    chunks, encoding = with_plain_newlines([text := "Präsident\nवर्ष\n".encode("utf-16")], "utf-16")
    assert [line.data.decode(encoding) for line in split_lines(chunks)] == ["Präsident", "वर्ष"]
    chunks, _ = with_plain_newlines([text[:-1]], "utf-16")
    assert list(split_lines(chunks))[-1].damage == "invalid_encoding"
    same = [b"x"]
    assert with_plain_newlines(same, "gb18030") == (same, "gb18030")


def test_no_separator_inside_a_character() -> None:
    text = "表|ポ|構"  # in Shift JIS the second byte of the first one is a backslash
    assert b"\\" in text.encode("shift_jis") and "\\" not in text
    pieces = split_pieces(as_utf8([text.encode("shift_jis")], "shift_jis"), b"\\")
    assert [piece.data.decode() for piece in pieces] == [text]
