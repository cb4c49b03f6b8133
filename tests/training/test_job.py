from __future__ import annotations

from pathlib import Path

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.errors import DataError
from pretraining.modeling.config import ModelSection
from pretraining.objectives.config import ObjectiveSection
from pretraining.section import Duration
from pretraining.training.config import ScheduleSection, TrainingSection
from pretraining.training.job import Every, Horizon, Job


def training(**keys: object) -> TrainingSection:
    return TrainingSection(**({"duration": Duration(steps=10), "batch_tokens": 100} | keys))  # type: ignore[arg-type]


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
    assert Horizon.of(training(duration=duration), epoch_tokens=1000, parameters=50).steps == steps


def test_decay_defaults_to_a_tenth_and_hours_are_refused() -> None:
    assert Horizon.of(training(duration=Duration(steps=200)), epoch_tokens=1, parameters=1).decay == 20
    schedule = ScheduleSection(type="wsd", decay=Duration(tokens=350))
    assert Horizon.of(training(schedule=schedule), epoch_tokens=1, parameters=1).decay == 4
    with pytest.raises(DataError, match="2 hours cannot be turned into steps"):
        Horizon.of(training(duration=Duration(hours=2.0)), epoch_tokens=1, parameters=1)


def test_identity_is_what_decides_the_weights() -> None:
    def identity(**keys: object) -> dict[str, object]:
        model = ModelSection(architecture="llama", hidden_size=16)  # type: ignore[call-arg]
        job = Job(Path("run"), 1, BatchesSection(), ObjectiveSection(), model, training(**keys))
        return job.identity(plan="p", tokenizer="t")

    assert identity() == identity(log_every=Duration(steps=1), micro_batch_size=2, loader_workers=3)
    assert identity() != identity(batch_tokens=200)
    assert identity()["model.hidden_size"] == 16 and identity()["data.plan"] == "p"


def test_every() -> None:
    never = Every(None, step_tokens=10, epoch_tokens=100)
    assert not never.active and not never.due(1, 1e9)
    by_tokens = Every(Duration(tokens=25), step_tokens=10, epoch_tokens=100)
    assert [step for step in range(1, 10) if by_tokens.due(step, 0)] == [3, 6, 9]
    hourly = Every(Duration(hours=1.0), step_tokens=10, epoch_tokens=100)
    assert [hourly.due(1, seconds) for seconds in (10, 3600, 3601, 7199, 7201)] == [False, True, False, False, True]
