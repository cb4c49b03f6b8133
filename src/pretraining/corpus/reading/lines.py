"""Chunks of bytes cut into records: lines, pieces between separators, or the whole file."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.records import Unfit
from pretraining.corpus.reading.source_file import SourceFile

MAX_RECORD = 1 << 30
"""Bytes of the largest record that is read; Arrow's strings end at 2 GiB, and no document is a gigabyte."""


@dataclass(frozen=True)
class Line:
    """One record of bytes. ``number`` counts from 1; ``damage`` says why ``data`` is not the whole of it."""

    number: int
    offset: int
    size: int
    data: bytes
    damage: str | None = None

    def require_whole(self) -> bytes:
        """The data; Unfit if it is not the whole record."""
        if self.damage:
            raise Unfit(self.damage)
        return self.data

    def unreadable(self, file: SourceFile, error: Unfit, *, whole: bool = False) -> Unreadable:
        """The account of a record that is no document; ``whole``: the record is the file."""
        number = None if whole else self.number
        return Unreadable(file.source, file.relative, error.reason, self.size, number, self.offset + error.at)


def split_lines(chunks: Iterable[bytes], *, number: int = 1, offset: int = 0) -> Iterator[Line]:
    r"""Lines that end with ``\n`` or ``\r\n``, without their end. A damaged file ends with a line that says so.

    Args:
        number: of the first line.
        offset: of the first byte.
    """
    for line in split_pieces(chunks, b"\n", number=number, offset=offset):
        yield Line(line.number, line.offset, line.size, line.data.removesuffix(b"\r"), line.damage)


def split_pieces(chunks: Iterable[bytes], separator: bytes, *, number: int = 1, offset: int = 0) -> Iterator[Line]:
    """What stands between separators. A damaged file ends with a piece that says so."""
    size = 0
    parts: list[bytes] = []
    tail = b""  # the end of the chunk before, which may be the beginning of a separator
    keep = len(separator) - 1

    def piece(damage: str | None = None) -> Line:
        if size > MAX_RECORD:
            damage = "too_large"
        return Line(number, offset, size, b"".join(parts), damage)

    try:
        for chunk in chunks:
            data = tail + chunk if tail else chunk
            start = 0
            while (end := data.find(separator, start)) >= 0:
                parts.append(data[start:end])
                size += end - start
                yield piece()
                number, offset, size, start = number + 1, offset + size + len(separator), 0, end + len(separator)
                parts.clear()
            cut = max(len(data) - keep, start)
            parts.append(data[start:cut])
            size += cut - start
            tail = data[cut:]
            if size > MAX_RECORD:
                parts.clear()
    except Unfit as error:
        parts.append(tail)
        size += len(tail)
        yield piece(error.reason)
        return
    parts.append(tail)
    size += len(tail)
    if size:
        yield piece()


def read_whole(chunks: Iterable[bytes], *, limit: int | None = None) -> Line:
    """The whole file as one record of at most ``limit`` (``MAX_RECORD``) bytes."""
    parts: list[bytes] = []
    size, damage = 0, None
    try:
        for chunk in chunks:
            size += len(chunk)
            parts.append(chunk)
            if size > (limit or MAX_RECORD):
                parts.clear()
                damage = "too_large"
    except Unfit as error:
        damage = damage or error.reason
    return Line(1, 0, size, b"".join(parts), damage)


def with_plain_newlines(chunks: Iterable[bytes], encoding: str) -> tuple[Iterable[bytes], str]:
    r"""Chunks and an encoding in which a line ends with the byte ``\n``: UTF-16 and the like are turned into UTF-8."""
    if "a\n".encode(encoding).endswith(b"a\n"):
        return chunks, encoding
    return _transcode(chunks, encoding), "utf-8"


def as_utf8(chunks: Iterable[bytes], encoding: str) -> Iterable[bytes]:
    """Chunks in UTF-8, in which no character looks like a part of another."""
    return chunks if codecs.lookup(encoding).name in ("utf-8", "ascii") else _transcode(chunks, encoding)


def _transcode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8")
        decoder.decode(b"", final=True)
    except UnicodeError:  # without a byte that ends a line for certain, the rest of the file is lost
        raise Unfit("invalid_encoding") from None
