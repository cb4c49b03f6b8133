from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.batching.config import BatchesSection
from pretraining.batching.timeline import BatchSize, Timeline, make_timeline
from pretraining.errors import DataError
from pretraining.modeling.config import ModelSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.section import Duration
from pretraining.training.config import ScheduleSection, TrainingSection
from pretraining.training.job import Every, Horizon, Job

RAMP = {"from": 100, "to": 400, "over": {"tokens": 3000}}
MODEL = ModelSection(architecture="llama", hidden_size=16)  # type: ignore[call-arg]


def training(**keys: object) -> TrainingSection:
    return TrainingSection(**({"duration": Duration(steps=10), "batch_tokens": 100} | keys))  # type: ignore[arg-type]


def make_job(batches: dict[str, Any] | None = None, **keys: object) -> Job:
    section = BatchesSection.model_validate({"sequence_length": 10, **(batches or {})})
    return Job(Path("run"), 1, section, CausalLMSection(), MODEL, training(**keys))


def horizon(epoch_tokens: int = 1000, **keys: object) -> Horizon:
    job = make_job(**keys)
    timeline = job.timeline(epoch_tokens=epoch_tokens, parameters=50)
    return Horizon.of(job.training, timeline, epoch_tokens=epoch_tokens)


@pytest.mark.parametrize(
    ("duration", "steps"),
    [
        (Duration(steps=7), 7),
        (Duration(tokens=1001), 11),
        (Duration(epochs=1.5), 15),
        (Duration(tokens_per_parameter=20), 10),
    ],
)
def test_durations_become_steps(duration: Duration, steps: int) -> None:
    assert horizon(duration=duration).steps == steps


def test_decay_defaults_to_a_tenth_and_hours_are_refused() -> None:
    assert horizon(duration=Duration(steps=200)).decay == 20
    assert horizon(schedule=ScheduleSection(type="wsd", decay=Duration(tokens=350))).decay == 4
    with pytest.raises(DataError, match="2 hours cannot be turned into steps"):
        horizon(duration=Duration(hours=2.0))
    with pytest.raises(DataError, match="2 hours cannot be turned into steps"):
        horizon(schedule=ScheduleSection(warmup=Duration(hours=2.0)))


def test_warmup_and_decay_in_tokens_follow_a_growing_batch() -> None:
    """100 tokens a step at the begin, 400 at the end."""
    keys = {"duration": Duration(tokens=8000), "batch_tokens": RAMP}
    schedule = ScheduleSection(type="wsd", warmup=Duration(tokens=1000), decay=Duration(tokens=1000))
    found = horizon(schedule=schedule, **keys)
    assert (found.warmup, found.decay) == (10, 3)
    assert horizon(schedule=ScheduleSection(warmup=Duration(epochs=0.5)), **keys).warmup == 5


@given(steps=st.integers(1, 40), step_tokens=st.integers(2, 50), tokens=st.integers(1, 3000))
def test_a_decay_is_the_fewest_last_steps_that_take_so_many_tokens(steps: int, step_tokens: int, tokens: int) -> None:
    section = training(schedule=ScheduleSection(type="wsd", decay=Duration(tokens=tokens)), batch_tokens=step_tokens)
    batch = BatchSize(step_tokens, step_tokens)
    timeline = make_timeline(BatchesSection(sequence_length=step_tokens), batch, Duration(steps=steps))
    assert Horizon.of(section, timeline, epoch_tokens=None).decay == -(-tokens // step_tokens)


def identity(batches: dict[str, Any] | None = None, **keys: object) -> dict[str, object]:
    return make_job(batches, **keys).identity(plan="p", tokenizer="t")


def test_identity_is_what_decides_the_weights() -> None:
    assert identity() == identity(log_every=Duration(steps=1), micro_batch_size=2, loader_workers=3)
    assert identity() != identity(batch_tokens=200)
    assert identity()["model.hidden_size"] == 16 and identity()["data.plan"] == "p"
    assert identity(batch_tokens=RAMP)["training.batch_tokens.from"] == 100


def test_identity_names_what_differs_in_mixtures_and_stages() -> None:
    stage = {"name": "general", "duration": {"steps": 5}, "mixture": {"weights": {"a": 0.5, "b": 0.5}}}
    found = identity({"stages": [stage, stage | {"name": "code", "sequence_length": 20}]})
    assert found["batches.stages[0].mixture.weights.a"] == 0.5 and found["batches.stages[1].sequence_length"] == 20
    without_limits = {"mixture": {"temperature": 2.0}, "max_epochs": 3.0}
    with_limits = {"mixture": {"temperature": 2.0, "max_epochs": {"a": 2.0}}}
    assert identity(without_limits) == identity(with_limits)
    assert identity() != identity(without_limits)
    assert identity(without_limits) == identity(without_limits, evaluation_rows=7)
    adapt = {"function": "a:b", "every": {"steps": 1}}  # by the loss on so many rows
    adapts = {"mixture": {"temperature": 2.0, "adapt": adapt}}
    assert identity(adapts) != identity(adapts, evaluation_rows=7)


def every(duration: Duration | None, **keys: object) -> tuple[Every, Timeline]:
    timeline = make_job(**({"duration": Duration(tokens=8000)} | keys)).timeline(epoch_tokens=1000, parameters=1)
    return Every(duration, timeline, epoch_tokens=1000), timeline


def test_every() -> None:
    never, _ = every(None)
    assert not never.active and not never.due(1, 1e9)
    by_steps, _ = every(Duration(steps=3))
    assert [step for step in range(1, 10) if by_steps.due(step, 0)] == [3, 6, 9]
    hourly, _ = every(Duration(hours=1.0))
    assert [hourly.due(1, seconds) for seconds in (10, 3600, 3601, 7199, 7201)] == [False, True, False, False, True]


def test_every_so_many_tokens_is_due_where_a_multiple_is_passed() -> None:
    by_tokens, _ = every(Duration(tokens=250))
    assert [step for step in range(1, 11) if by_tokens.due(step, 0)] == [3, 5, 8, 10]
    by_epochs, timeline = every(Duration(epochs=2.0), batch_tokens=RAMP)
    due = [step for step in range(1, timeline.steps + 1) if by_epochs.due(step, 0)]
    assert [timeline.tokens_before(step) // 2000 for step in due] == [1, 2, 3, 4]
    often, _ = every(Duration(tokens=1))
    assert all(often.due(step, 0) for step in range(1, 10))
