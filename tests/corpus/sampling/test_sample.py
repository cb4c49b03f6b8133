from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sampling.sample import Budget, Sample, share_hash
from pretraining.corpus.sections.sampling import BudgetStep, SampleStep
from pretraining.corpus.step import Preparation, Verdict, apply

IDS = [f"sotu/{year}.txt" for year in range(1790, 2290)]


def draft(identifier: str, text: str = "text") -> Draft:
    return Draft(text, identifier, source="sotu", file="f")


def sampled(ids: list[str], **keys: Any) -> set[str]:
    step = Sample(SampleStep.model_validate({"type": "sample", **keys}))
    return {i for i in ids if apply(step, draft(i)) is None}


def budgeted(folder: Path, tasks: list[list[Draft]], **keys: Any) -> list[Verdict | None]:
    """The verdicts on all documents of all tasks, by the calls that the engine makes."""
    section = BudgetStep.model_validate({"type": "budget", **keys})
    preparation = Preparation(base=folder, folder=folder, sources={}, held_out=0.0)
    for rank, documents in enumerate(tasks):
        step = Budget(section)
        step.open(preparation)
        for document in documents:
            step.sign(document)
        step.save(folder, rank)
    Budget(section).decide(folder, np.array([len(documents) for documents in tasks]), preparation)
    verdicts = []
    for rank, documents in enumerate(tasks):
        step = Budget(section)
        step.open(preparation)
        step.load(folder, rank)
        verdicts += [apply(step, document) for document in documents]
    return verdicts


def test_a_sample_is_about_as_large_as_asked_for() -> None:
    assert len(sampled(IDS, rate=1.0)) == 500
    assert 200 < len(sampled(IDS, rate=0.5)) < 300
    assert sampled(IDS, rate=0.5) != sampled(IDS, rate=0.5, salt="other")


@given(st.lists(st.text(), unique=True), st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.randoms())
def test_samples_are_nested_and_do_not_depend_on_the_order(ids: list[str], a: float, b: float, random: Any) -> None:
    small, large = sorted((a, b))
    shuffled = random.sample(ids, len(ids))
    assert sampled(ids, rate=small) <= sampled(shuffled, rate=large)
    assert sampled(ids, rate=large) == sampled(shuffled, rate=large)


def test_the_value_is_the_hash() -> None:
    step = Sample(SampleStep(type="sample", rate=0.1))
    identifier = next(i for i in IDS if share_hash(i, "sample") >= 0.1)
    assert apply(step, draft(identifier)) == Verdict("not_sampled", share_hash(identifier, "sample"), 0.1)


def test_the_sample_is_independent_of_what_is_held_out() -> None:
    held_out = [i for i in IDS if id_hash(i) / 2**64 < 0.5]
    assert 0.4 < len(sampled(held_out, rate=0.5)) / len(held_out) < 0.6


def test_the_largest_hash_is_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretraining.corpus.sampling.sample.id_hash", lambda *_: 2**64 - 1)
    assert share_hash("x", "y") < 1.0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.text(max_size=8), max_size=6), max_size=4),
    st.integers(1, 30),
    st.sampled_from(["documents", "bytes"]),
)
def test_a_budget_is_never_exceeded_and_used_up(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[list[str]], budget: int, unit: str
) -> None:
    numbered = iter(range(1000))
    documents = [[draft(f"{next(numbered)}", text + "x") for text in task] for task in tasks]
    verdicts = budgeted(tmp_path_factory.mktemp("budget"), documents, **{unit: budget})
    flat = [document for task in documents for document in task]
    size = {"documents": lambda d: 1, "bytes": lambda d: utf8_length(d.text)}[unit]
    kept = [d for d, verdict in zip(flat, verdicts, strict=True) if verdict is None]
    gone = [d for d, verdict in zip(flat, verdicts, strict=True) if verdict is not None]
    assert sum(map(size, kept)) <= budget
    if gone:
        following = min(gone, key=lambda d: id_hash(d.id, "sample"))
        assert sum(map(size, kept)) + size(following) > budget
        assert all(id_hash(d.id, "sample") < id_hash(following.id, "sample") for d in kept)


def test_how_documents_are_cut_into_tasks_and_ordered_does_not_matter(tmp_path: Path) -> None:
    def kept(name: str, tasks: list[list[str]]) -> set[str]:
        (tmp_path / name).mkdir()
        documents = [[draft(i, "text of " + i) for i in task] for task in tasks]
        verdicts = iter(budgeted(tmp_path / name, documents, bytes=2000))
        return {d.id for task in documents for d in task if next(verdicts) is None}

    once = kept("one", [IDS])
    assert once == kept("many", [IDS[300:], [], IDS[:100], IDS[100:300]]) == kept("back", [IDS[::-1]])
    assert len(once) == 2000 // len("text of sotu/1790.txt")


def test_a_larger_budget_keeps_what_a_smaller_one_keeps(tmp_path: Path) -> None:
    verdicts = []
    for documents in (100, 200):
        (tmp_path / str(documents)).mkdir()
        verdicts.append(budgeted(tmp_path / str(documents), [[draft(i) for i in IDS]], documents=documents))
    kept = [{i for i, verdict in zip(IDS, those, strict=True) if verdict is None} for those in verdicts]
    assert len(kept[0]) == 100 and len(kept[1]) == 200 and kept[0] < kept[1]
    assert kept[0] <= sampled(IDS, rate=1.0)
    assert {v.value for v in verdicts[0] if v is not None} == set(map(float, range(101, 501)))
    assert {(v.reason, v.threshold) for v in verdicts[0] if v is not None} == {("over_budget", 100.0)}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "give exactly one of documents, bytes"),
        ({"documents": 1, "bytes": 1}, "not documents and bytes"),
        ({"documents": 0}, "greater than or equal to 1"),
        ({"documents": 1, "salt": ""}, "should match pattern"),
        ({"documents": 1, "salt": "12345678901234567"}, "should match pattern"),
    ],
)
def test_what_a_budget_must_say(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BudgetStep.model_validate({"type": "budget", **keys})


@pytest.mark.parametrize("rate", [0.0, 1.1, -0.5, math.nan])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValidationError):
        SampleStep(type="sample", rate=rate)
