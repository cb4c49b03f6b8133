"""The rules about the objective, each broken and kept."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from pretraining.batching.config import BatchesSection
from pretraining.objectives.checks import sentinels_suffice
from pretraining.objectives.config import ObjectiveSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.section import Finding

T5: dict[str, Any] = {"type": "span_corruption"}
UL2: dict[str, Any] = {"type": "mixture_of_denoisers"}


def section(**keys: Any) -> ObjectiveBase:
    """The objective with these keys."""
    return TypeAdapter(ObjectiveSection).validate_python(keys)


def findings(keys: dict[str, Any], **batches: Any) -> list[Finding]:
    """What the rule about sentinels says."""
    return list(sentinels_suffice(section(**keys), BatchesSection.model_validate(batches)))


@pytest.mark.parametrize(
    ("keys", "length"),
    [
        (T5, 512),
        ({**T5, "extra_ids": 28}, 512),
        (UL2, 512),
        ({**UL2, "extra_ids": 85}, 512),
        ({"type": "causal_lm"}, 8),
    ],
)
def test_as_many_sentinels_as_spans_are_enough(keys: dict[str, Any], length: int) -> None:
    assert findings(keys, sequence_length=length) == []


def test_prefixes_need_no_sentinels() -> None:
    prefix = {"type": "prefix", "noise_density": 0.25}
    assert findings({**UL2, "denoisers": [prefix], "extra_ids": 1}, sequence_length=4096) == []


@pytest.mark.parametrize(
    ("keys", "length", "spans", "sentinels"),
    [({**T5, "extra_ids": 27}, 512, "28", "27"), (T5, 2048, "114", "100"), (UL2, 1024, "170", "100")],
)
def test_more_spans_than_sentinels_are_refused(keys: dict[str, Any], length: int, spans: str, sentinels: str) -> None:
    (found,) = findings(keys, sequence_length=length)
    assert found.path == "objective.extra_ids"
    said = f"rows of {length:,} tokens have up to {spans} spans, and there are {sentinels} sentinels for them"
    assert found.message == said and found.fix.startswith(f"set it to {spans} or more, or use longer spans")
    assert findings({**keys, "extra_ids": int(spans)}, sequence_length=length) == []  # the advice is right


def test_the_longest_stage_counts_with_its_own_options() -> None:
    short = {"name": "short", "duration": {"steps": 1}, "sequence_length": 512}
    long = {"name": "long", "duration": {"steps": 1}, "sequence_length": 4096}
    (found,) = findings(T5, stages=[short, {**long, "sequence_length": 2048}, long])
    assert found.path == "objective.extra_ids" and found.message.startswith("rows of 4,096 tokens have up to 227 spans")
    assert findings(T5, stages=[short, {**long, "objective": {"mean_span_length": 8.0}}]) == []
    assert findings(T5, stages=[short, {**long, "objective": {"extra_ids": 300}}]) == []
    (found,) = findings(T5, stages=[{**short, "objective": {"extra_ids": 20}}])
    assert found.path == "batches.stages[0].objective.extra_ids"
    assert findings(T5, stages=[{**long, "objective": {"extra_idz": 3}}]) == []  # another rule says that


def test_tasks_are_looked_at_each() -> None:
    tasks = [{"name": "t5", "objective": {**T5, "extra_ids": 20}}, {"name": "ul2", "objective": UL2}]
    (found,) = findings({"type": "multi_task", "tasks": tasks}, sequence_length=512)
    assert found.path == "objective.tasks[0].objective.extra_ids"
