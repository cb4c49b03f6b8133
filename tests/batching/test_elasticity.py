"""The same global batches for any ranks, workers and micro-batches, and after any stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pretraining.batching.config import BatchesSection, MixtureSection, StageSection
from pretraining.batching.loader import GlobalBatches, Samples, batch_digest
from pretraining.batching.plan import make_plan
from pretraining.batching.schedule import make_schedule
from pretraining.batching.timeline import BatchSize, Timeline, make_timeline
from pretraining.section import Duration
from pretraining.tokenization.store import TokenStore

BATCHES = BatchesSection(
    sequence_length=16,
    mixture=MixtureSection(weights={"lincoln": 2.0, "union": 1.0}),
    stages=[
        StageSection(name="general", duration=Duration(tokens=2500)),
        StageSection(name="long", duration=Duration(tokens=1500), sequence_length=32),
    ],
)
RAMP = BatchSize(128, 384, 3000)
DECISIONS: list[dict[str, Any]] = [{"step": 9, "weights": {"lincoln": 0.25, "union": 0.75}}]


class Training:
    """What a training would make of its run folder."""

    def __init__(self, tokens: Path, decisions: list[dict[str, Any]]) -> None:
        store = TokenStore(tokens)
        plan = make_plan(BATCHES, store, raw_length=lambda length, options: length)
        self.timeline: Timeline = make_timeline(BATCHES, RAMP, None)
        self.samples = Samples(store, plan, make_schedule(BATCHES, self.timeline, plan, decisions=decisions), seed=5)

    def batches(self, first: int, last: int, *, ranks: int, workers: int, micro: int) -> list[str]:
        """The digest of each global batch, its samples loaded by all ranks."""
        loaders = [self._loader(first, last, rank, ranks, workers, micro) for rank in range(ranks)]
        digests = []
        for _ in range(first, last):
            digests.append(batch_digest([sample for loader in loaders for sample in next(loader)]))
        return digests

    def _loader(
        self, first: int, last: int, rank: int, ranks: int, workers: int, micro: int
    ) -> Iterator[list[dict[str, Any]]]:
        """This rank's samples, step by step."""
        from torch.utils.data import DataLoader

        batches = GlobalBatches(self.timeline, micro=micro, rank=rank, ranks=ranks, first_step=first, last_step=last)
        samples: Any = self.samples
        micro_batches = iter(DataLoader(samples, batch_sampler=batches, collate_fn=list, num_workers=workers))
        for step in range(first, last):
            yield [sample for _ in range(batches.micro_batches(step)) for sample in next(micro_batches)]


@pytest.fixture(scope="module")
def training(run_folder: Path) -> Training:
    return Training(run_folder / "tokens", DECISIONS)


@pytest.fixture(scope="module")
def expected(training: Training) -> list[str]:
    """One rank, no workers, one sample at a time."""
    return training.batches(0, training.timeline.steps, ranks=1, workers=0, micro=1)


def test_the_run_has_a_ramp_two_stages_and_a_decision(training: Training, expected: list[str]) -> None:
    timeline = training.timeline
    assert [(leg.stage, leg.first_step, leg.batch_samples) for leg in timeline.legs] == [
        (0, 0, 8),
        (0, 12, 16),
        (1, 16, 8),
        (1, 18, 12),
    ]
    assert len(set(expected)) == timeline.steps == 21


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker")
@pytest.mark.parametrize(("ranks", "workers", "micro"), [(1, 3, 4), (2, 0, 2), (2, 3, 1), (4, 0, 1), (4, 3, 1)])
def test_ranks_workers_and_micro_batches_change_nothing(
    training: Training, expected: list[str], ranks: int, workers: int, micro: int
) -> None:
    assert training.batches(0, training.timeline.steps, ranks=ranks, workers=workers, micro=micro) == expected


@pytest.mark.parametrize("stop", [5, 9, 14, 16, 19])
def test_a_resume_may_change_all_of_them(training: Training, expected: list[str], stop: int) -> None:
    """In the middle of the ramp, at the decision, between the stages, and after all of it."""
    before = training.batches(0, stop, ranks=4, workers=0, micro=1)
    after = training.batches(stop, training.timeline.steps, ranks=2, workers=0, micro=2)
    assert before + after == expected


def test_a_decision_changes_what_comes_after_it_and_nothing_before(run_folder: Path, expected: list[str]) -> None:
    """The batches that a training has seen when it decides are those that a resume after it would count as seen."""
    undecided = Training(run_folder / "tokens", [])
    batches = undecided.batches(0, undecided.timeline.steps, ranks=1, workers=0, micro=4)
    assert batches[:9] == expected[:9] and batches[9] != expected[9]
