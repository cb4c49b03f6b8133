from __future__ import annotations

import math
from typing import Any

import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.gopher_quality import GopherQuality
from pretraining.corpus.sections.heuristics import GopherQualityStep
from pretraining.corpus.step import Verdict, apply

SENTENCE = "I have the honor to transmit to Congress a report of the Secretary and of the Board. "
GOOD = SENTENCE * 5

BROKEN: dict[str, tuple[str, dict[str, Any], float]] = {
    "unsegmented_script": ("国情咨文" * 30, {}, 1.0),
    "too_few_words": ("We the people", {}, 3),
    "too_many_words": (GOOD, {"max_words": 60}, 85),
    "words_too_short": ("a b c d the " * 10, {}, 7 / 5),
    "words_too_long": ("incomprehensibilities of the " * 20, {"max_mean_word_length": 5.0}, 26 / 3),
    "too_many_hashes": (SENTENCE * 3 + "#" * 6, {}, 6 / 52),
    "too_many_ellipses": (SENTENCE * 3 + "... … ... … ... …", {}, 6 / 57),
    "too_many_bullet_lines": ("\n\n".join(f"{b} {SENTENCE}" for b in "•-*-"), {}, 1.0),
    "too_many_ellipsis_lines": ("\n".join([SENTENCE + "...", SENTENCE + "…", *[SENTENCE] * 4]), {}, 2 / 6),
    "too_few_alphabetic_words": (SENTENCE * 3 + "1790 " * 30, {}, 51 / 81),
    "too_few_stop_words": ("Amérique française toujours grande " * 20, {}, 0),
}


def judge(text: str, language: str | None = None, **keys: Any) -> Verdict | None:
    step = GopherQuality(GopherQualityStep(type="gopher_quality", **keys))
    return apply(step, Draft(text, "1", source="s", file="f", language=language))


def values(text: str, **keys: Any) -> dict[str, float]:
    step = GopherQuality(GopherQualityStep(type="gopher_quality", **keys), measure_all=True)
    draft = Draft(text, "1", source="s", file="f")
    apply(step, draft)
    return dict(zip([rule.reason for rule in step.rules], draft.values[-1], strict=True))


def test_every_rule_has_a_case() -> None:
    assert list(BROKEN) == [rule.reason for rule in GopherQuality.rules]


@pytest.mark.parametrize("reason", BROKEN)
def test_each_rule_of_the_paper(reason: str) -> None:
    text, limits, value = BROKEN[reason]
    verdict = judge(text, **limits)
    assert verdict is not None and verdict.reason == reason
    assert verdict.value == pytest.approx(value)


def test_good_text_passes(speeches: list[str]) -> None:
    assert all(judge(text) is None for text in [GOOD, *speeches[:5]])


def test_stop_words_are_those_of_the_language() -> None:
    german = "Der Ausschuss berichtet dem Parlament über die Lage des Landes und über den Haushalt. " * 5
    assert judge(german, "deu_Latn") is None
    verdict = judge(german)
    assert verdict is not None and verdict.reason == "too_few_stop_words"
    assert judge(german, "eus_Latn") is None  # no list, no rule
    assert judge("Les droits DES hommes libres " * 15, stop_words=["les", "des"]) is None


def test_nothing_is_divided_by_zero() -> None:
    found = values(" \n", min_words=0)
    assert found["too_few_words"] == 0.0 and math.isnan(found["words_too_short"])
    assert math.isnan(found["too_few_alphabetic_words"]) and found["too_few_stop_words"] == 0.0


def test_dolma_counts_in_its_own_way() -> None:
    text = "* the #a…b\n- of … \n x the supercalifragilistic…"
    found = values(text, variant="dolma")
    assert found["words_too_short"] == 2.0  # * - … x of the the #a…b super…: the fifth of nine
    assert found["too_many_hashes"] == pytest.approx(3 / 9) and math.isnan(found["too_many_ellipses"])
    assert found["too_many_bullet_lines"] == pytest.approx(2 / 3)
    assert found["too_many_ellipsis_lines"] == pytest.approx(1 / 3)  # white space after an ellipsis is not passed over
    assert found["too_few_stop_words"] == 3.0  # every occurrence


def test_variants_fill_what_is_not_given() -> None:
    chinese = GopherQualityStep(type="gopher_quality", variant="fineweb2-cmn_Hani", max_mean_word_length=6.0)
    assert (chinese.min_mean_word_length, chinese.max_mean_word_length) == (1.0, 6.0)
    assert chinese.stop_words is not None and len(chinese.stop_words) == 22 and chinese.words == "auto"
    assert GopherQualityStep(type="gopher_quality").words == "whitespace"
    assert GopherQualityStep(type="gopher_quality", words="regex").words == "regex"
