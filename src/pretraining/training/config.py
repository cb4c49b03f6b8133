"""The ``training`` section: how long, how fast, and what is saved on the way."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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


class TrainingSection(Section):
    """The loop."""

    duration: Duration
    """How long to train."""
    batch_tokens: int = Field(ge=1)
    """Tokens of the global batch, over all ranks and micro-batches: one optimizer step."""
    micro_batch_size: int = Field(default=8, ge=1)
    """Samples of one forward pass on one rank."""
    optimizer: OptimizerSection = OptimizerSection()
    """The optimizer."""
    schedule: ScheduleSection = ScheduleSection()
    """The learning rate schedule."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm."""
    loader_workers: int = Field(default=0, ge=0)
    """Processes that prepare batches; 0 prepares them in the training process."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    log_every: Duration = Duration(steps=10)
    """Time between log lines."""
    evaluate_every: Duration | None = None
    """Time between evaluations on the held-out documents; none during training when left out."""
    evaluation_rows: int = Field(default=256, ge=1)
    """At most this many packed held-out rows are used by an evaluation during training."""
    checkpoints: CheckpointSection = CheckpointSection()
    """Checkpoints."""
    trackers: list[str] = []
    """Trackers of accelerate (tensorboard, wandb, ...) that also get the metrics."""
