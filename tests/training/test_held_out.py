"""The figures of held-out rows, from the sums of a module that only counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from pretraining.training.held_out import HeldOut


class Rows:
    """Row ``i`` is the number ``i``."""

    size = 3

    def __getitems__(self, indices: Sequence[int]) -> list[int]:
        return list(indices)


class Counting(nn.Module):
    """Every row has two targets of ``text``, with a loss of three together, and ``pairs`` of ``pair``."""

    whole_batch, pooled = False, False

    def __init__(self, pairs: int) -> None:
        super().__init__()
        self.pairs, self.weights = pairs, {"text": 2.0, "pair": 1.0}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, int]:
        return {"text": 2 * len(batch["rows"]), "pair": self.pairs * len(batch["rows"])}

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        return {"text": torch.tensor(3.0 * len(rows)), "pair": torch.tensor(0.5 * self.pairs * len(rows))}

    def accuracies(self, batch: dict[str, Tensor]) -> dict[str, tuple[int, int]]:
        return {"pair_accuracy": (0, self.pairs * len(batch["rows"]))}


def measured(pairs: int) -> dict[str, float]:
    samples: Any = Rows()
    held_out = HeldOut(
        samples, {}, lambda rows: {"rows": torch.tensor(rows)}, rows=9, micro_batch_size=2, bytes_per_token=None
    )
    return held_out.measure(Accelerator(cpu=True), Counting(pairs))


def test_terms_and_the_total_of_their_weights() -> None:
    assert measured(1) == {
        "held_out_loss": 3.5,
        "held_out_text": 1.5,
        "held_out_pair": 0.5,
        "held_out_pair_accuracy": 0.0,
    }


def test_a_term_without_targets_is_absent_not_nought() -> None:
    assert measured(0) == {"held_out_loss": 3.0, "held_out_text": 1.5}
