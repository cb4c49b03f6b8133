"""Spans of bytes as spans of characters that leave no half of a character, a letter with its marks, or a word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from pretraining.corpus.deduplication.spans import Span

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Scripts that write no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, Kana, Han."""


def character_spans(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans of the text's UTF-8 bytes as spans of characters, shrunk, without white space at
    their ends; those of which nothing is left are dropped."""
    if not text.isascii():
        data = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
        begun = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])
        whole = np.append((data & 0xC0) != 0x80, True)  # whether a character begins here
        spans = [(int(begun[start]), int(begun[end]) - (not whole[end])) for start, end in spans]
    shrunk = [_shrunk(text, start, end) for start, end in spans]
    return [(start, end) for start, end in shrunk if end > start]


def _shrunk(text: str, start: int, end: int) -> Span:
    while start < end and (text[start].isspace() or _together(text, start)):
        start += 1
    while end > start and (text[end - 1].isspace() or _together(text, end)):
        end -= 1
    return start, end


def _together(text: str, at: int) -> bool:
    """Whether the characters before and after this place belong together."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return (before.isalnum() and after.isalnum()) or before + after == "\r\n"
    if unicodedata.category(after)[0] == "M" or "\u200d" in (before, after) or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff":  # flags are two letters
        return True
    inside = before.isalnum() or unicodedata.category(before)[0] == "M"
    return inside and after.isalnum() and not _UNSPACED.match(before) and not _UNSPACED.match(after)
