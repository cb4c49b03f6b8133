"""The figures of held-out rows, from the sums of a module that only counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from pretraining.modeling.contrastive_model import ContrastiveModel
from pretraining.modeling.loss import LossOptions
from pretraining.training.held_out import HeldOut


class Rows:
    """Row ``i`` is the number ``i``."""

    size = 3

    def __getitems__(self, indices: Sequence[int]) -> list[int]:
        return list(indices)


class Counting(nn.Module):
    """Every row has two targets of ``text``, with a loss of three together, and ``pairs`` of ``pair``."""

    whole_batch, pooled, options = False, False, LossOptions()

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


class Smoothed(Counting):
    """Tells which options it is measured with."""

    options = LossOptions(label_smoothing=0.1)

    def forward(self, rows: Tensor) -> dict[str, Tensor]:
        assert self.options.plain
        return super().forward(rows)


def test_the_likelihood_alone_is_measured() -> None:
    samples: Any = Rows()
    held_out = HeldOut(
        samples, {}, lambda rows: {"rows": torch.tensor(rows)}, rows=9, micro_batch_size=2, bytes_per_token=None
    )
    module = Smoothed(1)
    held_out.measure(Accelerator(cpu=True), module)
    assert not module.options.plain


class Vectors(nn.Module):
    """Text ``i`` is at ``i + 1`` tenths of a right angle, and its other view a little further."""

    whole_batch, options = True, LossOptions()
    pool_loss, nearest = ContrastiveModel.pool_loss, ContrastiveModel.nearest
    temperature, symmetric = 0.05, False

    def forward(self, rows: Tensor, vectors: bool) -> dict[str, Tensor]:
        angles = (rows[:, None] + torch.tensor([1.0, 1.3])).ravel() * 0.157
        return {"vectors": torch.stack([angles.cos(), angles.sin()], dim=1)}


def test_the_pool_of_held_out_texts_is_all_of_them_whatever_the_micro_batch() -> None:
    samples: Any = Rows()
    figures = [
        HeldOut(
            samples, {}, lambda rows: {"rows": torch.tensor(rows)}, rows=3, micro_batch_size=size, bytes_per_token=None
        ).measure(Accelerator(cpu=True), Vectors())
        for size in (1, 2, 3)
    ]
    assert figures[0]["held_out_loss"] > 0.1
    for other in figures[1:]:
        assert other == pytest.approx(figures[0], abs=1e-6)
