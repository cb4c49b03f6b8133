"""What becomes of a record: a document, an ``Unreadable`` that says why not, or one of those that were never meant."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import Source

REASONS = {
    "empty": "give it text, or leave it out",
    "binary": "it holds NUL bytes: not text, or UTF-16 (`encoding: utf-16`); narrow `path` or `files` to text",
    "invalid_encoding": "name its encoding: `encoding: gb18030` (Chinese), `cp1252` (Western European), or `auto`",
    "truncated": "the file ends too early: get it again",
    "corrupt": "the file is damaged, or is not what its name says: get it again",
    "encrypted": "the archive asks for a password: unpack it first",
    "too_large": "a record of more than 1 GiB (a page, a CSV row: 64 MiB): split it",
    "bad_json": "a line is not JSON: is it JSON Lines, one object a line? For one array in a file say `layout: array`",
    "not_an_object": "a record is JSON, but neither an object with keys nor a string",
    "bad_csv": "a row has not as many cells as the header, or a quote that never ends: correct it, or `delimiter`",
    "missing_text": "there is no text under that key: name the right one with `text:`",
    "text_not_string": "what stands under the key `text:` names is not text",
    "missing_id": "there is no id under that key: name the right one with `id:`, or leave `id` out",
    "invalid_unicode": "half of a surrogate pair stands in the JSON: write it again with a correct encoder",
    "bad_record": "a record of the archive is damaged, or its length is wrong: get the file again",
    "bad_http": "the HTTP message cannot be read: its compression is unknown or damaged",
    "no_text": "the extractor finds no text in the page: try the other `extractor`, or `favour_precision: false`",
    "bad_html": "the extractor fails on the page: try the other `extractor`",
    "timed_out": "the extractor did not end in time: raise `seconds_per_page`, or try the other `extractor`",
}
"""Every reason for which a record is unreadable, and what to do about it."""


@dataclass(frozen=True)
class Skipped:
    """Records of one kind that were never documents: requests of a web archive, images, pages that were not found.

    One for each file and kind, after the file's records; ``bytes`` is their raw size.
    """

    source: str
    file: str
    kind: str
    records: int
    bytes: int


Advance: TypeAlias = Callable[[int], None]
Records: TypeAlias = Iterator[Draft | Unreadable | Skipped]


class Unfit(Exception):
    """A record that cannot become a document; ``at`` is the byte in it that shows it."""

    def __init__(self, reason: str, at: int = 0) -> None:
        self.reason, self.at = reason, at
        super().__init__(reason, at)


_LANGUAGE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def make_draft(
    file: SourceFile,
    source: Source,
    text: str,
    fields: dict[str, Any],
    *,
    identifier: str | None = None,
    record: int | None = None,
    offset: int | None = None,
) -> Draft:
    """A document. Its id is ``source/identifier``, or ``source/file:record`` where it brings none.

    Fields without a value, and numbers that JSON cannot write, are left out. The language is the document's own
    where it has one as ``code_Script``, else the source's.
    """
    if identifier is None:
        identifier = file.relative if record is None else f"{file.relative}:{record}"
    kept = {key: plain for key, value in fields.items() if (plain := as_json(value)) is not None}
    own = kept.get("language")
    return Draft(
        text,
        f"{file.source}/{identifier}",
        source=file.source,
        file=file.relative,
        record=record,
        offset=offset,
        fields=kept,
        language=own if isinstance(own, str) and _LANGUAGE.fullmatch(own) else source.language,
    )


def as_json(value: Any) -> Any:
    """The value as JSON can write it: dates as ISO 8601, bytes as text, None for what has no form in JSON."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {as_json(str(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


def take(fields: dict[str, Any], path: str) -> Any:
    """Take what stands under a key, or under dotted keys in nested objects, out of ``fields``; None: nothing."""
    if path in fields:
        return fields.pop(path)
    head, dot, rest = path.partition(".")
    inner = fields.get(head)
    return take(inner, rest) if dot and isinstance(inner, dict) else None


def take_named(fields: dict[str, Any], source: Any) -> tuple[str, str | None]:
    """(text, id) out of ``fields``; what ``url:`` and ``date:`` name is moved to these keys.

    Args:
        source: a source with ``text``, ``id``, ``url`` and ``date``.

    Raises:
        Unfit: ``missing_text``, ``text_not_string``, ``invalid_unicode``, ``empty`` or ``missing_id``.
    """
    text = check_text(take(fields, source.text))
    identifier = None if source.id is None else check_id(take(fields, source.id))
    for key, path in (("url", source.url), ("date", source.date)):
        if path is not None and (value := take(fields, path)) is not None:
            fields[key] = value
    return text, identifier


def check_text(text: Any) -> str:
    """The value, if it is a text or the lines of one; else Unfit, as in ``take_named``."""
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        text = "\n".join(text)
    if text is None:
        raise Unfit("missing_text")
    if not isinstance(text, str):
        raise Unfit("text_not_string")
    if not text or text.isspace():
        raise Unfit("empty")
    _require_unicode(text)
    return text


def check_id(value: Any) -> str:
    """The id, a string or an integer, as a string; Unfit with ``missing_id`` where it is neither."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise Unfit("missing_id")
    _require_unicode(str(value))
    return str(value)


def _require_unicode(text: str) -> None:
    try:
        utf8_length(text)
    except UnicodeEncodeError as error:
        raise Unfit("invalid_unicode", error.start) from None
