"""Numbers and texts as a reader likes them."""

from __future__ import annotations

import re
from typing import Any

NOTHING = "–"
SPACE = "\N{NO-BREAK SPACE}"


def count(value: float | None) -> str:
    """1234567 -> 1,234,567."""
    return NOTHING if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """1234567 -> 1.23 M: three digits."""
    if value is None:
        return NOTHING
    for factor, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * factor:
            return f"{float(f'{value / factor:.3g}'):g}{SPACE}{unit}"
    return f"{float(f'{value:.3g}'):g}"


def size(value: float | None) -> str:
    """Bytes: 1234567 -> 1.23 MB (powers of ten)."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}{SPACE}B" if abs(value) < 999.5 else short(value).replace("B", "G") + "B"


def number(value: float | None, digits: int = 3) -> str:
    """1.23456 -> 1.235; a thousand and more gets separators and no decimals."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """0.1234 -> 12.3 %."""
    return NOTHING if value is None else f"{100 * value:.{digits}f}{SPACE}%"


def duration(seconds: float | None) -> str:
    """3725 -> 1 h 02 min."""
    if seconds is None:
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min{SPACE}{whole % 60:02d}{SPACE}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}{SPACE}h{SPACE}{minutes % 60:02d}{SPACE}min"


def shorten(text: str, most: int = 600) -> str:
    """The beginning of ``text``, and how much was left out."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def cell(value: Any) -> str:
    """A value that cannot break a Markdown table or become HTML."""
    text = " ".join(str(NOTHING if value is None else value).split())
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\\", "\\\\").replace("|", "\\|")


def fence(text: str, language: str = "") -> str:
    """A Markdown code block around ``text``, with a fence that ``text`` cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


# A name may hold spaces: better to leave out a word too many than half the name of a folder.
_FOLDER = r"[^\s'\",\[\]{}/\\][^\n'\",\[\]{}/\\]*[/\\]"
_LOCAL = re.compile(rf"(?<![\w.:/~…-])(?:~?/|[A-Za-z]:[\\/])(?:{_FOLDER})+")


def without_local_folders(text: str) -> str:
    """Absolute paths lose their folders: ``/home/me/books/*.txt`` -> ``…/*.txt``."""
    return _LOCAL.sub("…/", text)


FILTERS = {
    f.__name__: f for f in (count, short, size, number, percent, duration, shorten, cell, fence, without_local_folders)
}
"""The filters of the templates."""
