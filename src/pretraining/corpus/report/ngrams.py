"""The most frequent words, pairs and triples of a bounded sample of the training text, by language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.draft import utf8_length
from pretraining.corpus.removed import id_hash
from pretraining.corpus.report.rows import row_groups, tables
from pretraining.corpus.report.samples import language_of
from pretraining.corpus.text.languages import HAN_SCRIPTS, script, unspaced_language
from pretraining.corpus.text.words import jieba_words

GROUPS = 16
"""Row groups that the sample is taken from, spread evenly over the training files."""
BYTES, UNSPACED_BYTES = 3_000_000, 60_000
"""Of text, and of text without spaces, which is cut into words slowly."""
LANGUAGES, TOP = 3, 15
"""So many languages with most text, and so many n-grams of each length, are shown."""
ALONE = "\0"
"""Stands between what belongs to no n-gram together: documents, and both sides of an address."""

_WORD = re.compile(r"\0|\w+(?:['’]\w+)*")
_DIGIT = re.compile(r"\d")
_SIGN = re.compile(r"\0|[^\W\d_]")


@dataclass(frozen=True)
class TopNGrams:
    """Of one language in the sample: (n-gram, times), the most frequent first, for 1, 2 and 3 words."""

    language: str
    documents: int
    bytes: int
    words: int
    kind: str
    """What counts as a word: ``words``, ``jieba's words`` or ``characters``."""
    top: tuple[list[tuple[str, int]], ...]


def top_ngrams(folder: Path, declared: dict[str, str | None]) -> list[TopNGrams]:
    """Of the languages with most text in the sample. Numbers and addresses are no words.

    Args:
        declared: language of each source, for documents that have none of their own.
    """
    texts: dict[tuple[str, bool], list[str]] = {}
    sizes: dict[tuple[str, bool], int] = {}
    for text, language in _sample(folder, declared):
        unspaced = unspaced_language(language or None, text)
        key, size = (language, unspaced), utf8_length(text)
        if sizes.get(key, 0) + size <= (UNSPACED_BYTES if unspaced else BYTES):
            texts.setdefault(key, []).append(text)
            sizes[key] = sizes.get(key, 0) + size
    most = sorted(sizes, key=lambda key: (-sizes[key], key))[:LANGUAGES]
    return [_count(language, unspaced, texts[language, unspaced]) for language, unspaced in most]


def _sample(folder: Path, declared: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """(text, language) of the documents with the smallest hashes of their ids, of every row group that is read."""
    groups, _ = row_groups(sorted(folder.glob("train-*.parquet")), 1 << 62)
    chosen = groups[:: -(-len(groups) // GROUPS) or 1]
    for table in tables(chosen, ["id", "text", "source", "metadata"]):
        left = BYTES // len(chosen)
        order = sorted((id_hash(id_), i) for i, id_ in enumerate(table["id"].to_pylist()))
        for number, (_, i) in enumerate(order):
            row = {name: table[name][i].as_py() for name in ("text", "source", "metadata")}
            text = row["text"][: max(left, 0)]
            left -= utf8_length(text)
            if not text or (left < 0 and number):
                break
            yield text, language_of(row["metadata"]) or declared.get(row["source"]) or ""


def _count(language: str, unspaced: bool, texts: list[str]) -> TopNGrams:
    kind, words = _cutter(language, unspaced)
    joined = f"\n{ALONE}\n".join(map(_without_addresses, texts)).lower()
    found = words(joined)
    numbers = _Numbers({ALONE: 0})
    ids = np.fromiter(map(numbers.__getitem__, found), np.int64, len(found))
    names, joint = list(numbers), "" if unspaced else " "
    top = tuple(_top(ids, names, n, joint) for n in (1, 2, 3))
    size = sum(map(utf8_length, texts))
    return TopNGrams(language, len(texts), size, int((ids > 0).sum()), kind, top)


class _Numbers(dict[str, int]):
    """The number of each word, by first occurrence; 0, as ``ALONE``, where there is a digit in it."""

    def __missing__(self, word: str) -> int:
        self[word] = number = 0 if _DIGIT.search(word) else len(self)
        return number


def _without_addresses(text: str) -> str:
    if "@" not in text and "://" not in text:
        return text
    return " ".join(ALONE if "@" in piece or "://" in piece else piece for piece in text.split())


def _cutter(language: str, unspaced: bool) -> tuple[str, Callable[[str], list[str]]]:
    if not unspaced:
        return "words", _WORD.findall
    if script(language) in ({""} | HAN_SCRIPTS) and find_spec("jieba") is not None:
        return "jieba's words", partial(_jieba)
    return "characters", _SIGN.findall


def _jieba(text: str) -> list[str]:
    parts = (jieba_words(part).words for part in text.split(ALONE))
    return [word for part in parts for word in (*(w if _SIGN.match(w) else ALONE for w in part), ALONE)]


def _top(ids: NDArray[np.int64], names: list[str], n: int, joint: str) -> list[tuple[str, int]]:
    """The most frequent n-grams that occur more than once; of equally frequent ones, the first."""
    keys, alone = ids.copy(), ids == 0
    for i in range(1, n):
        keys, first = keys[:-1], alone[:-1]
        _, keys = np.unique(keys, return_inverse=True)
        keys = keys * len(names) + ids[i:]
        alone = first | (ids[i:] == 0)
    _, first_at, counts = np.unique(keys[~alone], return_index=True, return_counts=True)
    starts = np.flatnonzero(~alone)
    order = np.lexsort((first_at, -counts))[:TOP]
    found = []
    for kind in order[counts[order] > 1]:
        at = int(starts[first_at[kind]])
        found.append((joint.join(names[j] for j in ids[at : at + n]), int(counts[kind])))
    return found
