"""What all families share: the match, the folding of full-width characters, runs of digits, the words around."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# One character for one, so offsets stay.
_FOLD = {0xFF01 + i: 0x21 + i for i in range(94) if chr(0x21 + i).isalnum() or chr(0x21 + i) in "@.-_+()/="}
_FOLD.update(dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013), ord("-")))  # hyphens and the en dash
_FOLD.update(dict.fromkeys((0x00A0, 0x2009, 0x202F, 0x3000), ord(" ")))  # no-break, thin and ideographic spaces
_FOLDABLE = re.compile("[" + "".join(map(re.escape, map(chr, _FOLD))) + "]+")

_RUN = re.compile(r"[0-9][0-9 ()./-]{5,}[0-9]")
_BREAK = re.compile(r" {2,}|[ ()./-]{4,}|\.{2,}|-{2,}|/{2,}")
MIN_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Match:
    """A piece of personal data: ``text[start:end]``. It does not hold the value.

    Attributes:
        type: Presidio's name, like ``EMAIL_ADDRESS``.
        start: first character.
        end: one past the last character.
        score: how sure, 0 to 1: 0.9 and more with a checksum or a form that nothing else has, about 0.6 by form alone.
    """

    type: str
    start: int
    end: int
    score: float


def fold(text: str) -> str:
    """The text with full-width letters, digits and separators as ASCII; every character keeps its place."""
    if text.isascii():
        return text
    return _FOLDABLE.sub(lambda found: found[0].translate(_FOLD), text)


def digit_runs(text: str) -> list[tuple[int, int]]:
    """(start, end) of pieces of digits and single separators (space ``( ) . / -``) with at least 7 digits."""
    runs = []
    for found in _RUN.finditer(text):
        for start, end in _unbroken(text, found.start(), found.end()):
            if end - start >= MIN_DIGITS and (end - start > 2 * MIN_DIGITS or _digits(text, start, end) >= MIN_DIGITS):
                runs.append((start, end))
    return runs


def _unbroken(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for gap in _BREAK.finditer(text, start, end):
        yield start, gap.start()
        start = gap.end()
    yield start, end


def _digits(text: str, start: int, end: int) -> int:
    return sum(character.isdigit() for character in text[start:end])


def before(text: str, start: int, size: int) -> str:
    """Up to ``size`` characters before ``start``, in lower case."""
    return text[max(0, start - size) : start].lower()


def is_word(character: str) -> bool:
    """An ASCII letter, digit or underscore: Han and other scripts have no spaces, so they do end a number."""
    return character.isascii() and (character.isalnum() or character == "_")


def stands_alone(text: str, start: int, end: int) -> bool:
    """Neither an ASCII letter nor a digit touches the span, nor a digit behind one of ``. , - /``."""
    left, right = text[max(0, start - 2) : start], text[end : end + 2]
    if (left and is_word(left[-1])) or (right and is_word(right[0])):
        return False
    return not (_tied(left[::-1]) or _tied(right))


def _tied(near: str) -> bool:
    return len(near) == 2 and near[0] in ".,-/" and near[1].isdigit() and near[1].isascii()
