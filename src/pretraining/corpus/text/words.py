"""The words of a text: counted once for each document and shared by every step that looks at them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from pretraining.corpus.text.languages import (
    HAN_SCRIPTS,
    UNSEGMENTED,
    UNSPACED_SCRIPTS,
    script,
    spacy_code,
    unspaced,
    unspaced_language,
)
from pretraining.errors import DataError

JIEBA_MISSING = (
    "Chinese words are cut by jieba, which is not installed; `pip install 'jieba>=0.42.1,<1'`, "
    "or say `words: characters` in the step"
)


class Words:
    """The words of one text, and their numbers.

    Attributes:
        words: in order, repeats too; none is empty or has white space at its ends.
    """

    __slots__ = ("__dict__", "words")

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def types(self) -> dict[str, int]:
        """Each different word and its number, in the order of first occurrence."""
        return {word: number for number, word in enumerate(dict.fromkeys(self.words))}

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Number of each word, [words]."""
        return np.fromiter(map(self.types.__getitem__, self.words), np.int64, len(self.words))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Occurrences of each different word, [types]."""
        return np.bincount(self.ids, minlength=len(self.types))

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each different word, [types]."""
        return np.fromiter(map(len, self.types), np.int64, len(self.types))


View = Callable[[str], Words]


def whitespace_words(text: str) -> Words:
    """What white space separates, as the papers count."""
    return Words(text.split())


def character_words(text: str) -> Words:
    """Every character that is not white space is a word."""
    return Words(list("".join(text.split())))


_ASCII_WORD = re.compile(r"\w+|[^\w\s]", re.ASCII)
_WORD = regex.compile(r"[\w\p{M}]+|[^\w\p{M}\s]")


def regex_words(text: str) -> Words:
    r"""Runs of letters, digits, marks and ``_``, and every other sign by itself: fast, and nearly spaCy's words."""
    return Words((_ASCII_WORD if text.isascii() else _WORD).findall(text))


def jieba_words(text: str) -> Words:
    """Words of jieba (HMM on, no full mode), which are datatrove 0.10.1's for ``cmn_Hani``.

    Raises:
        DataError: jieba is not installed.
    """
    return Words([word for piece in _jieba().cut(text, cut_all=False) if (word := piece.strip())])


@cache
def _jieba() -> Any:
    try:
        import jieba
    except ImportError as error:
        raise DataError(JIEBA_MISSING) from error
    jieba.setLogLevel(60)  # it reports its dictionary on standard error
    return jieba


@cache
def spacy_words(code: str = "en") -> View:
    """The words of spaCy's blank pipeline for a language code of spaCy, exactly those of datatrove 0.10.1.

    The same object every time, as ``Draft.view`` wants it.
    """
    return partial(_spacy_words, code)


def _spacy_words(code: str, text: str) -> Words:
    from pretraining.corpus.text.spacy_memo import spacy_memo

    return Words(spacy_memo(code).words(text))


FIXED: dict[str, View] = {
    "whitespace": whitespace_words,
    "regex": regex_words,
    "characters": character_words,
    "jieba": jieba_words,
}
"""The ways to find words that are the same for all languages."""


def word_view(words: str, language: str | None, text: str) -> View:
    """How the words of a document are found: the function to give to ``Draft.view``.

    Args:
        words: the step's ``words``: ``auto``, ``spacy``, or one of ``FIXED``.
        language: of the document, ``code_Script``, or None.
        text: of the document; it decides where ``language`` says nothing.
    """
    if words in FIXED:
        return FIXED[words]
    if words == "auto":
        share, main = (1.0, script(language)) if language is not None else unspaced(text)
        if main in UNSPACED_SCRIPTS and share > UNSEGMENTED:
            return jieba_words if main in HAN_SCRIPTS else character_words
    code = spacy_code(language)
    if code is None:
        return regex_words if words == "auto" else spacy_words("xx")
    return spacy_words(code)


def unsegmented_share(words: str, language: str | None, text: str) -> float:
    """The share of characters of unspaced scripts where ``words`` would look for spaces; NaN where it would not.

    A language that is written without spaces gives 1.
    """
    if words in ("jieba", "characters") or (words == "auto" and unspaced_language(language, text)):
        return float("nan")
    return 1.0 if script(language) in UNSPACED_SCRIPTS else unspaced(text)[0]


def require_jieba(words: str, languages: Iterable[str | None]) -> None:
    """Check what ``words`` needs for these languages, before any document.

    Raises:
        DataError: jieba is needed and not installed.
    """
    if words == "jieba" or (words == "auto" and any(script(language) in HAN_SCRIPTS for language in languages)):
        _jieba()
