"""A training job: the sections and inputs of one run, with every duration turned into steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretraining.batching.config import BatchesSection
from pretraining.errors import DataError
from pretraining.modeling.config import ModelSection
from pretraining.objectives.config import ObjectiveSection
from pretraining.section import Duration
from pretraining.training.config import TrainingSection


@dataclass(frozen=True)
class Job:
    """What the loop needs to know. ``run`` is the run folder, which holds ``tokenizer/``, ``tokens/``, ``batches/``."""

    run: Path
    seed: int
    batches: BatchesSection
    objective: ObjectiveSection
    model: ModelSection
    training: TrainingSection

    @property
    def batch_samples(self) -> int:
        """Samples of one global batch."""
        return self.training.batch_tokens // self.batches.sequence_length

    def identity(self, *, plan: str | None, tokenizer: str | None) -> dict[str, Any]:
        """Everything that decides what the weights will be; what does not (micro-batch, logging, ranks) is left out.

        Args:
            plan, tokenizer: fingerprints of the data; None while it is not made yet.
        """
        training = self.training.model_dump(
            mode="json", include={"duration", "batch_tokens", "optimizer", "schedule", "max_grad_norm"}
        )
        nested = {
            "seed": self.seed,
            "batches": self.batches.model_dump(mode="json", include={"sequence_length", "packing"}),
            "objective": self.objective.model_dump(mode="json"),
            "model": self.model.model_dump(mode="json"),
            "training": training,
            "data": {"plan": plan, "tokenizer": tokenizer} if plan else {},
        }
        return _flat(nested)


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


@dataclass(frozen=True)
class Horizon:
    """Durations in optimizer steps."""

    steps: int
    warmup: int
    decay: int

    @classmethod
    def of(cls, training: TrainingSection, *, epoch_tokens: int, parameters: int) -> Horizon:
        """Turn the recipe's durations into steps, rounded up.

        Args:
            epoch_tokens: places of one pass over the packed rows, padding included.
            parameters: parameters of the model.

        Raises:
            DataError: a duration in hours, which no number of steps equals.
        """

        def steps(duration: Duration) -> int:
            try:
                return duration.in_steps(
                    step_tokens=training.batch_tokens, epoch_tokens=epoch_tokens, parameters=parameters
                )
            except ValueError as error:
                raise DataError(f"training: {error}; give tokens or steps") from error

        total = steps(training.duration)
        decay = training.schedule.decay
        return cls(total, steps(training.schedule.warmup), steps(decay) if decay else max(1, total // 10))


class Every:
    """Is it time again? Every so many steps, tokens or epochs; or hours, by the clock of the main process."""

    def __init__(self, duration: Duration | None, *, step_tokens: int, epoch_tokens: int) -> None:
        self._seconds = duration.amount * 3600 if duration and duration.unit == "hours" else None
        self._steps: int | None = None
        if duration and self._seconds is None:
            self._steps = max(1, duration.in_steps(step_tokens=step_tokens, epoch_tokens=epoch_tokens, parameters=None))
        self._last = 0.0

    @property
    def active(self) -> bool:
        """Whether it is ever due."""
        return self._steps is not None or self._seconds is not None

    def due(self, step: int, seconds: float) -> bool:
        """Whether it is due after ``step`` finished steps and ``seconds`` since the process began to train."""
        if self._steps is not None:
            return step % self._steps == 0
        if self._seconds is not None and seconds - self._last >= self._seconds:
            self._last = seconds
            return True
        return False
