"""Files of HTML, one page each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pretraining.corpus.reading.encoding import decode_page
from pretraining.corpus.reading.extract import MAX_PAGE, extract_text
from pretraining.corpus.reading.lines import read_whole
from pretraining.corpus.reading.records import Records, Unfit, make_draft
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import HtmlSource


def read_html(file: SourceFile, source: HtmlSource, chunks: Iterable[bytes]) -> Records:
    """One document, with ``title`` and, where there were any, ``replaced_characters`` as fields."""
    whole = read_whole(chunks, limit=MAX_PAGE)
    try:
        html, replaced = decode_page(whole.require_whole(), source.encoding)
        text, title = extract_text(html, source)
    except Unfit as error:
        yield whole.unreadable(file, error, whole=True)
        return
    fields: dict[str, Any] = {"title": title, "replaced_characters": replaced or None}
    yield make_draft(file, source, text, fields, offset=0)
