"""What the evaluation must know of the training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pretraining.objectives.sections.base import ObjectiveBase


@dataclass(frozen=True)
class Trained:
    """What a model was trained for.

    Attributes:
        objective: with the options of the last stage.
        sequence_length: places of a row of the last stage.
        packing: as ``batches.packing``.
        seed: of the objective's draws.
        tokens: the token store.
        metrics: ``metrics.jsonl``.
    """

    objective: ObjectiveBase
    sequence_length: int
    packing: str
    seed: int
    tokens: Path
    metrics: Path
