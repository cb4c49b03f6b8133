r"""The records of a web archive: WARC (ISO 28500) and ARC, told apart record by record.

A record whose length is wrong, or that lost bytes, is given up, and reading goes on at the next line that begins one:
neither warcio nor fastwarc goes on there, and fastwarc does not read ARC, so both are only measured against.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pretraining.corpus.reading.http_message import parse_headers
from pretraining.corpus.reading.records import Unfit

MAX_HEADER = 1 << 20
MAX_BODY = 64 << 20
"""Bytes of a record that are held; of a larger one (a film) only the beginning is."""
BEGINNING = 1 << 16

_WARC = re.compile(rb"WARC/\d\.\d+\s*$")
_ARC = re.compile(rb"([a-z][a-z0-9+.-]*:\S*) (\S+) (\d{12,14}) (\S+(?: \S+)*?) (\d+)\s*$", re.IGNORECASE)
_HEAD = rb"(?:WARC/\d\.\d+|(?:https?|ftp|dns|filedesc):\S+ [\d.:a-f]+ \d{12,14} \S+(?: \S+)* \d+)\r?\n"
_BEGIN = re.compile(_HEAD)
_BEGIN_INSIDE = re.compile(rb"(?<=[\n\0])" + _HEAD)
"""Where a record begins: at a line, or where something is missing before it (``read_chunks(mend=True)``)."""


@dataclass(frozen=True)
class ArchiveRecord:
    """One record. ``damage`` says why it is none; ``size`` counts its header and content.

    Attributes:
        kind: ``response``, ``request``, ``metadata``, ... in lower case; ``arc_header`` for the first record of an ARC.
        headers: by name in lower case; those of ARC under the names that WARC has for them.
        content: what stands after the header; only the beginning where ``whole`` is false.
    """

    number: int
    offset: int
    size: int
    kind: str = ""
    headers: dict[str, str] | None = None
    content: bytes = b""
    whole: bool = True
    damage: str | None = None

    def header(self, name: str) -> str | None:
        """A header of the record."""
        return (self.headers or {}).get(name)


class ByteStream:
    """Chunks, read as lines and pieces. ``offset`` counts what was taken."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self._start = 0
        self.offset = 0
        self._damage: str | None = None

    def _fill(self, size: int) -> bool:
        """Have ``size`` bytes at hand; false where the file ends before."""
        while len(self._buffer) - self._start < size:
            try:
                chunk = next(self._chunks, None)
            except Unfit as error:
                self._damage, chunk = error.reason, None
            if chunk is None:
                self._chunks = iter(())
                return False
            del self._buffer[: self._start]
            self._start = 0
            self._buffer += chunk
        return True

    def take(self, size: int) -> bytes:
        """The next bytes, fewer at the end of the file."""
        self._fill(size)
        data = bytes(self._buffer[self._start : self._start + size])
        self._start += len(data)
        self.offset += len(data)
        return data

    def skip(self, size: int) -> int:
        """Pass over bytes; how many there were."""
        done = 0
        while done < size and (data := self.take(min(size - done, BEGINNING))):
            done += len(data)
        return done

    def line(self) -> bytes:
        """The next line with its end, at most ``MAX_HEADER`` bytes of it; empty at the end of the file."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", self._start + searched)
            if end >= 0:
                return self.take(end + 1 - self._start)
            searched = len(self._buffer) - self._start
            if searched >= MAX_HEADER or not self._fill(searched + 1):
                return self.take(min(searched, MAX_HEADER))

    def put_back(self, data: bytes) -> None:
        """Undo the last takes, which gave ``data``."""
        start = max(self._start - len(data), 0)
        self._buffer[start : self._start] = data
        self._start = start
        self.offset -= len(data)

    def told_damage(self) -> str | None:
        """Why the file ended too early, the first time that it is asked for."""
        damage, self._damage = self._damage, None
        return damage


def read_records(chunks: Iterator[bytes]) -> Iterator[ArchiveRecord]:
    """All records of an archive, in their order, the damaged ones too. Numbers count from 1, offsets in bytes."""
    stream = ByteStream(chunks)
    number = 0
    while True:
        while (line := stream.line()) in (b"\n", b"\r\n"):
            pass
        number += 1
        offset = stream.offset - len(line)
        if not line:
            if damage := stream.told_damage():
                yield ArchiveRecord(number, offset, 0, damage=damage)
            return
        if _WARC.match(line):
            yield _warc_record(stream, number, offset, line)
        elif match := _ARC.match(line):
            yield _arc_record(stream, number, offset, line, match)
        else:
            yield _give_up(stream, number, offset, line)


def _warc_record(stream: ByteStream, number: int, offset: int, first: bytes) -> ArchiveRecord:
    header = [first]
    while (line := stream.line()) not in (b"\n", b"\r\n", b""):
        if sum(map(len, header)) > MAX_HEADER or b"\0" in line or _WARC.match(line):
            return _give_up(stream, number, offset, b"".join(header) + line)
        header.append(line)
    header.append(line)
    headers = parse_headers(header[1:])
    length = headers.get("content-length", "")
    if not length.isdecimal():
        return _give_up(stream, number, offset, b"".join(header))
    kind = headers.get("warc-type", "").lower()
    start = ArchiveRecord(number, offset, len(b"".join(header)), kind, headers)
    return _content(stream, start, b"".join(header), int(length))


def _arc_record(stream: ByteStream, number: int, offset: int, line: bytes, match: re.Match[bytes]) -> ArchiveRecord:
    url, _, date, content_type, length = (group.decode("utf-8", "replace") for group in match.groups())
    kind = "arc_header" if url.startswith("filedesc:") else "response"
    date = date.ljust(14, "0")
    day, time = (date[:4], date[4:6], date[6:8]), (date[8:10], date[10:12], date[12:14])
    headers = {"warc-target-uri": url, "warc-date": f"{'-'.join(day)}T{':'.join(time)}Z", "content-type": content_type}
    return _content(stream, ArchiveRecord(number, offset, len(line), kind, headers), line, int(length))


def _content(stream: ByteStream, start: ArchiveRecord, head: bytes, length: int) -> ArchiveRecord:
    """The record that begins with ``head``, if another one, or the end, follows its content."""
    whole = length <= MAX_BODY
    content = stream.take(length if whole else min(length, BEGINNING))
    there = len(content) if whole else len(content) + stream.skip(length - len(content))
    if there < length:
        if whole and _BEGIN_INSIDE.search(content):  # the length is wrong, or bytes are missing: more records follow
            return _give_up(stream, start.number, start.offset, head + content)
        damage = stream.told_damage() or "truncated"
        return ArchiveRecord(start.number, start.offset, start.size + there, damage=damage)
    blank = _blank_lines(stream)
    following = stream.line()
    stream.put_back(following)
    if following and not blank and not _BEGIN.match(following):
        return _give_up(stream, start.number, start.offset, head + (content if whole else b"") + blank)
    return replace(start, size=start.size + length, content=content, whole=whole)


def _blank_lines(stream: ByteStream) -> bytes:
    blank = b""
    while (line := stream.line()) in (b"\n", b"\r\n"):
        blank += line
    stream.put_back(line)
    return blank


def _give_up(stream: ByteStream, number: int, offset: int, taken: bytes) -> ArchiveRecord:
    """Go on at the next line that begins a record; it may stand in what was taken."""
    if match := _BEGIN_INSIDE.search(taken, 1):
        stream.put_back(taken[match.start() :])
        return ArchiveRecord(number, offset, match.start(), damage="bad_record")
    while line := stream.line():
        match = _BEGIN.match(line) or _BEGIN_INSIDE.search(line)
        if match:
            stream.put_back(line[match.start() :])
            break
    return ArchiveRecord(number, offset, stream.offset - offset, damage=stream.told_damage() or "bad_record")
