from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.shingles import shingles
from pretraining.corpus.deduplication.simhash import SimhashDeduplication, close_pairs, simhash
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.deduplication import SimhashDeduplicationStep


def section(**keys: Any) -> SimhashDeduplicationStep:
    return SimhashDeduplicationStep(**{"type": "simhash_deduplication", "words": "whitespace", **keys})


def test_simhash_is_the_majority_of_each_bit() -> None:
    hashes = np.array([0b0011, 0b0101, 0b1001, 1 << 63], dtype=np.uint64)
    assert simhash(hashes) == 0b0001
    assert simhash(hashes[3:]) == 1 << 63
    assert simhash(hashes[:2]) == 0b0001


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 7), st.integers(1, 2000), st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_all_close_pairs_are_found(max_distance: int, budget: int, seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, 2**64, size, dtype=np.uint64)
    for i in range(1, size):  # most are a few bits away from another
        bits = generator.choice(64, generator.integers(0, 9), replace=False).astype(np.uint64)
        hashes[i] = hashes[generator.integers(0, i)] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
    hashes = np.unique(hashes)
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = {(i, j) for i, j in np.argwhere(distance <= max_distance).tolist() if i < j}
    found = {
        (min(i, j), max(i, j))
        for left, right in close_pairs(hashes, max_distance, budget=budget)
        for i, j in zip(left.tolist(), right.tolist(), strict=True)
    }
    assert found == expected


@pytest.fixture
def texts(speeches: list[str]) -> list[str]:
    words = speeches[5].split()
    whole = [" ".join(words[i : i + 400]) for i in range(0, 2400, 400)]
    return [*whole, whole[2] + " amen", whole[2].replace(" the ", " The "), whole[0].replace("people", "folk")]


def distances(texts: list[str]) -> np.ndarray:
    hashes = np.array([simhash(shingles(Draft(t, "", source="", file=""), "whitespace", 3)) for t in texts], np.uint64)
    return np.bitwise_count(hashes[:, None] ^ hashes[None, :])


@pytest.mark.parametrize("max_distance", [0, 3, 7])
def test_what_goes_is_close_to_what_stays(deduplicate: Callable, texts: list[str], max_distance: int) -> None:
    run = deduplicate(section(max_distance=max_distance), texts, cuts=[4, 7])
    apart = distances(texts)
    for i, twin in enumerate(run.twins):
        if run.reasons[i] is None:
            assert all(apart[i, j] > max_distance for j in run.kept if j != i)
        else:
            assert run.reasons[i] == "near_duplicate"
            assert run.reasons[twin] is None
            assert run.values[i] == 1 - apart[i, twin] / 64 >= 1 - max_distance / 64
    assert run.twins[7] == 2  # the case of letters is not compared


def test_the_threshold_is_a_similarity() -> None:
    step = SimhashDeduplication(section(max_distance=4))
    assert step.threshold(step.rules[0], {}) == 0.9375


def test_within_one_source_only(deduplicate: Callable, texts: list[str]) -> None:
    documents = [(texts[i], {"source": source}) for i, source in ((2, "a"), (2, "b"), (6, "b"), (7, "a"))]
    assert deduplicate(section(max_distance=7), documents).kept == [0]
    assert deduplicate(section(max_distance=7, scope="source"), documents).twins == [-1, -1, 1, 0]
    assert deduplicate(section(), []).twins == []
