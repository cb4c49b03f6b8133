"""A back-off n-gram language model in numpy arrays: asking it, keeping it, and writing it as ARPA."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN, BEGIN, END = 0, 1, 2
RESERVED = ("<unk>", "<s>", "</s>")
"""The first words of every vocabulary. A word of the text that is spelt like one of them is unknown."""
NEVER = -99.0
"""log10 probability that ARPA files give to ``<s>``, which is never predicted."""
_ROWS = 1 << 16


@dataclass(frozen=True)
class Level:
    """The n-grams of one order, sorted by ``keys``; an n-gram's number is its place.

    Attributes:
        keys: int64 [n], number of the (n-1)-gram before the last word x size of the vocabulary + last word.
        log_prob: float32 [n], log10 of the probability of the last word after the others.
        backoff: float32 [n], log10 of the weight of shorter n-grams after this one; zeros at the highest order.
    """

    keys: NDArray[np.int64]
    log_prob: NDArray[np.float32]
    backoff: NDArray[np.float32]


class NgramModel:
    """Words and n-grams. The unigram of word w has the key w, so all orders are looked up in the same way.

    Attributes:
        words: the vocabulary, ``RESERVED`` first.
        levels: by order.
    """

    def __init__(self, words: list[str], levels: list[Level]) -> None:
        self.words, self.levels = words, levels
        self._number = {word: i for i, word in enumerate(words) if i >= len(RESERVED)}

    @property
    def order(self) -> int:
        """Words of the longest n-gram."""
        return len(self.levels)

    def score(self, sentences: Iterable[list[str]]) -> tuple[float, int]:
        """(sum of log10 probabilities, number of words predicted); the end of each sentence is predicted too."""
        numbers: list[int] = []
        find = self._number.get
        for words in sentences:
            numbers.append(BEGIN)
            numbers += [find(word, UNKNOWN) for word in words]
            numbers.append(END)
        row = np.array(numbers, dtype=np.int64)
        predicted = row != BEGIN
        return float(self.log_probs(row)[predicted].sum()), int(predicted.sum())

    def log_probs(self, row: NDArray[np.int64]) -> NDArray[np.float64]:
        """log10 probability of every word after the ones before it, [n]; back-off as in ARPA files.

        Args:
            row: words of sentences between ``BEGIN`` and ``END``, [n]; the values at ``BEGIN`` mean nothing.
        """
        found = row
        total = self.levels[0].log_prob[row].astype(np.float64)
        for lower, level in zip(self.levels[:-1], self.levels[1:], strict=True):
            context = np.empty_like(found)
            context[:1], context[1:] = -1, found[:-1]
            keys = context * len(self.words) + row
            place = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            known = (level.keys[place] == keys) & (context >= 0)
            total += np.where(context >= 0, lower.backoff[context], 0.0)
            total = np.where(known, level.log_prob[place], total)
            found = np.where(known, place, -1)
        return total

    def save(self, folder: Path) -> None:
        """Write ``words.json`` and three arrays for each order."""
        folder.mkdir(parents=True, exist_ok=True)
        for n, level in enumerate(self.levels, 1):
            for name in ("keys", "log_prob", "backoff"):
                np.save(folder / f"{name}-{n}.npy", getattr(level, name))
        (folder / "words.json").write_text(json.dumps(self.words), "utf-8")

    @staticmethod
    def load(folder: Path) -> NgramModel:
        """What ``save`` wrote. The arrays stay on disk and are shared by all processes that ask."""
        orders = range(1, 1 + len(list(folder.glob("keys-*.npy"))))

        def array(name: str, n: int) -> Any:
            return np.load(folder / f"{name}-{n}.npy", mmap_mode="r")

        levels = [Level(array("keys", n), array("log_prob", n), array("backoff", n)) for n in orders]
        return NgramModel(json.loads((folder / "words.json").read_text("utf-8")), levels)

    def ngrams(self, n: int) -> NDArray[np.int64]:
        """The words of every n-gram of order ``n``, [count, n]."""
        keys = np.asarray(self.levels[n - 1].keys)
        last = keys % len(self.words)
        if n == 1:
            return last[:, None]
        return np.concatenate([self.ngrams(n - 1)[keys // len(self.words)], last[:, None]], axis=1)

    def write_arpa(self, path: Path) -> None:
        """Write the model as an ARPA file, complete or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("w", encoding="utf-8") as file:
            file.writelines(self._arpa_lines())
        os.replace(part, path)

    def _arpa_lines(self) -> Iterator[str]:
        yield "\\data\\\n"
        for n, level in enumerate(self.levels, 1):
            yield f"ngram {n}={len(level.keys)}\n"
        for n, level in enumerate(self.levels, 1):
            yield f"\n\\{n}-grams:\n"
            ngrams = self.ngrams(n)
            for start in range(0, len(ngrams), _ROWS):
                part = slice(start, start + _ROWS)
                rows = zip(
                    level.log_prob[part].tolist(), ngrams[part].tolist(), level.backoff[part].tolist(), strict=True
                )
                for log_prob, numbers, backoff in rows:
                    text = " ".join([self.words[i] for i in numbers])
                    yield f"{log_prob:.7g}\t{text}" + ("\n" if n == self.order else f"\t{backoff:.7g}\n")
        yield "\n\\end\\\n"
