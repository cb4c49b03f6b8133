"""Several objectives on one model: every sample belongs to one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pretraining.modeling.families import Batch
from pretraining.modeling.loss import LossOptions
from pretraining.modeling.pretraining_model import PretrainingModel, Sums

SEPARATOR = "/"
"""Between the name of a task and a key of its batch: ``span_corruption/input_ids``."""


class MultiTaskModel(PretrainingModel):
    """The losses of all tasks of a batch, each its own term.

    Args:
        tasks: factor of each task's mean loss in the total.
        pooled: one mean over the targets of all tasks instead; the factors are then 1.
    """

    def __init__(
        self,
        model: Any,
        *,
        tasks: Mapping[str, float],
        pooled: bool = False,
        options: LossOptions | None = None,
        fused: bool = True,
    ) -> None:
        super().__init__(model, options=options, fused=fused)
        self.pooled = pooled
        self.weights = dict.fromkeys(tasks, 1.0) if pooled else dict(tasks)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Targets of each task; 0 for one that no sample of the batch belongs to."""
        found = by_task(batch)
        return {
            task: super(MultiTaskModel, self).counts(found[task])["loss"] if task in found else 0
            for task in self.weights
        }

    def forward(self, **batch: Tensor) -> Sums:
        """Summed losses of the tasks that are there; one pass through the model for each."""
        return {task: self.language_model_nll(self.model, part) for task, part in sorted(by_task(batch).items())}


def by_task(batch: Batch) -> dict[str, Batch]:
    """The batch of each task, from keys such as ``span_corruption/input_ids``."""
    found: dict[str, Batch] = {}
    for key, value in batch.items():
        task, _, name = key.partition(SEPARATOR)
        found.setdefault(task, {})[name] = value
    return found
