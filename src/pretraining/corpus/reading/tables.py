"""CSV and TSV: a broken row costs a row, a quote that never ends costs its line."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pretraining.corpus.draft import utf8_length
from pretraining.corpus.reading.encoding import sniffed
from pretraining.corpus.reading.lines import Line, split_lines, with_plain_newlines
from pretraining.corpus.reading.records import Records, Unfit, make_draft, take_named
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import CsvSource

MAX_ROW = 64 << 20
"""Bytes of the largest row; what is longer is taken for a quote that never ends."""


def read_csv(file: SourceFile, source: CsvSource, chunks: Iterable[bytes]) -> Records:
    """One document per row. The number of a row is that of its first line; the header is line 1."""
    chunks, encoding = sniffed(chunks, source.encoding)
    chunks, encoding = with_plain_newlines(chunks, encoding)
    tabs = ".tsv" in file.name.rpartition("/")[2].lower()
    rows = _Rows(split_lines(chunks), encoding, source.delimiter or ("\t" if tabs else ","))
    header: list[str] | None = None
    for line, cells in rows:
        try:
            if isinstance(cells, Unfit):
                raise cells
            if header is None:
                header = cells
                continue
            if len(cells) != len(header):
                raise Unfit("bad_csv")
            for cell in cells:
                _require_text(cell)
            fields = dict(zip(header, cells, strict=True))
            text, identifier = take_named(fields, source)
            fields = {name: cell for name, cell in fields.items() if cell}
        except Unfit as error:
            yield line.unreadable(file, error)
            continue
        yield make_draft(file, source, text, fields, identifier=identifier, record=line.number, offset=line.offset)


def _require_text(cell: str) -> None:
    if "\0" in cell:
        raise Unfit("binary")
    try:
        utf8_length(cell)
    except UnicodeEncodeError:
        raise Unfit("invalid_encoding") from None


@dataclass
class _Rows:
    """The rows of a file: (its lines as one, the cells or why there are none)."""

    lines: Iterator[Line]
    encoding: str
    delimiter: str
    again: deque[Line] = field(default_factory=deque)
    taken: list[Line] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[Line, list[str] | Unfit]]:
        csv.field_size_limit(MAX_ROW)
        reader = self._reader()
        while True:
            self.taken = []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                # The first line is given up; the others, which a quote may have swallowed, are read again.
                first, *others = self.taken
                self.again.extendleft(reversed(others))
                reader = self._reader()
                yield first, Unfit("bad_csv")
                continue
            except Unfit as error:
                reader = self._reader()
                yield _joined(self.taken), error
                continue
            if cells:  # a blank line is no row
                yield _joined(self.taken), cells

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._texts(), delimiter=self.delimiter, strict=True)

    def _texts(self) -> Iterator[str]:
        """The lines as text. A byte that is not valid becomes a lone surrogate, so that it costs no other row."""
        size = 0
        while line := self.again.popleft() if self.again else next(self.lines, None):
            if not self.taken:
                size = 0
            self.taken.append(line)
            size += line.size
            if line.damage:
                raise Unfit(line.damage)
            if size > MAX_ROW:
                raise csv.Error("the row is too long")
            text = line.data.decode(self.encoding, "surrogateescape")
            yield (text.removeprefix("\ufeff") if line.number == 1 else text) + "\n"


def _joined(lines: list[Line]) -> Line:
    first, last = lines[0], lines[-1]
    return Line(first.number, first.offset, last.offset + last.size - first.offset, b"", first.damage or last.damage)
