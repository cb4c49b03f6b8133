"""Hashes of the global batches over ranks, loader workers, micro-batches and resumes: they must all be the same.

    python tests/benchmarks/batch_hashes.py

It makes a token store of 400,000 tokens from seven sources in a temporary folder, and a run with a batch that grows,
two stages (the second with rows of twice the length and another mixture) and a decision of an adaptive mixture. Each
line of the table is a way to run it, with the hash over the hashes of all its global batches, and some of those.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loader import LLAMA, make_store, plan_of  # beside this script
from torch.utils.data import DataLoader

from pretraining.batching.config import BatchesSection, MixtureSection, StageSection
from pretraining.batching.loader import GlobalBatches, Samples, batch_digest
from pretraining.batching.schedule import make_schedule
from pretraining.batching.timeline import BatchSize, make_timeline
from pretraining.section import Duration
from pretraining.tokenization.store import TokenStore

BATCHES = BatchesSection(
    sequence_length=128,
    mixture=MixtureSection(weights=LLAMA),
    stages=[
        StageSection(name="general", duration=Duration(tokens=300_000)),
        StageSection(
            name="long",
            duration=Duration(tokens=100_000),
            sequence_length=256,
            mixture=MixtureSection(weights={"github": 2.0, "arxiv": 1.0}),
        ),
    ],
)
RAMP = BatchSize(4096, 16_384, 250_000)
DECISIONS: list[dict[str, Any]] = [{"step": 30, "weights": dict.fromkeys(LLAMA, 1.0)}]
# (ranks, workers, micro-batch) from the step on at which it begins
RUNS: list[list[tuple[int, tuple[int, int, int]]]] = [
    *([(0, (ranks, workers, micro))] for ranks in (1, 2, 4) for workers in (0, 3) for micro in (2, 4)),
    [(0, (4, 3, 2)), (17, (1, 0, 16))],  # in the middle of the ramp
    [(0, (1, 0, 8)), (30, (2, 3, 4))],  # at the decision
    [(0, (2, 0, 4)), (31, (4, 0, 1)), (37, (1, 3, 2)), (40, (2, 0, 8))],  # after it, and around the second stage
]


class Training:
    """A run whose batches can be loaded in any way."""

    def __init__(self, store: TokenStore) -> None:
        self.store, self.plan = store, plan_of(BATCHES, store)
        self.timeline = make_timeline(BATCHES, RAMP, None)

    def hashes(self, first: int, last: int, ranks: int, workers: int, micro: int) -> list[str]:
        """Of the global batches of some steps; a decision is known from its step on, not before."""
        for step in (decision["step"] for decision in DECISIONS):
            if first < step < last:
                return self.hashes(first, step, ranks, workers, micro) + self.hashes(step, last, ranks, workers, micro)
        known = [decision for decision in DECISIONS if decision["step"] <= first]
        schedule = make_schedule(BATCHES, self.timeline, self.plan, decisions=known)
        samples = Samples(self.store, self.plan, schedule, seed=1234)
        loaders = [self._loader(samples, first, last, rank, ranks, workers, micro) for rank in range(ranks)]
        return [batch_digest([sample for loader in loaders for sample in next(loader)]) for _ in range(first, last)]

    def _loader(
        self, samples: Any, first: int, last: int, rank: int, ranks: int, workers: int, micro: int
    ) -> Iterator[list[Any]]:
        batches = GlobalBatches(self.timeline, micro=micro, rank=rank, ranks=ranks, first_step=first, last_step=last)
        micro_batches = iter(DataLoader(samples, batch_sampler=batches, collate_fn=list, num_workers=workers))
        for step in range(first, last):
            yield [sample for _ in range(batches.micro_batches(step)) for sample in next(micro_batches)]


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore", "This DataLoader will create")
    with tempfile.TemporaryDirectory() as name:
        training = Training(make_store(Path(name), 400_000, LLAMA))
        steps = training.timeline.steps
        sizes = sorted({leg.batch_samples * leg.sequence_length for leg in training.timeline.legs})
        second = training.timeline.step_of(training.timeline.stage_samples(1).start)
        print(
            f"{steps} steps, {training.timeline.samples:,} samples, {training.timeline.tokens:,} tokens; batches of "
            f"{', '.join(f'{size:,}' for size in sizes)} tokens; decision at step {DECISIONS[0]['step']}, second stage "
            f"from step {second}\n"
        )
        shown = (0, 17, 30, second, steps - 1)
        print(
            "ranks x workers x micro-batch, from step"
            + " " * 20
            + "all batches       "
            + "".join(f"step {n:<12}" for n in shown)
        )
        results = set()
        for run in RUNS:
            ends = [begin for begin, _ in run[1:]] + [steps]
            hashes = [h for (begin, how), end in zip(run, ends, strict=True) for h in training.hashes(begin, end, *how)]
            everything = hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]
            results.add(everything)
            how = ", ".join(f"{a}x{b}x{c}" + (f" from {begin}" if begin else "") for begin, (a, b, c) in run)
            print(f"{how:<60}{everything}  " + " ".join(hashes[n] for n in shown))
        print("\nall equal" if len(results) == 1 else f"\nNOT EQUAL: {len(results)} different runs")


if __name__ == "__main__":
    main()
