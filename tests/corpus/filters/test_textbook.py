from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.textbook import (
    WORD_KEYS,
    Textbook,
    distinct_ngram_share,
    longest_run,
    most_repeated_sentence,
    symbol_share,
)
from pretraining.corpus.filters.word_step import WordStep
from pretraining.corpus.sections.cleaning import TextbookStep
from pretraining.corpus.step import Preparation, Verdict, apply

GOOD = (
    "We the People of the United States, in Order to form a more perfect Union, establish Justice, insure domestic "
    "Tranquility, provide for the common defence, promote the general Welfare, and secure the Blessings of Liberty to "
    "ourselves and our Posterity, do ordain and establish this Constitution for the United States of America. "
    "That all legislative Powers herein granted shall be vested in a Congress, and that it shall have two Houses."
)
WORDS = len(GOOD.split())
CHINESE = (
    "我们合众国人民，为建立更完善的联邦，树立正义，保障国内安宁，提供共同防务，促进公共福利，并使我们自己和后代得享自由的幸福，"
    "特为美利坚合众国制定本宪法。本宪法授予的全部立法权，属于由参议院和众议院组成的合众国国会。这是最高的法律，也是人民的意志。"
    "总统应随时向国会报告联邦的情况，并提出他认为必要的措施供国会审议。"
)


def run(text: str, *, language: str | None = "eng_Latn", fields: dict[str, Any] | None = None, **keys: Any) -> Any:
    step = Textbook(TextbookStep.model_validate({"type": "textbook", **keys}), measure_all=False)
    draft = Draft(text, "id", source="test", file="test.txt", language=language, fields=fields)
    verdict = apply(step, draft)
    return verdict, dict(zip([rule.reason for rule in step.rules], draft.values[0], strict=True))


BROKEN: dict[str, tuple[str, dict[str, Any], float]] = {
    "unsegmented_script": (CHINESE, {"words": "whitespace", "language": None}, 0.9),
    "too_few_characters": (GOOD[:99], {}, 99),
    "too_many_characters": (GOOD, {"max_characters": 300}, len(GOOD)),
    "too_few_votes": (GOOD, {"min_votes": 3.0, "fields": {"votes": 2}}, 2),
    "too_many_symbols": (GOOD + "#{}" * 30, {}, 90 / (len(GOOD) + 90)),
    "repeated_sentences": ("\n".join([GOOD, *["Back to the top."] * 101]), {}, 101),
    "too_few_words": (GOOD, {"min_words": WORDS + 1}, WORDS),
    "words_too_short": ("a b c of the " * 10, {}, 8 / 5),
    "words_too_long": (
        "the incomprehensibilities internationalization of institutionalization " * 5,
        {"max_mean_word_length": 13.0},
        66 / 5,
    ),
    "repeated_words": ("and that is not " + "very, " * 101 + "nice.", {}, 101),
    "too_few_distinct_ngrams": ("the rights of the people " * 5, {"max_repeated_words": None}, 5 / 23),
    "too_few_stop_words": (GOOD, {"stop_words": ["le", "les", "of"]}, 1),
}


def test_every_rule_has_a_case() -> None:
    assert list(BROKEN) == [rule.reason for rule in Textbook.rules]


@pytest.mark.parametrize("reason", BROKEN)
def test_each_rule(reason: str) -> None:
    text, keys, expected = BROKEN[reason]
    verdict, values = run(text, **keys)
    assert verdict is not None and verdict.reason == reason
    assert verdict.value == values[reason] == pytest.approx(expected, abs=0.1 * (reason == "unsegmented_script"))


@pytest.mark.parametrize("reason", [reason for reason in BROKEN if reason != "unsegmented_script"])
def test_each_rule_can_be_switched_off(reason: str) -> None:
    text, keys, _ = BROKEN[reason]
    rule = next(rule for rule in Textbook.rules if rule.reason == reason)
    assert rule.key is not None
    verdict, _ = run(text, **{**keys, rule.key: None})
    assert verdict is None or verdict.reason != reason


def test_good_text_passes_in_english_and_chinese() -> None:
    assert run(GOOD)[0] is None
    assert run(CHINESE, language="cmn_Hani", variant="textbook-cmn_Hani")[0] is None
    assert run(CHINESE, language=None, variant="textbook-cmn_Hani", words="characters")[0] is None


def test_english_thresholds_do_not_fit_chinese() -> None:
    verdict, _ = run(CHINESE, language="cmn_Hani")
    assert verdict is not None and verdict.reason == "words_too_short"


def test_the_variant_fills_only_what_was_not_given() -> None:
    step = TextbookStep.model_validate({"type": "textbook", "variant": "textbook-cmn_Hani", "stop_words": ["的"]})
    assert (step.min_mean_word_length, step.max_mean_word_length, step.stop_words) == (1.0, 5.0, ["的"])
    assert TextbookStep(type="textbook").max_mean_word_length == 15.0


@pytest.mark.parametrize(
    ("votes", "value"), [(3, 3.0), ("2", 2.0), (2.5, 2.5), (None, None), ("many", None), (True, None), (10**400, None)]
)
def test_votes(votes: object, value: float | None) -> None:
    verdict, values = run(GOOD, min_votes=3.0, votes_field="score", fields={"score": votes})
    assert values["too_few_votes"] == value or (value is None and math.isnan(values["too_few_votes"]))
    assert (verdict == Verdict("too_few_votes", value or 0.0, 3.0)) == (value is not None and value < 3)


def test_punctuation_is_no_word() -> None:
    assert run(GOOD + " , . ; : - — ! ( ) …", min_words=WORDS + 1)[0] == Verdict("too_few_words", WORDS, WORDS + 1)


def test_words_are_not_looked_for_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[Textbook] = []
    monkeypatch.setattr(WordStep, "words", None)
    monkeypatch.setattr(WordStep, "prepare", lambda step, _: prepared.append(step))
    off = dict.fromkeys(WORD_KEYS)
    verdict, values = run(GOOD, **off)
    assert verdict is None and math.isnan(values["too_few_stop_words"])
    preparation = Preparation(base=tmp_path, folder=tmp_path, sources={}, held_out=0.0)
    for keys in (off, {}):
        Textbook(TextbookStep.model_validate({"type": "textbook", **keys})).prepare(preparation)
    assert [step.section.min_stop_words for step in prepared] == [2]


def test_symbols_are_not_the_punctuation_of_prose() -> None:
    assert symbol_share("“Well,” he said — (1790) ‘why’; «oui»: «non»! ¿Qué? 「好」，《书》。") == 0
    assert symbol_share("a+b=c #1 {x} ☺ │ $5") == 8 / 19
    assert symbol_share("") == 0


def test_sentences() -> None:
    assert most_repeated_sentence("Yes. yes.\nYES. No! No？不。不。不") == 3
    assert most_repeated_sentence("---\n---\n---\n") == 0
    assert most_repeated_sentence("see 3.14 and 3.14") == 1


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(1, 6))
def test_the_numbers_are_those_of_plain_counting(ids: list[int], n: int) -> None:
    array = np.array(ids, dtype=np.int64)
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    share = distinct_ngram_share(array, n)
    assert share == len(set(grams)) / len(grams) if grams else math.isnan(share)
    assert longest_run(array) == max((len(list(group)) for _, group in itertools.groupby(ids)), default=0)


def test_ngrams_of_many_words_do_not_overflow() -> None:
    ids = np.random.default_rng(0).permutation(100_000)
    assert distinct_ngram_share(np.concatenate([ids, ids]), 8) == pytest.approx(0.5, abs=1e-3)
