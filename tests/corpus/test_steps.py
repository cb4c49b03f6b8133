from __future__ import annotations

import pickle
from typing import Any, get_args

import pytest

from pretraining.corpus.config import CorpusSection, Step
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.sections.cleaning import NormalizeStep
from pretraining.corpus.sections.deduplication import ExactDeduplicationStep
from pretraining.corpus.sections.heuristics import GopherQualityStep, LengthStep
from pretraining.corpus.step import GlobalStep, Rule, apply
from pretraining.corpus.steps import all_steps, implementation, named_steps, passes

SOURCE = {"type": "text", "path": "a.txt"}
KINDS: tuple[type[StepSection], ...] = get_args(get_args(Step)[0])


def section(**keys: Any) -> CorpusSection:
    return CorpusSection.model_validate({"sources": [SOURCE], **keys})


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_has_an_implementation(kind: type[StepSection]) -> None:
    found = implementation(kind.model_construct())
    assert found.__doc__
    module = found.__module__.removeprefix("pretraining.corpus.")
    assert kind.implementation == f"{module}:{found.__name__}"


def test_repeated_steps_have_names_of_their_own() -> None:
    steps = [NormalizeStep(type="normalize"), LengthStep(type="length"), NormalizeStep(type="normalize")]
    assert [step.name for step in named_steps(steps, measure_all=False)] == ["normalize", "length", "normalize_2"]


def test_a_pass_ends_before_every_step_that_compares_documents() -> None:
    steps = [{"type": t} for t in ("exact_deduplication", "normalize", "length", "minhash_deduplication")]
    parts = passes(all_steps(section(steps=steps)))
    assert [[named.name for named in part.steps] for part in parts] == [
        [],
        ["exact_deduplication", "normalize", "length"],
        ["minhash_deduplication"],
        ["identity"],
    ]
    assert [part.following and part.following.name for part in parts] == [
        "exact_deduplication",
        "minhash_deduplication",
        "identity",
        None,
    ]
    assert [part.edits for part in parts] == [False, True, False, False]
    assert all(isinstance(part.steps[0].step, GlobalStep) for part in parts[1:])


@pytest.mark.parametrize(
    ("keys", "last"),
    [
        ({}, "held_out"),
        ({"held_out": 0.0}, "identity"),
        ({"held_out_near_duplicates": "keep"}, "identity"),
        ({"steps": [{"type": "minhash_deduplication"}]}, "identity"),
        ({"steps": [{"type": "minhash_deduplication", "sources": ["a"]}]}, "held_out"),
    ],
)
def test_the_held_out_documents_are_guarded_where_nothing_else_does(keys: dict[str, Any], last: str) -> None:
    assert all_steps(section(**keys))[-1].name == last


def test_steps_can_be_sent_to_workers() -> None:
    for named in all_steps(section()):
        assert pickle.loads(pickle.dumps(named)).name == named.name


def draft(text: str, **keys: Any) -> Draft:
    return Draft(text, "s/1", source="s", file="1", **keys)


def test_measuring_stops_at_the_first_rule_that_removes_unless_all_are_wanted() -> None:
    values = []
    for measure_all in (False, True):
        (named,) = named_steps([GopherQualityStep(type="gopher_quality")], measure_all=measure_all)
        document = draft("four words are few")
        verdict = apply(named.step, document)
        assert verdict is not None and (verdict.reason, verdict.value, verdict.threshold) == ("too_few_words", 4, 50)
        values.append([value == value for value in document.values[0]])
    assert sum(values[0]) < sum(values[1])


def test_a_text_that_becomes_empty_is_removed() -> None:
    (named,) = named_steps([NormalizeStep(type="normalize")], measure_all=False)
    document = draft("\u200b")
    verdict = apply(named.step, document)
    assert verdict is not None and verdict.reason == "empty" and document.sizes == [0]


def test_a_rule_without_threshold_or_value_removes_nothing() -> None:
    rule = Rule("r", ">", "key")
    assert rule.removes(2, 1) and not rule.removes(1, 1)
    assert not rule.removes(2, None) and not rule.removes(float("nan"), 1)


def test_views_are_made_once_for_each_text() -> None:
    calls = []

    def words(text: str) -> list[str]:
        calls.append(text)
        return text.split()

    document = draft("a b")
    assert document.view(words) is document.view(words)
    document.text = "c"
    assert document.view(words) == ["c"] and calls == ["a b", "c"]


def test_which_documents_a_step_concerns() -> None:
    (named,) = named_steps(
        [ExactDeduplicationStep(type="exact_deduplication", languages=["eng_Latn"])], measure_all=False
    )
    assert named.concerns(draft("a", language="eng_Latn")) and not named.concerns(draft("a"))
    (named,) = named_steps([ExactDeduplicationStep(type="exact_deduplication", sources=["t"])], measure_all=False)
    assert not named.concerns(draft("a", language="eng_Latn"))
