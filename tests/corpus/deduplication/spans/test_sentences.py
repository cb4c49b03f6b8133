from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.sentences import sentence_spans
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.span_deduplication import SentenceDeduplicationStep


def section(**keys: Any) -> SentenceDeduplicationStep:
    defaults: dict[str, Any] = {"min_words": None, "min_sentences": None, "words": "regex"}
    return SentenceDeduplicationStep(type="sentence_deduplication", **{**defaults, **keys})


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(Draft(text, "s/1", source="s", file="f"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("Mr. Lincoln  came.\n\nHe left. ", ["Mr. Lincoln  came.", "He left."]),
        ("天地玄黄。宇宙洪荒！”日月盈昃", ["天地玄黄。", "宇宙洪荒！”", "日月盈昃"]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_three_sentences_that_occurred_before_are_cut(run_step: Callable[..., Any]) -> None:
    shared = "Fellow citizens of the Senate. We meet again! Is it not so?"
    texts = [f"Before. {shared} After.", f"New. {shared} Newer.", "We meet again! Is it not so? Two are no run."]
    first, second, third = run_step(section(), texts)
    assert first.text == texts[0]
    assert second.text == "New. Newer."
    assert second.twin == 0
    assert second.edits == {"sentences_removed": 3, "characters_removed": len(shared) + 1}
    assert third.text == texts[2]


def test_overlapping_runs_are_one(run_step: Callable[..., Any]) -> None:
    text = "Ann won. Bob too. Cid three. Dan four. Eve five."
    assert [o.text for o in run_step(section(), [text, f"Xia. {text} Yan."])] == [text, "Xia. Yan."]
    assert [o.text for o in run_step(section(sentences=1), [text, "Cid three. Zoe."])] == [text, "Zoe."]


def test_sources_and_normalisation(run_step: Callable[..., Any]) -> None:
    texts = [("a", "In 1790. It was. So."), ("b", "IN 1790. It was. So."), ("b", "In 1791. It was. So. New.")]
    assert [o.text for o in run_step(section(), texts)] == [texts[0][1], "", texts[2][1]]
    assert [o.text for o in run_step(section(normalize="ccnet"), texts)] == [texts[0][1], "", "New."]
    assert [o.text for o in run_step(section(normalize="none"), texts)] == [text for _, text in texts]
    assert [o.text for o in run_step(section(scope="source"), texts)] == [text for _, text in texts]


def test_only_a_document_that_lost_something_can_be_too_short(run_step: Callable[..., Any]) -> None:
    shared = "One is here. Two is here. Three is here."
    texts = ["Short.", shared, f"{shared} Four words are left. Five words are left now.", f"{shared} Is new."]
    outcomes = run_step(section(min_words=8, min_sentences=2), texts)
    assert [o.reason for o in outcomes] == [None, None, None, "too_few_sentences_left"]
    assert outcomes[3].value == 1
    outcomes = run_step(section(min_words=12), texts)
    assert [(o.reason, o.value) for o in outcomes[2:]] == [("too_few_words_left", 11), ("too_few_words_left", 3)]


def test_a_span_is_cut_whole_in_a_document_of_many_sentences(run_step: Callable[..., Any]) -> None:
    text = " ".join(f"Number {i} is here." for i in range(66_000))
    first, second = run_step(section(), [text, text + " New."])
    assert first.text == text
    assert (second.text, second.edits["sentences_removed"]) == ("New.", 66_000)


@given(st.lists(st.lists(st.sampled_from(["Ann", "Bob", "Cid", "Dan"]), min_size=1, max_size=7), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
def test_as_by_hand_whatever_the_tasks(run_step: Callable[..., Any], documents: list[list[str]]) -> None:
    texts = [" ".join(f"{s}." for s in document) for document in documents]
    outcomes = [o.text for o in run_step(section(), texts)]
    assert outcomes == [o.text for o in run_step(section(), texts, tasks=3)]
    seen: set[tuple[str, ...]] = set()
    for document, outcome in zip(documents, outcomes, strict=True):
        cut: set[int] = set()
        for i in range(len(document) - 2):
            run = tuple(document[i : i + 3])
            cut |= {i, i + 1, i + 2} if run in seen else set()
            seen.add(run)
        assert outcome == " ".join(f"{s}." for i, s in enumerate(document) if i not in cut)
    assert {f"{s}." for d in documents for s in d} == set(" ".join(outcomes).split())
