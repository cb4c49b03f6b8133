"""Documents from files. Nothing is lost in silence: what cannot be read comes out as ``Unreadable``.

datatrove's own readers are not used because they lose data without a count: in 0.10.1 one invalid byte in the
middle of a JSON Lines file ends the file, and broken or empty records are only logged.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from datatrove.data import Document

from pretraining.corpus.config import JsonlSource, ParquetSource, Source
from pretraining.corpus.files import Line, Unfit, decode, read_chunks, read_whole, split_lines, with_plain_newlines
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.sources import SourceFile

REASONS = {
    "empty": "give it text, or leave it out",
    "binary": "it holds NUL bytes: not text, or UTF-16 (`encoding: utf-16`); narrow `path` or `files` to text",
    "invalid_encoding": "name its encoding: `encoding: gb18030` (Chinese), `cp1252` (Western European), ...",
    "truncated": "the compressed file ends too early: get it again",
    "corrupt": "the file is damaged, or is not what its name says: get it again",
    "too_large": "a record of more than 1 GiB: split it",
    "bad_json": "a line is not JSON: is it JSON Lines, one object a line?",
    "not_an_object": "a line is JSON, but not an object with keys",
    "missing_text": "there is no text under that key: name the right one with `text:`",
    "text_not_string": "what stands under the key `text:` names is not text",
    "missing_id": "there is no id under that key: name the right one with `id:`, or leave `id` out",
    "invalid_unicode": "half of a surrogate pair stands in the JSON: write it again with a correct encoder",
}
"""Every reason for which a record is unreadable, and what to do about it."""

Advance = Callable[[int], None]
Records = Iterator[Document | Unreadable]


def read_file(file: SourceFile, source: Source, advance: Advance) -> Records:
    """The documents of one file, in its order, with ``metadata = {"source": name, "metadata": JSON}``.

    Args:
        advance: is told how many bytes were read from the disk.
    """
    if isinstance(source, ParquetSource):
        from pretraining.corpus.parquet import read_parquet

        return read_parquet(file, source, advance)
    chunks = read_chunks(file.path, advance)
    if isinstance(source, JsonlSource):
        return _read_jsonl(file, source, chunks)
    if source.documents == "line":
        return _read_lines(file, source, chunks)
    return _read_text(file, source, chunks)


def document(file: SourceFile, identifier: str, text: str, fields: dict[str, Any]) -> Document:
    """A datatrove document. Keys without a value, and numbers that JSON cannot write, are left out of the metadata."""
    kept = {k: v for k, v in fields.items() if v is not None and not (isinstance(v, float) and not math.isfinite(v))}
    metadata = {"source": file.source, "metadata": json.dumps(kept, sort_keys=True)}
    return Document(text=text, id=f"{file.source}/{identifier}", metadata=metadata)


def unreadable(file: SourceFile, line: Line, error: Unfit, *, whole: bool = False) -> Unreadable:
    """The account of a record that is no document."""
    number = None if whole else line.number
    return Unreadable(file.source, file.relative, error.reason, line.size, number, line.offset + error.at)


def _read_text(file: SourceFile, source: Source, chunks: Iterator[bytes]) -> Records:
    whole = read_whole(chunks)
    try:
        _require_whole(whole)
        text = decode(whole.data, source.encoding, first=True)
    except Unfit as error:
        yield unreadable(file, whole, error, whole=True)
        return
    yield document(file, file.relative, text, {})


def _lines(source: Source, chunks: Iterator[bytes]) -> tuple[Iterator[Line], str]:
    """Blank lines separate records and are none themselves."""
    plain, encoding = with_plain_newlines(chunks, source.encoding)
    return (line for line in split_lines(plain) if line.damage or line.data.strip()), encoding


def _read_lines(file: SourceFile, source: Source, chunks: Iterator[bytes]) -> Records:
    lines, encoding = _lines(source, chunks)
    for line in lines:
        try:
            _require_whole(line)
            text = decode(line.data, encoding, first=line.number == 1)
        except Unfit as error:
            yield unreadable(file, line, error)
            continue
        yield document(file, f"{file.relative}:{line.number}", text, {})


def _read_jsonl(file: SourceFile, source: JsonlSource, chunks: Iterator[bytes]) -> Records:
    lines, encoding = _lines(source, chunks)
    for line in lines:
        try:
            _require_whole(line)
            fields = _parse(decode(line.data, encoding, first=line.number == 1))
            text = text_of(fields, source.text)
            identifier = f"{file.relative}:{line.number}" if source.id is None else id_of(fields, source.id)
        except Unfit as error:
            yield unreadable(file, line, error)
            continue
        yield document(file, identifier, text, fields)


def _require_whole(line: Line) -> None:
    if line.damage:
        raise Unfit(line.damage)


def _parse(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit("bad_json", getattr(error, "pos", 0)) from None
    if not isinstance(fields, dict):
        raise Unfit("not_an_object")
    return fields


def text_of(fields: dict[str, Any], key: str) -> str:
    """Take the text out of ``fields``.

    Raises:
        Unfit: ``missing_text``, ``text_not_string``, ``invalid_unicode`` or ``empty``.
    """
    text = fields.pop(key, None)
    if text is None:
        raise Unfit("missing_text")
    if not isinstance(text, str):
        raise Unfit("text_not_string")
    if not text or text.isspace():
        raise Unfit("empty")
    _require_unicode(text)
    return text


def id_of(fields: dict[str, Any], key: str) -> str:
    """Take the id, a string or an integer, out of ``fields``; Unfit with ``missing_id`` where there is none."""
    value = fields.pop(key, None)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise Unfit("missing_id")
    _require_unicode(str(value))
    return str(value)


def _require_unicode(text: str) -> None:
    try:
        utf8_length(text)
    except UnicodeEncodeError as error:
        raise Unfit("invalid_unicode", error.start) from None


def utf8_length(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8"))
