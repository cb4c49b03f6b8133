from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.tokenization import unigram
from pretraining.tokenization.lattice import Lattice, Strings
from pretraining.tokenization.unigram import as_strings, digamma, fit_pieces, seed_pieces

WORDS = st.dictionaries(st.text("abc", min_size=1, max_size=6), st.integers(1, 9), min_size=1, max_size=8)


def strings(*texts: str) -> Strings:
    lengths = np.array([len(text) for text in texts])
    codes = np.array([ord(character) - ord("a") for character in "".join(texts)], np.int32)
    return Strings(codes, np.cumsum(lengths) - lengths, lengths)


def ways(word: str, pieces: list[str]) -> list[list[int]]:
    """Every way to put a word together, by trying all."""
    if not word:
        return [[]]
    return [
        [number, *rest]
        for number, piece in enumerate(pieces)
        if word.startswith(piece)
        for rest in ways(word[len(piece) :], pieces)
    ]


@settings(max_examples=40)
@given(WORDS, st.sets(st.text("abc", min_size=2, max_size=4), max_size=6), st.data())
def test_sums_and_best_paths_are_those_of_all_ways(words: dict[str, int], more: set[str], data: st.DataObject) -> None:
    texts, pieces = sorted(words, key=len, reverse=True), ["a", "b", "c", *sorted(more)]
    weights = np.array(data.draw(st.lists(st.floats(0.01, 1.0), min_size=len(pieces), max_size=len(pieces))))
    lattice = Lattice(strings(*texts), strings(*pieces), 3)
    expected, best = np.zeros(len(pieces)), []
    for text in texts:
        found = ways(text, pieces)
        chances = np.array([math.prod(weights[way]) for way in found])
        for way, chance in zip(found, words[text] * chances / chances.sum(), strict=True):
            expected += chance * np.bincount(way, minlength=len(pieces))
        best.append(chances.max())
    counts = np.array([words[text] for text in texts], float)
    np.testing.assert_allclose(lattice.expected(weights, counts), expected, rtol=1e-9)
    product = np.ones(len(texts))
    for word, piece in lattice.best_paths(np.log(weights)):
        product[word] *= weights[piece]
    np.testing.assert_allclose(product, best, rtol=1e-9)


@settings(max_examples=40)
@given(WORDS, st.sets(st.text("abc", min_size=2, max_size=4), min_size=1, max_size=6), st.data())
def test_pieces_that_are_left_out_are_as_if_they_had_never_been(
    words: dict[str, int], more: set[str], data: st.DataObject
) -> None:
    texts, pieces = sorted(words, key=len, reverse=True), ["a", "b", "c", *sorted(more)]
    kept = np.array([True] * 3 + data.draw(st.lists(st.booleans(), min_size=len(more), max_size=len(more))))
    lattice = Lattice(strings(*texts), strings(*pieces), 3)
    lattice.keep(kept)
    fewer = Lattice(strings(*texts), strings(*itertools.compress(pieces, kept)), 3)
    weights, counts = np.full(int(kept.sum()), 0.3), np.ones(len(texts))
    np.testing.assert_array_equal(lattice.expected(weights, counts), fewer.expected(weights, counts))


@settings(max_examples=40)
@given(WORDS)
def test_seeds_are_the_branching_substrings_that_are_seen_twice(words: dict[str, int]) -> None:
    codes, counts, characters = as_strings(words)
    pieces, amounts = seed_pieces(codes, counts, len(characters), 4, limit=10_000)
    found = {}
    for number, (begin, length) in enumerate(zip(pieces.begins, pieces.lengths, strict=True)):
        text = "".join(characters[code] for code in pieces.codes[begin : begin + length])
        found[text] = amounts[number]
    seen: Counter[str] = Counter()
    for word, count in words.items():
        for begin, end in itertools.combinations(range(len(word) + 1), 2):
            seen[word[begin:end]] += count
    branching = {
        text: count * len(text)
        for text, count in seen.items()
        if len(text) == 1 or (len(text) <= 4 and count >= 2 and all(seen[text + c] < count for c in characters))
    }
    assert found == branching


def test_digamma() -> None:
    at = np.array([0.5, 1.0, 2.0, 10.0, 1e6])
    euler = 0.5772156649015329
    known = [-euler - 2 * math.log(2), -euler, 1 - euler, 2.2517525890667214, 13.815510057964191]
    np.testing.assert_allclose(digamma(at), known, rtol=1e-9)


def test_frequent_words_become_pieces_and_every_character_stays() -> None:
    words = {"▁the": 1000, "▁nation": 300, "▁national": 120, "▁rational": 80, "▁ration": 60, "▁q": 1, "x" * 100: 3}
    pieces = fit_pieces(words, size=24)
    names = [piece for piece, _ in pieces]
    assert len(names) == len(set(names)) <= 24 and names[0] == "▁the"
    assert set("".join(words)) <= set(names) and "▁nation" in names
    assert [score for _, score in pieces] == sorted((score for _, score in pieces), reverse=True)
    assert all(len(piece) <= 3 for piece, _ in fit_pieces(words, size=24, max_piece_length=3))


def test_the_order_of_the_words_changes_nothing() -> None:
    words = {"nation": 1, "national": 2, "rational": 3, "ration": 4, "notion": 5, "station": 6}
    assert fit_pieces(words, size=20) == fit_pieces(dict(reversed(words.items())), size=20)


def test_more_than_fits_leaves_out_the_rarest_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "MAX_CHARACTERS", 10)
    _, counts, characters = as_strings({"abcd": 5, "efgh": 4, "ijkl": 3})
    assert counts.tolist() == [5, 4] and characters == "abcdefgh"
