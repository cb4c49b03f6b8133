"""Words as decontamination compares them, where they stand, and hashes of their n-grams."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.windows import prefix_sums, span_hashes

LONGEST = 1000
"""Characters of a word that count; longer ones (data, no words) are cut."""
_PIECE = 1 << 15
"""Bytes that are hashed together."""
_SINGLE = (
    "\u0e01-\u0eff\u0f00-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
"""Thai, Lao, Tibetan, Burmese, Khmer; Kana, Han: characters of scripts that write no spaces between words."""
_ASCII_WORD = re.compile("[a-z0-9]+")


@cache
def _word() -> re.Pattern[str]:
    """Letters and digits with the marks on them (such as Devanagari's vowels), which Python's ``\\w`` leaves out."""
    marks = "".join(chr(code) for code in range(0x300, 0xFE30) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    return re.compile(rf"[^\W_{_SINGLE}]+(?:[{marks}]+[^\W_{_SINGLE}]*)*|[{_SINGLE}]")


def plain_words(text: str) -> list[str]:
    """The words: case folded; punctuation and symbols separate them, as white space does.

    Characters of scripts that write no spaces between words (Han, Kana, Thai, ...) are words.
    """
    text = text.casefold()
    words: list[str] = (_ASCII_WORD if text.isascii() else _word()).findall(text)
    return words if max(map(len, words), default=0) <= LONGEST else [word[:LONGEST] for word in words]


def word_spans(text: str) -> NDArray[np.int64]:
    """First character, and the one after the last, of each of ``plain_words``, [words, 2]."""
    return np.array([match.span() for match in _word().finditer(text)], dtype=np.int64).reshape(-1, 2)


def ngram_hashes(words: list[str], n: int) -> NDArray[np.uint64]:
    """64 bits for every ``n`` consecutive words, [len(words) - n + 1]; none where there are fewer words."""
    if len(words) < n:
        return np.empty(0, dtype=np.uint64)
    data = np.frombuffer(" ".join(words).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    spaces = np.flatnonzero(data == ord(" "))
    starts = np.concatenate([[0], spaces + 1])[: len(words) - n + 1]
    ends = np.append(spaces, len(data))[n - 1 :]
    hashes = []
    begin = 0
    while begin < len(starts):
        end = max(begin + 1, int(np.searchsorted(ends, starts[begin] + _PIECE)))
        low, high = int(starts[begin]), int(ends[end - 1])
        hashes.append(span_hashes(prefix_sums(data[low:high]), starts[begin:end] - low, ends[begin:end] - low))
        begin = end
    return np.concatenate(hashes)
