from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from pretraining.corpus import files
from pretraining.corpus.files import Line, Unfit, decode, read_chunks, read_whole, split_lines, with_plain_newlines
from pretraining.errors import DataError

TEXT = b"".join(b"%d: We the People of the United States\n" % i for i in range(50_000))


def compress(data: bytes, suffix: str) -> bytes:
    return gzip.compress(data, 1, mtime=0) if suffix == ".gz" else zstandard.compress(data, 1)


def chunks_of(path: Path) -> Iterator[bytes]:
    return read_chunks(str(path), lambda n: None)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_members_follow_each_other(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(compress(TEXT, suffix) + compress(b"end", suffix))
    assert b"".join(chunks_of(path)) == TEXT + b"end"


def test_gzip_padding_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT) + bytes(1000))
    assert b"".join(chunks_of(path)) == TEXT


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_gives_what_it_has_and_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    whole = compress(TEXT, suffix)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    *lines, last = split_lines(chunks_of(path))
    assert last.damage == "truncated"
    assert len(lines) > 1000 and all(line.damage is None for line in lines)
    assert b"\n".join(line.data for line in lines) == TEXT[: last.offset - 1]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(TEXT)
    with pytest.raises(Unfit) as caught:
        list(chunks_of(path))
    assert caught.value.reason == "corrupt"


def test_bytes_read_are_counted_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT))
    counts: list[int] = []
    list(read_chunks(str(path), counts.append))
    assert sum(counts) == path.stat().st_size


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened: No such file"):
        list(chunks_of(tmp_path / "gone.txt"))


def test_lines_across_chunks() -> None:
    lines = list(split_lines([b"one\r\nt", b"wo\n", b"\nfour"]))
    assert lines == [Line(1, 0, 4, b"one"), Line(2, 5, 3, b"two"), Line(3, 9, 0, b""), Line(4, 10, 4, b"four")]
    assert list(split_lines([])) == []
    assert [line.data for line in split_lines([b"a\n"])] == [b"a"]


def test_a_record_that_is_too_large_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_RECORD", 10)
    first, second = split_lines([b"x" * 8, b"x" * 8, b"x\nshort\n"])
    assert (first.damage, first.size, second.damage, second.data) == ("too_large", 17, None, b"short")
    whole = read_whole([b"x" * 8, b"y" * 8])
    assert (whole.damage, whole.size) == ("too_large", 16)


def test_utf16_has_lines_too() -> None:
    chunks, encoding = with_plain_newlines([text := "Präsident\nवर्ष\n".encode("utf-16")], "utf-16")
    assert [line.data.decode(encoding) for line in split_lines(chunks)] == ["Präsident", "वर्ष"]
    chunks, _ = with_plain_newlines([text[:-1]], "utf-16")
    assert list(split_lines(chunks))[-1].damage == "invalid_encoding"
    same = [b"x"]
    assert with_plain_newlines(same, "gb18030") == (same, "gb18030")


@pytest.mark.parametrize(
    ("data", "encoding", "reason", "at"),
    [
        (b"caf\xe9", "utf-8", "invalid_encoding", 3),
        (b"\x7fELF\x02\0\0", "utf-8", "binary", 5),
        (b"\xff\xfeW\0e\0", "utf-8", "binary", 0),
        (b" \n\t\n", "utf-8", "empty", 0),
        (b"", "utf-8", "empty", 0),
        (b"\xef\xbb\xbf", "utf-8", "empty", 0),
    ],
)
def test_what_is_no_text(data: bytes, encoding: str, reason: str, at: int) -> None:
    with pytest.raises(Unfit) as caught:
        decode(data, encoding, first=True)
    assert (caught.value.reason, caught.value.at) == (reason, at)


def test_encodings_and_byte_order_marks() -> None:
    assert decode("国情咨文".encode("gb18030"), "gb18030", first=True) == "国情咨文"
    assert decode("naïve".encode("utf-16"), "utf-16", first=True) == "naïve"
    assert decode(b"\xef\xbb\xbfWe", "utf-8", first=True) == "We"
    assert decode(b"\xef\xbb\xbfWe", "utf-8", first=False) == "\ufeffWe"
