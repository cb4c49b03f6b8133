"""Plain text and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pretraining.corpus.reading.encoding import decode, sniffed
from pretraining.corpus.reading.lines import as_utf8, read_whole, split_lines, split_pieces, with_plain_newlines
from pretraining.corpus.reading.records import Records, Unfit, as_json, make_draft
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import MarkdownSource, PackageSource, TextSource

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?\n)?---[ \t]*(?:\r?\n|\Z)", re.DOTALL)


def read_text(file: SourceFile, source: PackageSource | TextSource, chunks: Iterable[bytes]) -> Records:
    """One document per file, per line, or per piece between separators."""
    chunks, encoding = sniffed(chunks, source.encoding)
    if source.documents == "file":
        whole = read_whole(chunks)
        try:
            text = decode(whole.require_whole(), encoding, first=True)
        except Unfit as error:
            yield whole.unreadable(file, error, whole=True)
            return
        yield make_draft(file, source, text, {}, offset=0)
        return
    if source.separator is None:
        chunks, encoding = with_plain_newlines(chunks, encoding)
        pieces = split_lines(chunks, number=file.first_record, offset=file.start)
    else:
        pieces = split_pieces(as_utf8(chunks, encoding), source.separator.encode())
        encoding = "utf-8"
    for piece in pieces:
        if not piece.damage and not piece.data.strip():
            continue  # blank lines separate documents and are none themselves
        try:
            text = decode(piece.require_whole(), encoding, first=piece.number == 1)
        except Unfit as error:
            yield piece.unreadable(file, error)
            continue
        yield make_draft(file, source, text, {}, record=piece.number, offset=piece.offset)


def read_markdown(file: SourceFile, source: MarkdownSource, chunks: Iterable[bytes]) -> Records:
    """One document: the Markdown as it stands, with the keys of its YAML front matter as metadata."""
    chunks, encoding = sniffed(chunks, source.encoding)
    whole = read_whole(chunks)
    try:
        text, fields = split_front_matter(decode(whole.require_whole(), encoding, first=True))
        if not text or text.isspace():
            raise Unfit("empty")
    except Unfit as error:
        yield whole.unreadable(file, error, whole=True)
        return
    yield make_draft(file, source, text, fields, offset=0)


def split_front_matter(text: str) -> tuple[str, dict[str, Any]]:
    """(text without front matter, its keys). What does not parse to keys is no front matter, and stays in the text."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return text, {}
    import yaml

    try:
        fields = yaml.safe_load(match.group(1) or "")
    except (yaml.YAMLError, ValueError, RecursionError):
        return text, {}
    if fields is None or not isinstance(fields, dict):
        return (text[match.end() :], {}) if fields is None else (text, {})
    return text[match.end() :], {str(key): as_json(value) for key, value in fields.items()}
