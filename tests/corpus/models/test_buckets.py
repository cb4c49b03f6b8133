"""The step ``perplexity_buckets``: quantiles of each language, whatever the tasks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.draft import Draft
from pretraining.corpus.models.buckets import PerplexityBuckets
from pretraining.corpus.sections.models import PerplexityBucketsStep
from pretraining.corpus.step import Preparation, Verdict, apply


def draft(number: int, perplexity: float | None, language: str | None = "eng_Latn") -> Draft:
    fields = {} if perplexity is None else {"perplexity": perplexity}
    return Draft("text", f"a/{number}", source="a", file="a.txt", fields=fields, language=language)


def decided(folder: Path, tasks: list[list[Draft]], **keys: float) -> list[Verdict | None]:
    """The verdicts of all tasks' documents, each task with a step of its own."""
    section = PerplexityBucketsStep.model_validate({"type": "perplexity_buckets", **keys})
    folder.mkdir(exist_ok=True)
    for rank, drafts in enumerate(tasks):
        step = PerplexityBuckets(section)
        for each in drafts:
            step.sign(each)
        step.save(folder, rank)
    counts = np.array([len(drafts) for drafts in tasks])
    PerplexityBuckets(section).decide(folder, counts, Preparation(folder, folder, {}, 0.0))
    verdicts = []
    for rank, drafts in enumerate(tasks):
        step = PerplexityBuckets(section)
        step.load(folder, rank)
        verdicts += [apply(step, each) for each in drafts]
    return verdicts


def test_thirty_percent_are_head_and_forty_are_tail(tmp_path: Path) -> None:
    drafts = [draft(i, float(100 + i * 7 % 10)) for i in range(10)]
    assert decided(tmp_path, [drafts]) == [None] * 10
    by_perplexity = sorted(drafts, key=lambda each: each.fields["perplexity"])
    assert [each.fields["perplexity_bucket"] for each in by_perplexity] == ["head"] * 3 + ["middle"] * 3 + ["tail"] * 4
    assert [each.fields["perplexity_quantile"] for each in by_perplexity] == [i / 10 for i in range(10)]


def test_the_tail_is_removed_when_asked_for(tmp_path: Path) -> None:
    drafts = [draft(i, 100.0 + i) for i in range(10)]
    verdicts = decided(tmp_path, [drafts[:4], drafts[4:]], max_quantile=0.6)
    assert verdicts[:6] == [None] * 6
    assert verdicts[6:] == [Verdict("perplexity_quantile_too_high", i / 10, 0.6) for i in range(6, 10)]


def test_every_language_has_its_own_quantiles(tmp_path: Path) -> None:
    english, chinese = [draft(i, 10.0 + i) for i in range(4)], [draft(i, 1e4 + i, "cmn_Hani") for i in range(4)]
    unknown = [draft(i, 1.0 + i, None) for i in range(4)]
    decided(tmp_path, [english + chinese, unknown])
    assert [[each.fields["perplexity_bucket"] for each in group] for group in (english, chinese, unknown)] == [
        ["head", "head", "middle", "tail"]
    ] * 3


def test_documents_without_a_perplexity_pass(tmp_path: Path) -> None:
    drafts = [draft(0, None), draft(1, 5.0)]
    assert decided(tmp_path, [drafts], max_quantile=1e-9) == [None, None]
    assert drafts[0].fields == {} and math.isnan(drafts[0].values[0][0])


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.sampled_from([1.5, 2.5, 100.0, 1e308]), min_size=1, max_size=20), cut=st.integers(0, 20))
def test_tasks_change_nothing_and_equal_documents_share_their_fate(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], cut: int
) -> None:
    one, two = ([draft(i, value) for i, value in enumerate(values)] for _ in range(2))
    decided(tmp_path_factory.mktemp("one"), [one])
    decided(tmp_path_factory.mktemp("two"), [two[:cut], [], two[cut:]])
    assert [each.fields for each in one] == [each.fields for each in two]
    for value, each in zip(values, one, strict=True):
        below = sum(other < value for other in values) / len(values)
        assert each.values[0][0] == pytest.approx(below)
