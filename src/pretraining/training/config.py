"""The ``training`` section: how long, how fast, and what is saved on the way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from pretraining.batching.timeline import BatchSize
from pretraining.section import Duration, Section


class OptimizerSection(Section):
    """AdamW for every parameter, or Muon for the matrices of the layers and AdamW for the rest."""

    type: Literal["adamw", "muon"] = "adamw"
    """``muon``: torch.optim.Muon (Jordan et al. 2024) for 2-D weights of the layers."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """Peak learning rate of AdamW."""
    embedding_learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate of AdamW for the input embedding; ``learning_rate`` when left out."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """AdamW's decay of the first moment."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """AdamW's decay of the second moment."""
    epsilon: float = Field(default=1e-8, gt=0)
    """AdamW's epsilon."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay of every matrix; norms and biases have none."""
    muon_learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate of Muon, on the scale of AdamW's (``type: muon`` only); ``learning_rate`` when left out."""
    muon_momentum: float = Field(default=0.95, ge=0, lt=1)
    """Muon's Nesterov momentum (``type: muon`` only)."""


class ScheduleSection(Section):
    """The learning rate as a share of its peak, by step."""

    type: Literal["cosine", "linear", "constant", "inverse_sqrt", "wsd"] = "cosine"
    """Shape after the warm-up; ``wsd`` is warm-up, stable, decay."""
    warmup: Duration = Duration(steps=0)
    """Linear warm-up from zero."""
    decay: Duration | None = None
    """Length of the final decay (``wsd`` only); a tenth of the training when left out."""
    min_ratio: float = Field(default=0.1, ge=0, le=1)
    """Learning rate at the end, as a share of the peak (``cosine``, ``linear``, ``wsd``)."""


class CheckpointSection(Section):
    """When checkpoints are written and which are kept."""

    every: Duration = Duration(hours=0.5)
    """Time between checkpoints; there is always one at the end and one after a signal."""
    keep: int = Field(default=2, ge=1)
    """How many of the newest are kept."""
    resume: Literal["auto", "never"] = "auto"
    """``auto`` goes on from the newest complete checkpoint; ``never`` refuses to start where there is one."""


class BatchRamp(Section):
    """A global batch that grows while the model learns (GPT-3)."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: int = Field(alias="from", ge=1)
    """Tokens of the first batch; every later one is a multiple of it."""
    to: int = Field(ge=1)
    """Tokens of the batch at the end of the ramp and after it: a multiple of ``from``."""
    over: Duration
    """The tokens in which it grows, linearly in the tokens seen."""


def _number_or_ramp(value: object) -> str:
    """Which of the two a value is meant to be, so that only that one's problems are reported."""
    return "ramp" if isinstance(value, dict | BatchRamp) else "number"


class TrainingSection(Section):
    """The loop."""

    duration: Duration | None = None
    """How long to train; the sum of ``batches.stages`` when left out."""
    batch_tokens: Annotated[
        Annotated[int, Field(ge=1), Tag("number")] | Annotated[BatchRamp, Tag("ramp")], Discriminator(_number_or_ramp)
    ]
    """Tokens of the global batch, over all ranks and micro-batches: one optimizer step. ``{from, to, over}`` grows."""
    micro_batch_size: int = Field(default=8, ge=1)
    """Samples of one forward pass on one rank."""
    optimizer: OptimizerSection = OptimizerSection()
    """The optimizer."""
    schedule: ScheduleSection = ScheduleSection()
    """The learning rate schedule."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    z_loss: float = Field(default=0.0, ge=0)
    """Factor of ``log(Z) ** 2`` in the loss, which keeps logits from drifting (PaLM: 1e-4)."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of every target that is given to all tokens alike."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that prepare batches; 0 prepares them in the training process."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    log_every: Duration = Duration(steps=10)
    """Time between log lines."""
    evaluate_every: Duration | None = None
    """Time between evaluations on the held-out documents; none during training when left out."""
    evaluation_rows: int = Field(default=256, ge=1)
    """At most this many packed held-out rows, and as many of each source of a mixture, are used by an evaluation
    during training."""
    checkpoints: CheckpointSection = CheckpointSection()
    """Checkpoints."""
    trackers: list[str] = []
    """Trackers of accelerate (tensorboard, wandb, ...) that also get the metrics."""

    @property
    def batch(self) -> BatchSize:
        """``batch_tokens``, from the first step to the end of its ramp.

        Raises:
            DataError: the end is no multiple of the start.
        """
        if isinstance(self.batch_tokens, int):
            return BatchSize(self.batch_tokens, self.batch_tokens, 0)
        ramp = self.batch_tokens
        return BatchSize(ramp.start, ramp.to, round(ramp.over.amount))
