from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.objectives.draws import mix
from pretraining.objectives.sections.masked import MaskedLMSection
from pretraining.objectives.selection import fill
from pretraining.objectives.units import WordTable, fill_with_words, placed_units, single_words, unit_lengths

NGRAM, SPAN = MaskedLMSection(unit="ngram"), MaskedLMSection(unit="span")


def table(sizes: list[list[int]]) -> WordTable:
    """Words of these numbers of tokens, row by row."""
    flat = np.array([size for row in sizes for size in row], np.int64)
    bounds = np.cumsum([0, *(len(row) for row in sizes)])
    return WordTable(np.concatenate([[0], np.cumsum(flat)]), bounds)


def keys(count: int) -> np.ndarray:
    return mix(np.arange(1, count + 1, dtype=np.uint64))


def test_the_published_length_distributions() -> None:
    ngram, span = unit_lengths(NGRAM), unit_lengths(SPAN)
    assert ngram is not None and span is not None
    assert np.diff(ngram, prepend=0).tolist() == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    pmf = np.diff(span, prepend=0)
    assert pmf[:2].tolist() == pytest.approx([0.2241, 0.1792], abs=1e-4)
    assert (pmf * np.arange(1, 11)).sum() == pytest.approx(3.797, abs=1e-3)  # the paper says 3.8
    assert unit_lengths(MaskedLMSection(unit="whole_word")) is None


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(1, 5), max_size=30), min_size=1, max_size=5), st.sampled_from([NGRAM, SPAN]))
def test_units_cover_every_token_of_a_row_once(sizes: list[list[int]], section: MaskedLMSection) -> None:
    words, lengths = table(sizes), unit_lengths(section)
    assert lengths is not None
    budget = np.array([sum(row) // 3 for row in sizes])
    for first, size in (
        placed_units(keys(len(sizes)), words, budget, lengths, streams=(0, 1)),
        single_words(keys(len(sizes)), words, stream=0),
    ):
        for row in range(len(sizes)):
            begin, end = words.before[words.bounds[row]], words.before[words.bounds[row + 1]]
            covered = [place for a, n in zip(first[row], size[row], strict=True) for place in range(a, a + n)]
            assert sorted(covered) == list(range(begin, end))
            edges = set(words.before.tolist())
            assert all(a in edges and a + n in edges for a, n in zip(first[row], size[row], strict=True))


def by_albert(words: WordTable, first: list[int], size: list[int], left: int) -> list[int]:
    """What the loop of ``create_masked_lm_predictions`` takes of n-grams that do not overlap, one after another."""
    taken = []
    for start, tokens in zip(first, size, strict=True):
        ends = [end for end in words.before.tolist() if start < end <= start + tokens]
        while ends and ends[-1] - start > left:
            ends.pop()
        taken.append(ends[-1] - start if ends else 0)
        left -= taken[-1]
    return taken


@settings(max_examples=100)
@given(
    st.lists(st.lists(st.integers(1, 5), max_size=30), min_size=1, max_size=5), st.integers(0, 30), st.integers(0, 99)
)
def test_an_ngram_that_does_not_fit_gives_its_last_words_up(sizes: list[list[int]], most: int, seed: int) -> None:
    words, lengths = table(sizes), unit_lengths(MaskedLMSection(unit="ngram", ngram=4))
    assert lengths is not None
    budget = np.array([min(most, sum(row)) for row in sizes])
    first, size = placed_units(keys(len(sizes)) + np.uint64(seed), words, budget, lengths, streams=(0, 1))
    taken = fill_with_words(words, first, size, budget)
    for row in range(len(sizes)):
        assert taken[row].tolist() == by_albert(words, first[row].tolist(), size[row].tolist(), int(budget[row]))


def test_a_short_row_has_ngrams_too() -> None:
    """However long the n-grams that are drawn, a row of single-token words gets as many targets as it should."""
    words, lengths = table([[1] * 12] * 50), unit_lengths(MaskedLMSection(unit="ngram", ngram=100))
    assert lengths is not None
    budget = np.full(50, 2)
    first, size = placed_units(keys(50), words, budget, lengths, streams=(0, 1))
    assert (fill_with_words(words, first, size, budget).sum(1) == 2).all()


@pytest.mark.parametrize(("section", "mean"), [(NGRAM, 18 / 11), (SPAN, 3.797)])
def test_what_is_taken_has_the_lengths_that_were_drawn(section: MaskedLMSection, mean: float) -> None:
    rows, length, budget = 500, 400, 60
    words, lengths = table([[1] * length] * rows), unit_lengths(section)
    assert lengths is not None
    first, size = placed_units(keys(rows), words, np.full(rows, budget), lengths, streams=(0, 1))
    taken = fill(size, np.full(rows, budget), cut=True)
    begun = size[taken > 0]  # by Wald's identity their mean is that of the distribution, with the last one whole
    assert abs(begun.mean() - mean) < 4 * begun.std() / np.sqrt(len(begun))
    # Each place is as likely, but for the ends, where a long span has no room to begin.
    hits = np.zeros(rows * length, np.int64)
    for a, n in zip(first[taken > 0], taken[taken > 0], strict=True):
        hits[a : a + n] += 1
    assert hits.max() == 1 and hits.sum() == rows * budget
    share = hits.reshape(rows, length).mean(0)[20:-20]
    expected = budget / length
    assert np.abs(share - expected).max() < 5 * np.sqrt(expected * (1 - expected) / rows)
