from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pretraining.corpus import filters
from pretraining.corpus.config import GopherQualityStep, LengthStep
from pretraining.corpus.filters import GOPHER_REASONS, LENGTH_REASONS, Rejection, gopher_quality, length

SENTENCE = "I have the honor to transmit to Congress a report of the Secretary and of the Board. "
GOOD = SENTENCE * 5


def test_length_counts_characters() -> None:
    step = LengthStep(type="length", min_characters=3, max_characters=5)
    assert length("国情咨", step) is None and length("12345", step) is None
    assert length("ab", step) == Rejection("too_short", 2, 3)
    assert length("123456", step) == Rejection("too_long", 6, 5)
    assert {"too_short", "too_long"} == set(LENGTH_REASONS)


BROKEN: dict[str, tuple[str, dict[str, Any], float]] = {
    "too_few_words": ("We the people", {}, 3),
    "too_many_words": (GOOD, {"max_words": 60}, 85),
    "words_too_short": ("a b c d the " * 10, {}, 7 / 5),
    "words_too_long": ("incomprehensibilities of the " * 20, {"max_mean_word_length": 5}, 26 / 3),
    "too_many_hashes": (SENTENCE * 3 + "#" * 6, {}, 6 / 52),
    "too_many_ellipses": (SENTENCE * 3 + "... … ... … ... …", {}, 6 / 57),
    "too_many_bullet_lines": ("\n\n".join(f"{b} {SENTENCE}" for b in "•-*-"), {}, 1.0),
    "too_many_ellipsis_lines": ("\n".join([SENTENCE + "...", SENTENCE + "…", *[SENTENCE] * 4]), {}, 2 / 6),
    "too_few_alphabetic_words": (SENTENCE * 3 + "1790 " * 30, {}, 51 / 81),
    "too_few_stop_words": ("Amérique française toujours grande " * 20, {}, 0),
}


def test_every_rule_has_a_case() -> None:
    assert list(BROKEN) == list(GOPHER_REASONS)


@pytest.mark.parametrize("reason", GOPHER_REASONS)
def test_each_rule_of_gopher(reason: str) -> None:
    text, limits, value = BROKEN[reason]
    result = gopher_quality(text, GopherQualityStep(type="gopher_quality", **limits))
    assert result is not None and result.reason == reason
    assert result.value == pytest.approx(value)


def test_good_text_passes(speeches: list[str]) -> None:
    step = GopherQualityStep(type="gopher_quality")
    assert all(gopher_quality(text, step) is None for text in [GOOD, *speeches])


def test_stop_words_are_the_recipes_and_compared_in_lower_case() -> None:
    step = GopherQualityStep(type="gopher_quality", stop_words=["les", "des"])
    assert gopher_quality("Les droits DES hommes libres " * 15, step) is None


def test_nothing_is_divided_by_zero() -> None:
    step = GopherQualityStep(type="gopher_quality", min_words=0, min_mean_word_length=0)
    assert gopher_quality(" \n", step) == Rejection("too_few_alphabetic_words", 0, 0.8)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_words_taken_in_pieces_are_the_words(speeches: list[str], monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(filters, "PIECE", piece)
    for text in ["", " ", "one", " one\x1ctwo\u2003three ", speeches[0]]:
        assert filters._words(text) == Counter(text.split())
