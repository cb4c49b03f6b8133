"""The alphabet of a tokenizer that is not byte-level: the characters of the training text that have tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CODE_POINTS = 0x110000
ALWAYS = " \n"
"""Part of every alphabet: a blank is in every text, and a line feed stands for the characters that are left out."""
_BREAK = np.uint32(ord("\n"))


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The Unicode code points of a text, uint32 [characters]."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


@dataclass(frozen=True)
class Alphabet:
    """The most frequent characters of a text."""

    counts: npt.NDArray[np.int64]
    """How often each code point was seen, int64 [0x110000]."""
    kept: npt.NDArray[np.bool_]
    """Whether it is in the alphabet."""

    @property
    def characters(self) -> list[str]:
        """In the order of their code points."""
        return [chr(point) for point in np.flatnonzero(self.kept)]

    def coverage(self, size: int) -> float:
        """Share of all characters that the ``size`` most frequent ones cover."""
        return float(np.sort(self.counts)[::-1][:size].sum() / max(1, self.counts.sum()))

    def restrict(self, text: str) -> str:
        """The text with a line feed, which ends a word, for every character that is not in the alphabet."""
        points = code_points(text)
        inside = self.kept[points]
        return text if inside.all() else np.where(inside, points, _BREAK).tobytes().decode("utf-32-le")

    def restricted(self, texts: Iterable[str], normalize: Callable[[str], str]) -> Iterator[str]:
        """``restrict`` for each of the texts, which are normalized first."""
        return (self.restrict(normalize(text)) for text in texts)


def find_alphabet(texts: Iterable[str], coverage: float, normalize: Callable[[str], str]) -> Alphabet:
    """The most frequent characters that make up ``coverage`` of all (SentencePiece's ``character_coverage``).

    Of equally frequent characters the one with the smaller code point comes first.

    Args:
        normalize: what the tokenizer does to a text before it takes it apart.
    """
    counts = np.zeros(CODE_POINTS, np.int64)
    for text in texts:
        points = code_points(normalize(text))
        used = np.bincount(points)
        counts[: len(used)] += used
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    kept = np.zeros(CODE_POINTS, bool)
    kept[order[before < coverage * counts.sum()]] = True
    kept &= counts > 0
    kept[[ord(character) for character in ALWAYS]] = True
    return Alphabet(counts, kept)
