"""The bytes of a file, decompressed, and its lines: damage is reported where it is, and hides nothing before it."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pretraining.errors import DataError

CHUNK = 1 << 18
MAX_RECORD = 1 << 30
"""Bytes of the largest record that is read; Arrow's strings end at 2 GiB, and no document is a gigabyte."""


class Unfit(Exception):
    """A record that cannot become a document; ``at`` is the byte in it that shows it."""

    def __init__(self, reason: str, at: int = 0) -> None:
        self.reason, self.at = reason, at
        super().__init__(reason, at)


@dataclass(frozen=True)
class Line:
    """One line without its end. ``number`` counts from 1; ``damage`` says why ``data`` is not the whole of it."""

    number: int
    offset: int
    size: int
    data: bytes
    damage: str | None = None


def read_chunks(path: str, advance: Callable[[int], None]) -> Iterator[bytes]:
    """The decompressed bytes of a file (``.gz`` and ``.zst`` by name), piece by piece.

    Args:
        advance: is told how many bytes were read from the disk.

    Raises:
        Unfit: ``truncated`` or ``corrupt``, after everything before it was given out.
        DataError: the file cannot be opened.
    """
    raw = _raw_chunks(path, advance)
    if path.lower().endswith(".gz"):
        return _decompress(raw, lambda: zlib.decompressobj(wbits=31), padding=b"\0")
    if path.lower().endswith(".zst"):
        import zstandard

        return _decompress(raw, zstandard.ZstdDecompressor().decompressobj, padding=b"")
    return raw


def _raw_chunks(path: str, advance: Callable[[int], None]) -> Iterator[bytes]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - only the opening is the user's mistake
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror}\n    correct its permissions or `path`") from error
    with file:
        while chunk := file.read(CHUNK):
            advance(len(chunk))
            yield chunk


def _decompress(raw: Iterable[bytes], new: Callable[[], Any], padding: bytes) -> Iterator[bytes]:
    """Several members (or frames) in one file follow each other. gzip files may be padded with zeros."""
    import zstandard

    member: Any = None
    for chunk in raw:
        rest = chunk
        while rest and (member is not None or (rest := rest.lstrip(padding))):
            member = member or new()
            try:
                data = member.decompress(rest)
            except (zlib.error, zstandard.ZstdError):
                raise Unfit("corrupt") from None
            if data:
                yield data
            rest, member = (member.unused_data, None) if member.eof else (b"", member)
    if member is not None:
        raise Unfit("truncated")


def split_lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    r"""Lines that end with ``\n`` or ``\r\n``. A damaged file ends with a line that says so."""
    number, offset, size = 1, 0, 0
    parts: list[bytes] = []

    def line(damage: str | None = None) -> Line:
        if size > MAX_RECORD:
            damage = "too_large"
        return Line(number, offset, size, b"".join(parts).removesuffix(b"\r"), damage)

    try:
        for chunk in chunks:
            start = 0
            while (end := chunk.find(b"\n", start)) >= 0:
                parts.append(chunk[start:end])
                size += end - start
                yield line()
                number, offset, size, start = number + 1, offset + size + 1, 0, end + 1
                parts.clear()
            parts.append(chunk[start:])
            size += len(chunk) - start
            if size > MAX_RECORD:
                parts.clear()
    except Unfit as error:
        yield line(error.reason)
        return
    if size:
        yield line()


def read_whole(chunks: Iterable[bytes]) -> Line:
    """The whole file as one record."""
    parts: list[bytes] = []
    size, damage = 0, None
    try:
        for chunk in chunks:
            size += len(chunk)
            parts.append(chunk)
            if size > MAX_RECORD:
                parts.clear()
                damage = "too_large"
    except Unfit as error:
        damage = error.reason
    return Line(1, 0, size, b"".join(parts), damage)


def with_plain_newlines(chunks: Iterable[bytes], encoding: str) -> tuple[Iterable[bytes], str]:
    r"""Chunks and an encoding in which a line ends with the byte ``\n``: UTF-16 and the like are turned into UTF-8."""
    if "a\n".encode(encoding).endswith(b"a\n"):
        return chunks, encoding
    return _transcode(chunks, encoding), "utf-8"


def _transcode(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8")
        decoder.decode(b"", final=True)
    except UnicodeError:  # without a byte that ends a line for certain, the rest of the file is lost
        raise Unfit("invalid_encoding") from None


def decode(data: bytes, encoding: str, *, first: bool) -> str:
    """The text of a record; a byte order mark is dropped from the ``first`` one of a file.

    Raises:
        Unfit: ``binary`` (NUL characters), ``invalid_encoding`` or ``empty``.
    """
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unfit("binary" if b"\0" in data else "invalid_encoding", error.start) from None
    except UnicodeError:
        raise Unfit("invalid_encoding") from None
    if "\0" in text:
        raise Unfit("binary", data.find(b"\0"))
    if first:
        text = text.removeprefix("\ufeff")
    if not text or text.isspace():
        raise Unfit("empty")
    return text
