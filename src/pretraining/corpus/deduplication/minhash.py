"""``minhash_deduplication``: MinHash signatures in datatrove's files, groups in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import BAND_BYTES
from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.deduplication.parts import Parts, Shape
from pretraining.corpus.deduplication.shingles import require_words, shingles
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import Preparation, Rule
from pretraining.errors import DataError

_PRIME = np.uint64((1 << 61) - 1)
_CHUNK = 256
"""Shingles that are hashed at a time: 256 x 112 x 8 bytes stay in a core's cache."""


class Permutations:
    """The signatures of datatrove 0.10.1's ``MinhashDedupSignature``, value for value."""

    def __init__(self, hashes: int, precision: int, seed: int) -> None:
        generator = np.random.RandomState(seed)
        self._a = generator.randint(1, int(_PRIME), dtype=np.uint64, size=(1, hashes))
        self._b = generator.randint(0, int(_PRIME), dtype=np.uint64, size=(1, hashes))
        self._precision = precision
        self._work = np.empty((2, _CHUNK, hashes), dtype=np.uint64)

    def signature(self, shingles: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The least value of (a x + b mod 2^64) mod 2^61 - 1 over the shingles [n], for each pair of a and b."""
        least = np.full(self._a.shape[1], np.iinfo(np.uint64).max, dtype=np.uint64)
        for start in range(0, len(shingles), _CHUNK):
            column = shingles[start : start + _CHUNK, None]
            values, high = self._work[0, : len(column)], self._work[1, : len(column)]
            np.multiply(column, self._a, out=values)
            values += self._b
            # x = high 2^61 + low, and 2^61 = 1 modulo 2^61 - 1
            np.right_shift(values, 61, out=high)
            values &= _PRIME
            values += high
            np.subtract(values, _PRIME, out=high)  # wraps to something large where there is nothing to subtract
            np.minimum(values, high, out=values)
            if self._precision == 32:
                values &= np.uint64(0xFFFFFFFF)
            np.minimum(least, values.min(axis=0), out=least)
        return least


class Rensa:
    """The signatures of rensa's R-MinHash, of hashed shingles."""

    def __init__(self, hashes: int, seed: int) -> None:
        from rensa import RMinHash

        self._digest = RMinHash.digest_matrix_from_flat_token_hashes
        self._hashes, self._seed = hashes, seed

    def signature(self, shingles: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """[hashes]"""
        ends = np.array([0, len(shingles)], dtype=np.uint64)
        return np.array(self._digest(shingles, ends, self._hashes, self._seed).to_rows()[0], dtype=np.uint32)


class MinhashDeduplication(DocumentDeduplication):
    """Group documents that share all hashes of a band."""

    rules = (Rule("near_duplicate", ">=", "min_similarity", "share"),)

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self.shape = Shape(self.section.bands, self.section.rows, self.section.precision)
        self._signer: Permutations | Rensa | None = None

    def prepare(self, preparation: Preparation) -> None:
        """Look for rensa, for what finds words, and at the earlier releases."""
        require_words(self.section, preparation)
        _rensa_version(self.section.hashing)
        super().prepare(preparation)

    def parameters(self) -> dict[str, Any]:
        """See the base class."""
        keys = ("bands", "rows", "ngram", "words", "hashing", "precision", "seed")
        version = _rensa_version(self.section.hashing)
        return {**{key: getattr(self.section, key) for key in keys}, "rensa_algorithm": version}

    def minimum(self) -> float:
        """Share of the signature."""
        return float(self.section.min_similarity)

    def signature(self, draft: Draft) -> NDArray[Any]:
        """[bands * rows]"""
        section = self.section
        if self._signer is None:
            hashes = section.bands * section.rows
            if section.hashing == "rensa":
                self._signer = Rensa(hashes, section.seed)
            else:
                self._signer = Permutations(hashes, section.precision, section.seed)
        # rensa takes 64 bits of each shingle and makes 32
        precision = 64 if section.hashing == "rensa" else section.precision
        return self._signer.signature(shingles(draft, section.words, section.ngram, precision=precision))

    def similarity(self, parts: Parts, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of the hashes that agree: an unbiased estimate of the Jaccard similarity."""
        size = self.shape.bands * self.shape.rows
        step = max(1, BAND_BYTES // (4 * size * self.shape.hash_type.itemsize))
        agreeing = np.empty(len(left))
        for start in range(0, len(left), step):
            pair = (side[start : start + step] for side in (left, right))
            one, other = (parts.gather("signatures", side) for side in pair)
            agreeing[start : start + step] = (one == other).sum(axis=1)
        return agreeing / size


def _rensa_version(hashing: str) -> int | None:
    """The version of rensa's algorithm; None when it is not asked for. Other versions make other signatures."""
    if hashing != "rensa":
        return None
    try:
        from rensa import RMinHash
    except ImportError:
        raise DataError(
            "minhash_deduplication: hashing is 'rensa', and rensa is not installed\n"
            "    pip install 'rensa>=0.5,<0.6', or say `hashing: datatrove`"
        ) from None
    return int(RMinHash.ALGORITHM_VERSION)
