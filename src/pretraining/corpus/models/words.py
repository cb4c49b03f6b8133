"""The words of a text as n-gram models and linear classifiers see them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pretraining.corpus.assets import find_asset
from pretraining.errors import DataError

Words = Callable[[str], list[str]]
"""The words of one line."""

PIECE = 1 << 16
"""Characters of the longest sentence; longer lines are cut, so that memory is bounded."""

_ASCII = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»＂〝〞「」『』《》", '"'),
        **dict.fromkeys("‘’‚‛´`＇", "'"),
        **dict.fromkeys("‐‑‒–—―−－━", "-"),
        **dict.fromkeys("，、､،", ","),
        **dict.fromkeys("。．｡۔।", "."),
        **dict.fromkeys("：∶", ":"),
        **dict.fromkeys("；؛", ";"),
        **dict.fromkeys("？؟", "?"),
        **dict.fromkeys("（【〔［", "("),
        **dict.fromkeys("）】〕］", ")"),
        "！": "!",
        "％": "%",
        "～": "~",
        "…": "...",
    }
)
# Thai, Lao, Tibetan, Burmese, Khmer; radicals, Kana, Han. Hangul separates words by spaces.
_UNSPACED = (
    "\u0e00-\u0e7f\u0e80-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007"
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
# Signs that belong to the letter before them, such as the vowels of Devanagari; Python's \w leaves them out.
_MARKS = "".join(chr(c) for c in range(0x300, 0xFE30) if unicodedata.category(chr(c)) in ("Mn", "Mc"))
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:[{_MARKS}]+[^\W{_UNSPACED}]*)*|[^\w\s]")
_DIGIT = re.compile(r"\d")


def normalized(text: str) -> str:
    """Lower case, every digit 0, punctuation in ASCII: what CCNet does to a text before its n-gram models see it.

    Accents stay (CCNet drops them): in many scripts the vowels are marks.
    """
    return _DIGIT.sub("0", text.lower().translate(_ASCII))


def script_words(text: str) -> list[str]:
    """Words by script: characters where none are marked by spaces, else runs of letters and digits; every sign."""
    return _WORD.findall(normalized(text))


def sentences(text: str) -> Iterator[str]:
    """The lines that are not blank: the sentences of CCNet's models."""
    for line in text.splitlines():
        if not line.isspace():
            for start in range(0, len(line), PIECE):
                yield line[start : start + PIECE]


def word_function(words: str, tokenizer: str | None, base: Path) -> Words:
    """The function that the section's ``words`` and ``tokenizer`` name.

    Raises:
        DataError: the tokenizer's file is missing or is none, or a package is not installed.
    """
    if tokenizer is not None:
        return _tokenizer_words(find_asset(tokenizer, base), normalized if words == "script" else str)
    if words == "jieba":
        return _jieba_words()
    return script_words if words == "script" else str.split


def _tokenizer_words(path: Path, prepare: Callable[[str], str]) -> Words:
    from tokenizers import Tokenizer

    try:
        tokenizer: Any = Tokenizer.from_file(str(path))
    except Exception as error:
        raise DataError(f"{path} is not a tokenizer.json: {error}") from error
    tokenizer.no_truncation()

    def words(line: str) -> list[str]:
        return list(tokenizer.encode(prepare(line), add_special_tokens=False).tokens)

    return words


def _jieba_words() -> Words:
    from pretraining.corpus.text.words import jieba_words

    jieba_words("")  # is it installed?
    return lambda line: jieba_words(line).words
