"""A training job: the sections and inputs of one run, with every duration turned into steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretraining.batching.config import BatchesSection
from pretraining.batching.supply import mixtures
from pretraining.batching.timeline import Timeline, make_timeline
from pretraining.errors import DataError
from pretraining.modeling.config import ModelSection
from pretraining.objectives.config import ObjectiveSection
from pretraining.section import Duration
from pretraining.training.config import TrainingSection

_DECISIVE = {"duration", "batch_tokens", "optimizer", "schedule", "max_grad_norm", "z_loss", "label_smoothing"}
"""Keys of ``training`` that decide what the weights will be."""


@dataclass(frozen=True)
class Job:
    """What the loop needs to know. ``run`` is the run folder, which holds ``tokenizer/``, ``tokens/``, ``batches/``."""

    run: Path
    seed: int
    batches: BatchesSection
    objective: ObjectiveSection
    model: ModelSection
    training: TrainingSection
    base: Path = Path()
    """Where the relative paths of the recipe start from."""
    start: str | None = None
    """Digest of the weights that the training starts from, None for new ones."""

    def timeline(self, *, epoch_tokens: int, parameters: int) -> Timeline:
        """Which step takes which samples.

        Args:
            epoch_tokens: places of one pass over the packed rows, padding included.
            parameters: parameters of the model.

        Raises:
            DataError: a duration in hours, which no number of steps equals.
        """
        try:
            return make_timeline(
                self.batches,
                self.training.batch,
                self.training.duration,
                epoch_tokens=epoch_tokens,
                parameters=parameters,
            )
        except ValueError as error:
            raise DataError(f"training.duration: {error}; give tokens or steps") from error

    def identity(self, *, plan: str | None, tokenizer: str | None) -> dict[str, Any]:
        """Everything that decides what the weights will be; what does not (micro-batch, logging, ranks) is left out.

        Args:
            plan, tokenizer: fingerprints of the data; None while it is not made yet.
        """
        adapts = any(mixture.adapt for _, mixture in mixtures(self.batches))
        training = self.training.model_dump(mode="json", include=_DECISIVE | ({"evaluation_rows"} if adapts else set()))
        limits: Any = {
            "max_epochs": True,
            "mixture": {"max_epochs"},
            "stages": {"__all__": {"mixture": {"max_epochs"}}},
        }
        # Weights to start from are what is in them, wherever they lie.
        model = self.model.model_dump(mode="json", exclude={"name_or_path", "revision"})
        model |= {"name_or_path": self.start} if self.start else {}
        nested = {
            "seed": self.seed,
            "batches": self.batches.model_dump(mode="json", exclude=limits),
            "objective": self.objective.model_dump(mode="json"),
            "model": model,
            "training": training,
            "data": {"plan": plan, "tokenizer": tokenizer} if plan else {},
        }
        return _flat(nested)


def _flat(nested: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys; a list of maps is one map per item."""
    if isinstance(nested, dict):
        items = [(f"{prefix}.{key}" if prefix else key, value) for key, value in nested.items()]
    elif isinstance(nested, list) and all(isinstance(item, dict) for item in nested):
        items = [(f"{prefix}[{number}]", item) for number, item in enumerate(nested)]
    else:
        return {prefix: nested}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= _flat(value, key)
    return flat


@dataclass(frozen=True)
class Horizon:
    """What the learning rate schedule needs, in optimizer steps."""

    steps: int
    warmup: int
    decay: int

    @classmethod
    def of(cls, training: TrainingSection, timeline: Timeline, *, epoch_tokens: int | None) -> Horizon:
        """Turn the recipe's durations into steps, rounded up: the warm-up from the first step on, the decay up to the
        last one.

        Args:
            epoch_tokens: places of one pass over the packed rows, padding included; None while it is not known.

        Raises:
            DataError: a duration that no number of steps equals.
        """
        warmup, decay = training.schedule.warmup, training.schedule.decay
        steps = timeline.steps
        if decay is None:
            last = max(1, steps // 10)
        elif decay.unit == "steps":
            last = int(decay.amount)
        else:
            last = _last_steps(timeline, in_tokens(decay, epoch_tokens))
        first = int(warmup.amount) if warmup.unit == "steps" else timeline.steps_for(in_tokens(warmup, epoch_tokens))
        return cls(steps, first, last)


def in_tokens(duration: Duration, epoch_tokens: int | None) -> int:
    """A duration as a number of tokens.

    Raises:
        DataError: its unit is neither tokens nor epochs, or nobody knows what an epoch is.
    """
    try:
        return duration.in_steps(step_tokens=1, epoch_tokens=epoch_tokens)
    except ValueError as error:
        raise DataError(f"training: {error}; give tokens or steps") from error


def _last_steps(timeline: Timeline, tokens: int) -> int:
    """The fewest steps at the end of the run that take at least ``tokens``; beyond its beginning, at its first pace."""
    before = timeline.tokens - tokens
    if before < 0:
        return timeline.steps - before // timeline.legs[0].batch_tokens
    step = timeline.steps_for(before)
    return timeline.steps - step + (timeline.tokens_before(step) > before)


class Every:
    """Is it time again? Every so many steps; tokens or epochs, at the step that passes a multiple of them; or hours,
    by the clock of the main process."""

    def __init__(self, duration: Duration | None, timeline: Timeline, *, epoch_tokens: int) -> None:
        self._timeline = timeline
        self._seconds = self._steps = self._tokens = 0.0
        if duration is not None and duration.unit == "hours":
            self._seconds = duration.amount * 3600
        elif duration is not None and duration.unit == "steps":
            self._steps = max(1, duration.amount)
        elif duration is not None:
            self._tokens = max(1, in_tokens(duration, epoch_tokens))
        self._last = 0.0

    @property
    def active(self) -> bool:
        """Whether it is ever due."""
        return bool(self._steps or self._tokens or self._seconds)

    def due(self, step: int, seconds: float) -> bool:
        """Whether it is due after ``step`` finished steps and ``seconds`` since the process began to train."""
        if self._steps:
            return step % self._steps == 0
        if self._tokens:
            seen, before = self._timeline.tokens_before(step), self._timeline.tokens_before(step - 1)
            return seen // self._tokens > before // self._tokens
        if self._seconds and seconds - self._last >= self._seconds:
            self._last = seconds
            return True
        return False
