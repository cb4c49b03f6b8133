"""The ``length`` and ``gopher_quality`` steps: each rule is one reason, with the value that broke it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pretraining.corpus.config import GopherQualityStep, LengthStep


@dataclass(frozen=True)
class Rejection:
    """Why a document is removed: ``value`` was measured, ``threshold`` is the recipe's."""

    reason: str
    value: float
    threshold: float


LENGTH_REASONS = ("too_short", "too_long")
GOPHER_REASONS = (
    "too_few_words",
    "too_many_words",
    "words_too_short",
    "words_too_long",
    "too_many_hashes",
    "too_many_ellipses",
    "too_many_bullet_lines",
    "too_many_ellipsis_lines",
    "too_few_alphabetic_words",
    "too_few_stop_words",
)
ELLIPSES = ("...", "…")
BULLETS = ("•", "-", "*")
PIECE = 1 << 16
_SPACE = re.compile(r"\s")


def length(text: str, step: LengthStep) -> Rejection | None:
    """Characters within the limits, or why not."""
    if len(text) < step.min_characters:
        return Rejection("too_short", len(text), step.min_characters)
    if len(text) > step.max_characters:
        return Rejection("too_long", len(text), step.max_characters)
    return None


def gopher_quality(text: str, step: GopherQualityStep) -> Rejection | None:
    """The first quality rule of Gopher (arXiv 2112.11446, table A1) that the text breaks, if any.

    Words are what white space separates; line shares are of the lines that are not blank; stop words are
    compared in lower case.
    """
    return next(_broken(text, step), None)


def _words(text: str) -> Counter[str]:
    """How often each word occurs: the rules need only look at the different ones.

    Taken in pieces, because a list of all the words is many times as large as the text.
    """
    words: Counter[str] = Counter()
    start = 0
    while start < len(text):
        space = _SPACE.search(text, start + PIECE)
        end = space.start() if space else len(text)
        words.update(text[start:end].split())
        start = end
    return words


def _broken(text: str, step: GopherQualityStep) -> Iterator[Rejection]:
    words = _words(text)
    count = words.total()
    if count < step.min_words:
        yield Rejection("too_few_words", count, step.min_words)
    if count > step.max_words:
        yield Rejection("too_many_words", count, step.max_words)
    mean = sum(len(word) * n for word, n in words.items()) / max(count, 1)
    if mean < step.min_mean_word_length:
        yield Rejection("words_too_short", mean, step.min_mean_word_length)
    if mean > step.max_mean_word_length:
        yield Rejection("words_too_long", mean, step.max_mean_word_length)
    symbols = {"too_many_hashes": text.count("#"), "too_many_ellipses": sum(map(text.count, ELLIPSES))}
    for reason, hits in symbols.items():
        if hits / max(count, 1) > step.max_symbol_to_word_ratio:
            yield Rejection(reason, hits / max(count, 1), step.max_symbol_to_word_ratio)
    lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
    bullets = sum(line.startswith(BULLETS) for line in lines) / max(len(lines), 1)
    if bullets > step.max_bullet_lines:
        yield Rejection("too_many_bullet_lines", bullets, step.max_bullet_lines)
    trailing = sum(line.endswith(ELLIPSES) for line in lines) / max(len(lines), 1)
    if trailing > step.max_ellipsis_lines:
        yield Rejection("too_many_ellipsis_lines", trailing, step.max_ellipsis_lines)
    alphabetic = sum(n for word, n in words.items() if any(map(str.isalpha, word))) / max(count, 1)
    if alphabetic < step.min_alphabetic_words:
        yield Rejection("too_few_alphabetic_words", alphabetic, step.min_alphabetic_words)
    found = len({word.lower() for word in words} & set(step.stop_words))
    if found < step.min_stop_words:
        yield Rejection("too_few_stop_words", found, step.min_stop_words)
