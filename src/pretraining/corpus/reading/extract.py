"""The text of a web page, boilerplate and menus removed, by a process of its own that may hang or crash."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from typing import Any

from pretraining.corpus.reading.extraction_worker import receive, send
from pretraining.corpus.reading.records import Unfit
from pretraining.corpus.sections.sources import HtmlSource, WarcSource
from pretraining.errors import DataError

MAX_PAGE = 64 << 20
"""Bytes of the largest page; its tree takes about ten times as much memory."""


def extract_text(html: str, source: HtmlSource | WarcSource) -> tuple[str, str | None]:
    """(text, title) of a page.

    Raises:
        Unfit: ``no_text``, ``bad_html`` (the extractor fails or crashes) or ``timed_out`` (more than
            ``seconds_per_page`` of processor time).
        DataError: the extractor is not installed.
    """
    options = {key: getattr(source, key) for key in ("favour_precision", "include_tables", "include_comments")}
    problem, text, title = _process().ask((source.extractor, html, options, source.seconds_per_page))
    if problem == "missing":
        raise DataError(
            f"{source.extractor} cannot be imported: {text}\n    install it: pip install {source.extractor}"
        )
    if problem is not None:
        raise Unfit(problem)
    if not text or text.isspace():
        raise Unfit("no_text")
    # A page can name half a surrogate pair by its number.
    return text.encode("utf-8", "replace").decode(), " ".join(title.split()) or None if title else None


class _Process:
    """The process that extracts. It ends by itself when its input does, whatever becomes of this one."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, request: tuple[Any, ...]) -> tuple[str | None, Any, Any]:
        """What the process answers, or what became of it."""
        child = self._child = self._child or _start()
        assert child.stdin is not None and child.stdout is not None
        try:
            send(child.stdin, request)
            answer: tuple[str | None, Any, Any] = receive(child.stdout)
            return answer
        except (EOFError, OSError):
            self.close()
            return "timed_out" if child.returncode == -signal.SIGPROF else "bad_html", None, None

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            child, self._child = self._child, None
            for stream in (child.stdin, child.stdout):
                try:
                    stream.close()  # type: ignore[union-attr]  # both are pipes
                except OSError:  # the other end is gone
                    continue
            child.wait()


def _start() -> subprocess.Popen[bytes]:
    # Without the current folder, in which any file may be called like a module.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "pretraining.corpus.reading.extraction_worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


_PROCESSES: dict[int, _Process] = {}


def _process() -> _Process:
    """The one of this process; one that was inherited by a fork is the parent's."""
    if os.getpid() not in _PROCESSES:
        _PROCESSES.clear()
        process = _PROCESSES[os.getpid()] = _Process()
        atexit.register(process.close)
    return _PROCESSES[os.getpid()]
