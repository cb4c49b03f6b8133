"""The bytes of a file, from disk, URL or zip archive, decompressed; damage is reported and hides nothing before it."""

from __future__ import annotations

import bz2
import contextlib
import functools
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pretraining.corpus.reading.records import Advance, Unfit
from pretraining.corpus.reading.remote import filesystem, is_url
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.errors import DataError

CHUNK = 1 << 18
MOST_AT_ONCE = 1 << 22
"""Bytes that a chunk decompresses to at a time: a few bytes of bzip2 may hold gigabytes."""
GZIP_MEMBER = b"\x1f\x8b\x08"


def read_chunks(file: SourceFile, advance: Advance, *, mend: bool = False) -> Iterator[bytes]:
    r"""The decompressed bytes of a file (by the ending of its name), piece by piece.

    Args:
        advance: is told how many bytes were read from the disk.
        mend: go on with the next member of a damaged gzip file; a ``\0`` stands where something is missing.

    Raises:
        Unfit: ``truncated``, ``corrupt`` or ``encrypted``, after everything before it was given out.
        DataError: the file cannot be opened.
    """
    raw = raw_chunks(file, advance)
    name = file.name.lower()
    if name.endswith(".gz"):
        return _gunzip(raw, mend=mend)
    if name.endswith(".zst"):
        import zstandard

        return _decompress(raw, zstandard.ZstdDecompressor().decompressobj, _all_at_once, zstandard.ZstdError)
    if name.endswith(".bz2"):
        return _decompress(raw, bz2.BZ2Decompressor, _little_by_little, OSError)
    if name.endswith(".xz"):
        return _decompress(raw, lzma.LZMADecompressor, _little_by_little, lzma.LZMAError)
    return raw


def no_progress(read: int) -> None:
    """An ``advance`` for what is counted elsewhere, or not at all."""


def raw_chunks(file: SourceFile, advance: Advance) -> Iterator[bytes]:
    """The bytes of a file, or of its part from ``start`` to ``end``, as they are."""
    if file.path.lower().endswith(".zip"):
        return _member_chunks(file, advance)
    return _file_chunks(file, advance)


def open_binary(path: str) -> Any:
    """The file at a path or URL, open to read and seek; DataError if it cannot be opened."""
    try:
        if is_url(path):
            fs, inner = filesystem(path)
            return fs.open(inner, "rb")
        return open(path, "rb")
    except OSError as error:
        raise DataError(
            f"{path} cannot be opened: {error.strerror or error}\n    correct its permissions or `path`"
        ) from error


def _file_chunks(file: SourceFile, advance: Advance) -> Iterator[bytes]:
    with open_binary(file.path) as stream:
        if file.start:
            stream.seek(file.start)
        left = None if file.end is None else file.end - file.start
        while chunk := stream.read(CHUNK if left is None else min(CHUNK, left)):
            advance(len(chunk))
            yield chunk
            left = None if left is None else left - len(chunk)


def _member_chunks(file: SourceFile, advance: Advance) -> Iterator[bytes]:
    if file.member is None:  # its list of members could not be read
        raise Unfit("corrupt")
    told = 0
    try:
        archive = _archive(file.path, None if is_url(file.path) else os.stat(file.path).st_mtime_ns)
        size = max(archive.getinfo(file.member).file_size, 1)
        with archive.open(file.member) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
                # The position in the member stands for that in its compressed bytes.
                told, before = file.size * min(stream.tell(), size) // size, told
                advance(told - before)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, OSError, KeyError):
        raise Unfit("corrupt") from None
    except EOFError:
        raise Unfit("truncated") from None
    except RuntimeError:  # zipfile says so when a password is needed
        raise Unfit("encrypted") from None


@functools.lru_cache(maxsize=1)
def _archive(path: str, changed: int | None) -> zipfile.ZipFile:
    """The archive that was read last stays open: the list of its members may be long."""
    return zipfile.ZipFile(open_binary(path))


def _gunzip(raw: Iterable[bytes], *, mend: bool) -> Iterator[bytes]:
    """Members that follow each other, perhaps padded with zeros."""
    member: Any = None
    lost = False
    for chunk in raw:
        rest = chunk
        while rest and (member is not None or (rest := rest.lstrip(b"\0"))):
            fresh = member is None
            member = member or zlib.decompressobj(wbits=31)
            before = member.copy()
            try:
                data = member.decompress(rest, MOST_AT_ONCE)
            except zlib.error:
                yield from _salvage(before, rest)
                if not mend:
                    raise Unfit("corrupt") from None
                # The next member begins at the next magic number that proves to be one.
                start = rest.find(GZIP_MEMBER, 1 if fresh else 0)
                rest = rest[start:] if start >= 0 else b""
                member, lost = None, True
                continue
            if data:
                yield b"\0" + data if lost else data
                lost = False
            rest = member.unused_data if member.eof else member.unconsumed_tail
            member = None if member.eof else member
    if lost:
        raise Unfit("corrupt")
    if member is not None:
        raise Unfit("truncated")


def _salvage(member: Any, data: bytes) -> Iterator[bytes]:
    """What a damaged piece gives before the damage: zlib itself gives all of a call, or nothing."""
    with contextlib.suppress(zlib.error):
        for start in range(0, len(data), 64):
            if out := member.decompress(data[start : start + 64]):
                yield out


def _decompress(
    raw: Iterable[bytes],
    new: Callable[[], Any],
    pieces: Callable[[Any, bytes], Iterator[bytes]],
    broken: type[Exception],
) -> Iterator[bytes]:
    """Several streams (or frames) in one file follow each other, perhaps padded with zeros."""
    member: Any = None
    for chunk in raw:
        rest = chunk
        while rest and (member is not None or (rest := rest.lstrip(b"\0"))):
            member = member or new()
            try:
                yield from pieces(member, rest)
            except broken:
                raise Unfit("corrupt") from None
            rest, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        raise Unfit("truncated")


def _all_at_once(member: Any, data: bytes) -> Iterator[bytes]:
    if out := member.decompress(data):
        yield out


def _little_by_little(member: Any, data: bytes) -> Iterator[bytes]:
    while True:
        if out := member.decompress(data, MOST_AT_ONCE):
            yield out
        if member.eof or member.needs_input:
            return
        data = b""
