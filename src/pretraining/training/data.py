"""The data of a training: which samples each step takes, and the loader that makes tensors of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pretraining.batching.loader import GlobalBatches, Samples
from pretraining.batching.plan import Plan, Stream
from pretraining.batching.schedule import make_schedule
from pretraining.batching.supply import mixture_of, mixture_path
from pretraining.batching.timeline import Timeline
from pretraining.objectives import make_collator
from pretraining.objectives.config import with_options
from pretraining.training.job import Job

if TYPE_CHECKING:
    import torch

    from pretraining.tokenization.store import TokenStore

PAD_TO_MULTIPLE_OF = 64
"""Where every document has rows of its own, they are padded to the longest of the micro-batch and on to this."""


class StageCollator:
    """The collator of the stage that the samples belong to; a batch never belongs to two."""

    def __init__(self, collators: Sequence[Any]) -> None:
        self.collators = collators

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The tensors of the stage's objective."""
        tensors: dict[str, torch.Tensor] = self.collators[samples[0]["stage"]](samples)
        return tensors


def stage_collators(job: Job, tokenizer: Any, decoder_start: int | None = None) -> list[Any]:
    """One collator per stage: the objective with the stage's options, at the stage's sequence length."""
    stages = [(stage.sequence_length, stage.objective) for stage in job.batches.stages] or [(None, {})]
    return [
        make_collator(
            with_options(job.objective, options),
            tokenizer,
            sequence_length=length or job.batches.sequence_length,
            seed=job.seed,
            pad_to_multiple_of=PAD_TO_MULTIPLE_OF if job.batches.packing == "none" else None,
            decoder_start_token_id=decoder_start,
        )
        for length, options in stages
    ]


class TrainingData:
    """Samples by step, for any rank, from any step on.

    Args:
        timeline: which step takes which samples.
        collators: one per stage.
    """

    def __init__(self, job: Job, store: TokenStore, plan: Plan, timeline: Timeline, collators: Sequence[Any]) -> None:
        self._job, self._store, self._plan, self._collators = job, store, plan, collators
        self._timeline = timeline
        self.follow(())

    def follow(self, decisions: Sequence[Mapping[str, Any]]) -> None:
        """Mix the sources as these decisions of adaptive mixing say, each from its step on."""
        self._schedule = make_schedule(self._job.batches, self._timeline, self._plan, decisions=decisions)

    def fits(self, decisions: Sequence[Mapping[str, Any]]) -> bool:
        """Whether decisions are about the sources that there are at their steps."""
        return all(
            each["step"] < self._timeline.steps and self.weights(each["step"]).keys() == each["weights"].keys()
            for each in decisions
        )

    def weights(self, step: int) -> dict[str, float]:
        """Share of each source in the tokens of a step; empty without a mixture."""
        (number,) = self._schedule.segments_of([self._timeline.samples_before(step)]).tolist()
        return dict(self._schedule.segments[number].weights or {})

    def loader(self, *, first_step: int, rank: int, ranks: int, pin_memory: bool) -> Iterable[dict[str, torch.Tensor]]:
        """The micro-batches of one rank from ``first_step`` to the end; nothing is read to get there."""
        from torch.utils.data import DataLoader

        workers = self._job.training.loader_workers
        batches = GlobalBatches(
            self._timeline,
            micro=self._job.training.micro_batch_size,
            rank=rank,
            ranks=ranks,
            first_step=first_step,
            last_step=self._timeline.steps,
        )
        others = self._job.objective.needs_other_documents()
        samples = Samples(self._store, self._plan, self._schedule, seed=self._job.seed, others=others)
        return DataLoader(
            samples,  # type: ignore[arg-type]  # map-style by its methods, not by inheritance: no torch there
            batch_sampler=batches,
            collate_fn=StageCollator(self._collators),
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
        )

    def seen_too_often(self) -> str | None:
        """What to tell the user where some data would be seen more often than the recipe allows."""
        passes = dict.fromkeys((stream.source for stream in self._plan.streams), 0.0)
        for segment in self._schedule.segments:
            # a stage ends with a whole batch
            batch = max(leg.batch_samples for leg in self._timeline.legs if leg.stage == segment.stage)
            for number, share, count in zip(segment.streams, segment.shares, segment.counts, strict=True):
                stream = self._plan.streams[number]
                passes[stream.source] += count / stream.samples
                allowed = self._max_epochs(segment.stage, stream.source)
                if passes[stream.source] > allowed * (1 + 1e-3) + (share * batch + 1) / stream.samples:
                    return self._too_often(stream, passes[stream.source], allowed, segment.stage)
        return None

    def _max_epochs(self, stage: int, source: str | None) -> float:
        """How often a source may have been seen at the end of a stage."""
        mixture = mixture_of(self._job.batches, stage)
        own = mixture.max_epochs.get(source) if mixture is not None and source is not None else None
        return self._job.batches.max_epochs if own is None else own

    def _too_often(self, stream: Stream, passes: float, allowed: float, stage: int) -> str:
        where = (
            f"at the end of the stage {self._timeline.stage_names[stage]}" if self._job.batches.stages else "at the end"
        )
        if stream.source is None:
            return (
                f"{where} the training has seen its {stream.tokens:,} tokens {passes:.2f} times, but "
                f"batches.max_epochs = {allowed:g}. Shorten it, add text, or set batches.max_epochs={passes:.2f} if "
                "repeating the data is meant."
            )
        return (
            f"{where} the training has seen the {stream.tokens:,} tokens of {stream.source} {passes:.2f} times, but "
            f"{allowed:g} is allowed. Lower its weight, add text to it, or set "
            f"{mixture_path(self._job.batches, stage)}.max_epochs.{stream.source}={passes:.2f} if repeating is meant."
        )
