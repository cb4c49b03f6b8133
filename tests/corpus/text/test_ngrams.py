from __future__ import annotations

from datatrove.pipeline.filters.gopher_repetition_filter import find_all_duplicate, find_top_duplicate, get_n_grams
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.text.ngrams import NGrams
from pretraining.corpus.text.words import Words


def check(words: list[str]) -> None:
    grams = NGrams(Words(words))
    for n in range(2, 11):
        strings = get_n_grams(words, n)
        top = grams.top(n)
        assert (top is None) == (not strings)
        if top is not None:
            place, count = top
            assert (grams.characters(place, n) + n - 1) * count == find_top_duplicate(strings)
        assert grams.duplicate_characters(n) == find_all_duplicate(words, n)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "aa", "中", "😀"]), max_size=60))
def test_values_are_datatroves(words: list[str]) -> None:
    check(words)


def test_words_joined_differently_are_equal_as_in_datatrove() -> None:
    check(["1", "11", "x", "y", "z", "q", "11", "1", "x", "y", "z"])
    assert NGrams(Words(["1", "11", "x", "y", "z", "q", "11", "1", "x", "y", "z"])).duplicate_characters(5) == 6


def test_values_of_real_text_are_datatroves(speeches: list[str]) -> None:
    check(speeches[0].split()[:1500])
    check((speeches[1].split()[:40] + speeches[2].split()[:7]) * 5)


def test_the_earliest_of_several_most_frequent() -> None:
    assert NGrams(Words(["a", "b", "c", "d", "a", "b", "x", "c", "d"])).top(2) == (0, 2)
    assert NGrams(Words(["q", "a", "b", "c"])).top(2) == (0, 1)
