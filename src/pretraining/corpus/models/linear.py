"""A linear classifier of hashed word n-grams: logistic regression on the mean of their weights.

This is fastText's supervised model (Joulin et al. 2016, arXiv 1607.01759) for two labels: there the score depends on
the mean of the n-grams' vectors only through its product with the difference of the two output vectors, which is one
number for each n-gram. So one number is what is kept, in place of ``dim``; what differs is the optimizer (AdaGrad, in
batches), and that training is deterministic.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.models.words import script_words, sentences
from pretraining.errors import DataError

WEIGHTS_FILE = "linear.safetensors"
_MULTIPLIER = np.uint64(116_049_371)  # fastText's, for the hash of an n-gram from those of its words
_BATCH = 64


@dataclass(frozen=True)
class Bag:
    """The n-grams of a text: ``places`` int32 [n], different buckets; ``shares`` float32 [n], of all n-grams."""

    places: NDArray[np.int32]
    shares: NDArray[np.float32]


def first_words(text: str, count: int) -> list[str]:
    """The first words of a text, by script, lower-cased."""
    return list(islice((word for line in sentences(text) for word in script_words(line)), count))


def bag_of_ngrams(words: list[str], *, word_ngrams: int, buckets: int) -> Bag:
    """All n-grams of 1 to ``word_ngrams`` words, hashed into ``buckets``; 8 bytes for each different one."""
    first = np.fromiter((zlib.crc32(word.encode("utf-8", "replace")) for word in words), np.uint64, len(words))
    hashes, longer = [first], first
    for n in range(1, min(word_ngrams, len(words))):
        longer = longer[:-1] * _MULTIPLIER + first[n:]
        hashes.append(longer)
    mixed = np.concatenate(hashes)
    mixed ^= mixed >> np.uint64(29)
    places, counts = np.unique((mixed % np.uint64(buckets)).astype(np.int32), return_counts=True)
    return Bag(places, (counts / max(len(mixed), 1)).astype(np.float32))


class LinearClassifier:
    """Weights float32 [buckets] and a bias."""

    def __init__(self, weights: NDArray[np.float32], bias: float, *, word_ngrams: int, max_words: int) -> None:
        self.weights, self.bias = weights, bias
        self.word_ngrams, self.max_words = word_ngrams, max_words

    def bag(self, text: str) -> Bag:
        """What the classifier sees of a text."""
        words = first_words(text, self.max_words)
        return bag_of_ngrams(words, word_ngrams=self.word_ngrams, buckets=len(self.weights))

    def probability(self, bag: Bag) -> float:
        """Of the label ``positive``."""
        logit = self.bias + float((self.weights[bag.places] * bag.shares).sum(dtype=np.float64))
        return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, logit))))

    def save(self, folder: Path) -> None:
        """Write the weights; the settings are in the classifier's ``classifier.json``."""
        from safetensors.numpy import save_file

        bias = np.array([self.bias], dtype=np.float64)
        save_file({"weights": self.weights, "bias": bias}, folder / WEIGHTS_FILE)

    @staticmethod
    def load(folder: Path, *, word_ngrams: int, max_words: int) -> LinearClassifier:
        """What ``save`` wrote.

        Raises:
            DataError: the file is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(folder / WEIGHTS_FILE)
        except SafetensorError as error:
            raise DataError(f"{folder / WEIGHTS_FILE} is damaged: {error}; train the classifier again") from error
        return LinearClassifier(
            arrays["weights"], float(arrays["bias"][0]), word_ngrams=word_ngrams, max_words=max_words
        )


def fit(
    bags: list[Bag], labels: NDArray[np.float32], *, buckets: int, epochs: int, learning_rate: float, seed: int
) -> tuple[NDArray[np.float32], float]:
    """(weights, bias) by logistic loss and AdaGrad (Duchi et al. 2011). Both labels have the same weight in all.

    Args:
        bags: not empty; 8 bytes for each n-gram are held.
        labels: 1 for positive, [documents].
        learning_rate: how far the first step moves a weight.
    """
    share = labels.mean()
    importance = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share)).astype(np.float32)
    weights, squares = np.zeros(buckets, dtype=np.float32), np.zeros(buckets, dtype=np.float32)
    bias, bias_square = 0.0, 0.0
    for batch in _batches(len(bags), epochs, seed):
        places = np.concatenate([bags[i].places for i in batch])
        shares = np.concatenate([bags[i].shares for i in batch])
        lengths = np.array([len(bags[i].places) for i in batch])
        starts = np.cumsum(lengths) - lengths
        logits = np.add.reduceat(weights[places] * shares, starts) + bias
        slope = (1 / (1 + np.exp(-np.clip(logits, -500, 500))) - labels[batch]) * importance[batch] / len(batch)
        used, inverse = np.unique(places, return_inverse=True)
        gradient = np.bincount(inverse, np.repeat(slope, lengths) * shares).astype(np.float32)
        squares[used] += gradient**2
        weights[used] -= learning_rate * gradient / (np.sqrt(squares[used]) + 1e-10)
        bias_square += float(slope.sum()) ** 2
        bias -= 0.1 * learning_rate * float(slope.sum()) / (math.sqrt(bias_square) + 1e-10)
    return weights, bias


def _batches(documents: int, epochs: int, seed: int) -> Iterator[NDArray[np.int64]]:
    generator = np.random.Generator(np.random.PCG64(seed))
    for _ in range(epochs):
        order = generator.permutation(documents)
        for start in range(0, documents, _BATCH):
            yield order[start : start + _BATCH]
