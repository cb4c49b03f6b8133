"""The linear classifier of hashed n-grams."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.models.linear import LinearClassifier, bag_of_ngrams, first_words, fit


def test_first_words_cross_lines_and_stop() -> None:
    assert first_words("One two\n\nthree four", 3) == ["one", "two", "three"]


@given(words=st.lists(st.sampled_from(["a", "b", "和", "\ud800"]), max_size=8), word_ngrams=st.integers(1, 4))
def test_a_bag_has_every_ngram_once_and_its_shares_sum_to_one(words: list[str], word_ngrams: int) -> None:
    bag = bag_of_ngrams(words, word_ngrams=word_ngrams, buckets=1 << 20)
    grams = {tuple(words[i : i + n]) for n in range(1, word_ngrams + 1) for i in range(len(words) - n + 1)}
    assert len(bag.places) == len(grams)  # no collision among so few
    assert float(bag.shares.sum()) == pytest.approx(1.0 if words else 0.0)


def test_the_order_of_words_makes_another_bag_only_with_ngrams() -> None:
    bags = [
        [bag_of_ngrams(words, word_ngrams=n, buckets=1000).places.tolist() for words in (["a", "b"], ["b", "a"])]
        for n in (1, 2)
    ]
    assert bags[0][0] == bags[0][1] and bags[1][0] != bags[1][1]


def test_hashes_do_not_depend_on_the_process() -> None:
    assert bag_of_ngrams(["we", "people"], word_ngrams=2, buckets=1 << 20).places.tolist() == [82923, 420391, 1009689]


def test_fit_separates_and_gives_the_rare_label_the_same_weight() -> None:
    good, bad = (bag_of_ngrams(words, word_ngrams=1, buckets=64) for words in (["good", "x"], ["bad", "x"]))
    labels = np.array([1] * 5 + [0] * 95, dtype=np.float32)
    weights, bias = fit([good] * 5 + [bad] * 95, labels, buckets=64, epochs=20, learning_rate=1.0, seed=0)
    model = LinearClassifier(weights, bias, word_ngrams=1, max_words=10)
    assert model.probability(model.bag("good")) > 0.9 and model.probability(model.bag("bad")) < 0.1
    assert 0.3 < model.probability(model.bag("x")) < 0.7


def test_the_same_seed_gives_the_same_bytes(speeches: list[str]) -> None:
    bags = [bag_of_ngrams(first_words(text, 200), word_ngrams=2, buckets=4096) for text in speeches * 5]
    labels = np.array([i % 2 for i in range(len(bags))], dtype=np.float32)
    one, two, other = (
        fit(bags, labels, buckets=4096, epochs=2, learning_rate=1.0, seed=seed)[0].tobytes() for seed in (1, 1, 2)
    )
    assert one == two and one != other


def test_a_saved_classifier_scores_the_same_and_a_text_without_words_has_the_bias(tmp_path: Path) -> None:
    model = LinearClassifier(np.arange(8, dtype=np.float32), -0.5, word_ngrams=2, max_words=5)
    model.save(tmp_path)
    again = LinearClassifier.load(tmp_path, word_ngrams=2, max_words=5)
    assert again.probability(again.bag("We the people")) == model.probability(model.bag("We the people")) != 0.5
    assert again.probability(again.bag(" \n")) == pytest.approx(1 / (1 + math.exp(0.5)))
