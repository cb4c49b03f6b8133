"""Chinese words over tokens that are single characters, or bytes of them, by the segmenter jieba."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.errors import DataError

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af]+")


class ChineseWords:
    """Corrects the beginnings of words where the text is Chinese: each token there begins a word if jieba says so.

    A row is written out and segmented run of Han characters by run; runs that were seen lately are remembered. jieba
    reads some 100,000 characters a second, a hundredth of what the rest of a collator does: give the loader workers.

    Args:
        surfaces: UTF-8 text of every token id; the text of all tokens joined is the text of the row.

    Raises:
        DataError: jieba is not installed.
    """

    def __init__(self, surfaces: Sequence[bytes]) -> None:
        _jieba()
        self._surfaces = surfaces

    def __call__(self, ids: npt.NDArray[np.int64], starts: npt.NDArray[np.bool_]) -> None:
        """Change ``starts`` (B, W) where a token begins with a Han character."""
        for row, begins in zip(ids.tolist(), starts, strict=True):
            self._row([self._surfaces[number] for number in row], begins)

    def _row(self, parts: list[bytes], begins: npt.NDArray[np.bool_]) -> None:
        text = b"".join(parts).decode("utf-8", "surrogateescape")
        if not _HAN.search(text):
            return
        inside, first = np.zeros(len(text), bool), np.zeros(len(text), bool)
        for run in _HAN.finditer(text):
            inside[run.start() : run.end()] = True
            first[run.start() + np.array(word_offsets(run[0]))] = True
        code = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        size = 1 + (code >= 0x80).astype(np.int64) + (code >= 0x800) + (code >= 0x10000)
        size[(code >= 0xDC80) & (code <= 0xDCFF)] = 1  # a byte of a character that is not whole
        # Where each token begins, in bytes and then in characters; a space in front belongs to the character after it.
        lengths = np.array([len(part) for part in parts])
        begin = np.cumsum(lengths) - lengths + [part[:1] == b" " and len(part) > 1 for part in parts]
        at = np.cumsum(size) - size
        character = np.minimum(np.searchsorted(at, begin), len(text) - 1)
        known = inside[character] & (at[character] == begin)
        begins[known] = first[character[known]]


@lru_cache(maxsize=1 << 16)
def word_offsets(run: str) -> tuple[int, ...]:
    """Where the words of a run of Han characters begin, in characters."""
    offsets, offset = [], 0
    for word in _jieba().cut(run, cut_all=False):
        offsets.append(offset)
        offset += len(word)
    return tuple(offsets)


@cache
def _jieba() -> Any:
    try:
        import jieba
    except ImportError as error:
        raise DataError(
            "objective.segmenter = jieba: jieba is not installed; `pip install 'jieba>=0.42.1,<0.43'`, or leave "
            "segmenter out, and every Chinese token is a word"
        ) from error
    jieba.setLogLevel(60)  # it reports its dictionary on standard error
    return jieba
