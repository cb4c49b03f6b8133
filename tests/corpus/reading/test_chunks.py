from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import zstandard

from pretraining.corpus.reading import chunks
from pretraining.corpus.reading.chunks import no_progress, read_chunks
from pretraining.corpus.reading.lines import split_lines
from pretraining.corpus.reading.records import Unfit
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.errors import DataError

TEXT = b"".join(b"%d: We the People of the United States\n" % i for i in range(50_000))
SUFFIXES = [".gz", ".zst", ".xz", ".bz2"]


def compress(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data, 1, mtime=0)
    if suffix == ".zst":
        return zstandard.compress(data, 1)
    return lzma.compress(data, preset=0) if suffix == ".xz" else bz2.compress(data, 1)


def chunks_of(path: Path | str, *, member: str | None = None, mend: bool = False) -> Iterator[bytes]:
    return read_chunks(SourceFile("s", str(path), "a", 0, member=member), no_progress, mend=mend)


def failure(path: Path, member: str | None = None) -> str:
    with pytest.raises(Unfit) as caught:
        list(chunks_of(path, member=member))
    return caught.value.reason


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_compressed_members_follow_each_other(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(compress(TEXT, suffix) + compress(b"end", suffix))
    assert b"".join(chunks_of(path)) == TEXT + b"end"


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_padding_is_no_damage(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(compress(TEXT, suffix) + bytes(1000))
    assert b"".join(chunks_of(path)) == TEXT


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_file_gives_what_it_has_and_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    whole = compress(TEXT, suffix)
    path.write_bytes(whole[: len(whole) * 2 // 3])
    *lines, last = split_lines(chunks_of(path))
    assert last.damage == "truncated"
    assert len(lines) > 1000 and all(line.damage is None for line in lines)
    assert b"\n".join(line.data for line in lines) == TEXT[: last.offset - 1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(TEXT)
    assert failure(path) == "corrupt"


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_few_bytes_that_hold_many_come_piece_by_piece(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(compress(bytes(30_000_000), suffix))
    assert path.stat().st_size < 300_000
    sizes = [len(chunk) for chunk in chunks_of(path)]
    assert sum(sizes) == 30_000_000 and max(sizes) <= chunks.MOST_AT_ONCE


def test_mending_goes_on_with_the_next_gzip_member(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    first, second, third = (bytearray(gzip.compress(text)) for text in (b"first " * 99, TEXT[:9000], b"third"))
    second[len(second) // 2 : len(second) // 2 + 40] = b"\xff" * 40
    path.write_bytes(first + second + third)
    assert failure(path) == "corrupt"
    mended = b"".join(chunks_of(path, mend=True))
    assert mended.startswith(b"first " * 99 + b"0: We") and mended.endswith(b"\0third")
    path.write_bytes(first + second)
    with pytest.raises(Unfit, match="corrupt"):
        list(chunks_of(path, mend=True))


def test_bytes_read_are_counted_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(TEXT))
    counts: list[int] = []
    list(read_chunks(SourceFile("s", str(path), "a", 0), counts.append))
    assert sum(counts) == path.stat().st_size


def test_a_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(TEXT)
    file = SourceFile("s", str(path), "a", 0, start=7, end=1_000_000)
    assert b"".join(read_chunks(file, no_progress)) == TEXT[7:1_000_000]


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened: No such file"):
        list(chunks_of(tmp_path / "gone.txt"))
    with pytest.raises(DataError, match="cannot be opened"):
        list(chunks_of("memory://gone.txt"))


def test_files_behind_a_url() -> None:
    with fsspec.open("memory://chunks/a.gz", "wb") as file:
        file.write(gzip.compress(TEXT))
    assert b"".join(chunks_of("memory://chunks/a.gz")) == TEXT


def test_members_of_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
        archive.writestr("b.txt.gz", gzip.compress(b"inside twice"))
    assert b"".join(chunks_of(path, member="a.txt")) == TEXT
    assert b"".join(chunks_of(path, member="b.txt.gz")) == b"inside twice"


def test_zips_that_will_not_do(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", TEXT)
    good = bytearray(path.read_bytes())
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(good[:1000] + bytes(50) + good[1050:])
    assert failure(damaged, "a.txt") == "corrupt"
    locked = tmp_path / "locked.zip"
    for signature, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says it is encrypted
        good[good.index(signature) + flag] |= 1
    locked.write_bytes(good)
    assert failure(locked, "a.txt") == "encrypted"
    (tmp_path / "none.zip").write_bytes(b"PK or not")
    assert failure(tmp_path / "none.zip") == "corrupt"


def test_the_query_of_a_web_address_is_no_part_of_the_name() -> None:
    assert SourceFile("s", "https://example.org/a.jsonl.gz?download=1", "a", 0).name.endswith(".gz")
    assert SourceFile("s", "what?.gz", "a", 0).name == "what?.gz"
