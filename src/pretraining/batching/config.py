"""The ``batches`` section: which data, in which shares and in which stages, become rows of samples."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pretraining.section import Duration, Section

Packing = Literal["best_fit", "concatenate", "none"]


class AdaptSection(Section):
    """Weights that change during the run by the held-out loss of each source."""

    function: str
    """``module:function`` of an installed package, called with (weights, losses, history); it gives the new weights."""
    every: Duration
    """Time between two decisions."""


class MixtureSection(Section):
    """How much of what the model sees comes from which source, counted in tokens, not in documents."""

    weights: dict[str, float] | None = None
    """Share of each source; normalised to 1. A source of weight 0 is left out."""
    temperature: float | None = Field(default=None, gt=0)
    """Instead of weights: shares in proportion to ``min(tokens, cap) ** (1 / temperature)`` (T5, mT5)."""
    cap: int | None = Field(default=None, ge=1)
    """With ``temperature``: tokens of a source that count, at most (T5's artificial size limit)."""
    max_epochs: dict[str, float] = {}
    """How often a source may be seen at most; ``batches.max_epochs`` for those that are not named."""
    adapt: AdaptSection | None = None
    """Change the weights during the run."""

    @model_validator(mode="after")
    def _one_rule(self) -> MixtureSection:
        if (self.weights is None) == (self.temperature is None):
            raise ValueError("give either weights or temperature")
        if self.cap is not None and self.temperature is None:
            raise ValueError("cap belongs to temperature")
        return self


class StageSection(Section):
    """A part of the training with a mixture, a sequence length or objective options of its own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """What the log and the report call it."""
    duration: Duration
    """How long it lasts, in tokens or steps; rounded up to whole steps."""
    mixture: MixtureSection | None = None
    """The mixture of this stage; ``batches.mixture`` when left out."""
    sequence_length: int | None = Field(default=None, ge=2)
    """Tokens of one sample in this stage; ``batches.sequence_length`` when left out."""
    objective: dict[str, Any] = {}
    """Options of the objective that differ in this stage."""


class BatchesSection(Section):
    """Mixture and packing of documents into samples, and how often the data may be seen."""

    sequence_length: int = Field(default=1024, ge=2)
    """Tokens of one sample."""
    packing: Packing = "best_fit"
    """``best_fit`` keeps documents whole wherever they fit; ``concatenate`` cuts the stream at the sequence length;
    ``none`` gives every document rows of its own, rows of like length together, padded."""
    max_epochs: float = Field(default=1.0, gt=0)
    """Training that would see the data, or one source of it, more often than this is refused."""
    mixture: MixtureSection | None = None
    """Shares of the sources; as they come, packed together, when left out."""
    stages: list[StageSection] = []
    """Parts of the training in their order; one part with everything when left out."""

    @property
    def longest_sequence(self) -> int:
        """Tokens of the longest sample of any stage: what the model needs positions for."""
        return max(
            (stage.sequence_length or self.sequence_length for stage in self.stages), default=self.sequence_length
        )
