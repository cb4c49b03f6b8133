"""The process in which web pages are taken apart: what hangs or crashes there costs one page.

It imports the extractors and nothing of this package, so that it starts quickly and stays small.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import IO, Any, TypeAlias

LENGTH = struct.Struct("<Q")
Extracted: TypeAlias = "tuple[str | None, str | None]"


def send(stream: IO[bytes], message: Any) -> None:
    """Write a message, after its length."""
    data = pickle.dumps(message)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """The next message; EOFError where there is none any more."""
    head = stream.read(LENGTH.size)
    data = stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
    if not data:
        raise EOFError
    return pickle.loads(data)


def serve() -> None:
    """Answer ``(extractor, html, options, seconds)`` with ``(problem or None, text, title)`` until the parent is gone.

    The processor time of a page is limited by a timer whose signal ends this process, also inside of C code.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever an extractor prints is no reply
    for name in ("trafilatura", "justext", "htmldate", "courlan"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is counted, and not worth a line per page
    while True:
        try:
            extractor, html, options, seconds = receive(sys.stdin.buffer)
        except EOFError:
            return
        send(replies, _answer(extractor, html, options, seconds))


def _answer(extractor: str, html: str, options: dict[str, bool], seconds: float) -> tuple[str | None, Any, Any]:
    try:
        extract = EXTRACTORS[extractor]()
    except ImportError as error:
        return "missing", str(error), None
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return (None, *extract(html, **options))
    except Exception:  # whatever a page provokes in parser and extractor
        return "bad_html", None, None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def _trafilatura() -> Callable[..., Extracted]:
    import trafilatura

    def extract(html: str, *, favour_precision: bool, include_tables: bool, include_comments: bool) -> Extracted:
        tree = trafilatura.load_html(html)
        if tree is None:
            return None, None
        title = tree.findtext(".//title")  # before the extractor takes the tree apart
        text = trafilatura.extract(
            tree,
            favor_precision=favour_precision,
            include_tables=include_tables,
            include_comments=include_comments,
            deduplicate=False,  # it compares with the pages before: a page's text would depend on them
        )
        return text, title

    return extract


def _resiliparse() -> Callable[..., Extracted]:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    def extract(html: str, *, favour_precision: bool, include_tables: bool, include_comments: bool) -> Extracted:
        tree = HTMLTree.parse(html)
        text = extract_plain_text(
            tree,
            preserve_formatting=True,
            main_content=True,
            alt_texts=False,
            comments=include_comments,
            skip_elements=[] if include_tables else ["table"],
        )
        return text, tree.title

    return extract


EXTRACTORS = {"trafilatura": _trafilatura, "resiliparse": _resiliparse}

if __name__ == "__main__":
    serve()
