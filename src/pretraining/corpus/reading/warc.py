"""Documents from web archives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pretraining.corpus.draft import Draft
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.archive import ArchiveRecord, read_records
from pretraining.corpus.reading.encoding import decode_page
from pretraining.corpus.reading.extract import extract_text
from pretraining.corpus.reading.http_message import Response, parse_response
from pretraining.corpus.reading.records import Records, Skipped, Unfit, make_draft
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import WarcSource

DOCUMENT_KINDS = ("response", "resource", "conversion")
SCHEMES = ("http", "https", "ftp", "file")
HTML = ("text/html", "application/xhtml+xml")
TEXT = ("text/plain",)
_HTML_BEGINNINGS = (b"<!doctype html", b"<html", b"<head", b"<body")


class _NoDocument(Exception):
    """A record that is none by its nature; ``kind`` says what it is."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(kind)


def read_warc(file: SourceFile, source: WarcSource, chunks: Iterator[bytes]) -> Records:
    """One document per page. Fields: ``url``, ``date``, ``content_type``, ``title``, ``replaced_characters``.

    Records that are no documents by their nature come as ``Skipped`` after the others: requests, revisits, images,
    answers without a 2xx status. A damaged record costs itself, and reading goes on at the next one.
    """
    records: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for record in read_records(chunks):
        try:
            yield _document(record, file, source)
        except _NoDocument as other:
            records[other.kind] += 1
            sizes[other.kind] += record.size
        except Unfit as error:
            yield Unreadable(file.source, file.relative, error.reason, record.size, record.number, record.offset)
    for kind, count in sorted(records.items()):
        yield Skipped(file.source, file.relative, kind, count, sizes[kind])


def _document(record: ArchiveRecord, file: SourceFile, source: WarcSource) -> Draft:
    if record.damage:
        raise Unfit(record.damage)
    if record.kind not in DOCUMENT_KINDS:
        raise _NoDocument(record.kind or "no type")
    url = (record.header("warc-target-uri") or "").strip("<>")
    if (scheme := url.partition(":")[0].lower()) not in SCHEMES:  # wget stores its log under metadata:
        raise _NoDocument(f"{scheme or 'no'} address")
    response = parse_response(record.content) if record.kind == "response" else None
    if response is not None and not 200 <= response.status < 300:
        raise _NoDocument(f"status {response.status}")
    header = response.headers.get("content-type", "") if response is not None else record.header("content-type") or ""
    type_ = _payload_type(record, response, header)
    if type_ not in (*HTML, *TEXT):
        raise _NoDocument(type_)
    if not record.whole:
        raise Unfit("too_large")
    payload = response.payload() if response is not None else record.content
    text, replaced = decode_page(payload, "utf-8" if record.kind == "conversion" else source.encoding, header)
    title = None
    if type_ in HTML:
        text, title = extract_text(text, source)
    fields: dict[str, Any] = {
        "url": url,
        "date": record.header("warc-date"),
        "content_type": type_,
        "title": title,
        "replaced_characters": replaced or None,
    }
    return make_draft(file, source, text, fields, record=record.number, offset=record.offset)


def _payload_type(record: ArchiveRecord, response: Response | None, header: str) -> str:
    """What the crawler identified, else what the server said, else what the first bytes look like."""
    named = record.header("warc-identified-payload-type") or header
    type_ = named.partition(";")[0].strip().lower()
    if type_ and (response is not None or not type_.startswith("application/http")):
        return type_
    body = response.body if response is not None else record.content
    return HTML[0] if body[:1024].lstrip().lower().startswith(_HTML_BEGINNINGS) else "no content type"
