"""JSON Lines, where a broken line costs a line, and files that are one JSON array."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pretraining.corpus.reading.encoding import decode, sniffed
from pretraining.corpus.reading.lines import Line, read_whole, split_lines, with_plain_newlines
from pretraining.corpus.reading.records import Records, Unfit, make_draft, take_named
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import JsonlSource

_JSON = json.JSONDecoder()
_OPENING = re.compile(r"\ufeff?[ \t\r\n]*\[[ \t\r\n]*(\][ \t\r\n]*)?")
_BETWEEN = re.compile(r"[ \t\r\n]*([,\]]?)[ \t\r\n]*")


def read_jsonl(file: SourceFile, source: JsonlSource, chunks: Iterable[bytes]) -> Records:
    """One document per line that is not blank, or per item of the array."""
    chunks, encoding = sniffed(chunks, source.encoding)
    chunks, encoding = with_plain_newlines(chunks, encoding)
    if source.layout == "array":
        lines = split_array(read_whole(chunks), encoding)
    else:
        lines = split_lines(chunks, number=file.first_record, offset=file.start)
    for line in lines:
        if not line.damage and not line.data.strip():
            continue
        try:
            fields = _parse(decode(line.require_whole(), encoding, first=line.number == 1), source)
            text, identifier = take_named(fields, source)
        except Unfit as error:
            yield line.unreadable(file, error)
            continue
        yield make_draft(file, source, text, fields, identifier=identifier, record=line.number, offset=line.offset)


def split_array(whole: Line, encoding: str) -> Iterator[Line]:
    """The items of a JSON array as records, counted from 1; the last is what no item can be told apart in.

    Bytes that are not in the encoding cost the item that they stand in.
    """
    # What is not in the encoding becomes half surrogate pairs here, and the same bytes again in the item.
    text = whole.data.decode(encoding, "surrogateescape")
    opening = _OPENING.match(text)
    number, offset, position = 1, 0, 0
    following = ""
    if opening is not None:
        position = opening.end()
        offset = _size(text[:position], encoding)
        following = "]" if opening[1] else ","
    while following == ",":
        try:
            end = _JSON.raw_decode(text, position)[1]
        except (ValueError, RecursionError):
            break
        data = text[position:end].encode(encoding, "surrogateescape")
        yield Line(number, offset, len(data), data)
        between = _BETWEEN.match(text, end)
        assert between is not None  # it can match nothing
        number, offset = number + 1, offset + _size(text[position : between.end()], encoding)
        position, following = between.end(), between[1]
    if whole.damage or following != "]" or position < len(text):
        yield Line(number, offset, whole.size - offset, b"", whole.damage or "bad_json")


def _size(text: str, encoding: str) -> int:
    return len(text.encode(encoding, "surrogateescape"))


def _parse(text: str, source: JsonlSource) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit("bad_json", getattr(error, "pos", 0)) from None
    if isinstance(record, str):
        return {source.text: record}
    if not isinstance(record, dict):
        raise Unfit("not_an_object")
    return record
