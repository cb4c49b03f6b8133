"""Vectors of texts: the loss of SimCSE, and a pool that is the global batch however it is cut."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pretraining.errors import ModelError
from pretraining.modeling.contrastive_model import ContrastiveModel
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.training.step import _with_all_negatives

sys.path.insert(0, str(Path(__file__).parent))
from joint import ROWS, WIDTH, Batch, gradients, masked_batch, part


def texts(count: int = 8) -> Batch:
    batch = {key: value.repeat(count // ROWS + 1, 1)[:count] for key, value in masked_batch().items()}
    batch["input_ids"] = torch.randint(4, 320, (count, WIDTH), generator=torch.Generator().manual_seed(9))
    keys = ("input_ids", "position_ids", "document_ids")
    return {key: batch[key].repeat_interleave(2, dim=0) for key in keys}


def encoder(build: Any, *, fixed: bool = False, **keys: Any) -> ContrastiveModel:
    module: ContrastiveModel = build("bert", ContrastiveSection(**keys), attention_probs_dropout_prob=0.0).train()
    if fixed:
        fix_the_other_views(module)
    return module


def fix_the_other_views(module: ContrastiveModel) -> None:
    """Instead of dropout, a small change of the second view of every text, the same every time."""
    for child in module.modules():
        if isinstance(child, torch.nn.Dropout):
            child.p = 0.0

    def change(_: Any, __: Any, out: torch.Tensor) -> torch.Tensor:
        return out + 0.3 * (torch.arange(len(out)) % 2)[:, None, None] * out.roll(1, -1)

    module.model.embeddings.register_forward_hook(change)


def test_the_pool_of_simcse(build: Any) -> None:
    """Orthogonal texts whose views are the same: log(1 + exp(-20)) each at a temperature of 0.05."""
    module = encoder(build)
    vectors = torch.eye(2, 16, dtype=torch.float64).repeat_interleave(2, dim=0)
    assert float(module.pool_loss(vectors)) / 2 == pytest.approx(math.log1p(math.exp(-20)), rel=1e-6)
    vectors = F.normalize(torch.randn(10, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    scores = vectors[0::2] @ vectors[1::2].T / 0.05
    first, second = (-values.log_softmax(-1).diagonal().sum() for values in (scores, scores.T))
    torch.testing.assert_close(module.pool_loss(vectors), first)
    torch.testing.assert_close(encoder(build, symmetric=True).pool_loss(vectors), (first + second) / 2)


def test_without_dropout_there_is_nothing_to_learn(build: Any) -> None:
    with pytest.raises(ModelError, match=r"contrastive: this model has no dropout.*model.hidden_dropout_prob = 0.0"):
        build("bert", ContrastiveSection(), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    with pytest.raises(ModelError, match=r"model.mlp_dropout = 0.0"):
        build("modernbert", ContrastiveSection())
    module = encoder(build)
    assert not torch.equal(*(module.embed(texts())[view::2] for view in (0, 1)))
    assert torch.equal(*(module.eval().embed(texts())[view::2] for view in (0, 1)))


@pytest.mark.parametrize("pooler", ["cls", "mean"])
def test_padding_is_no_part_of_a_text(build: Any, pooler: str) -> None:
    module = encoder(build, pooler=pooler).eval()
    batch = texts(ROWS)
    ragged = batch["document_ids"] == 0
    before = module.embed(batch)
    torch.testing.assert_close(before.norm(dim=-1), torch.ones(2 * ROWS))
    torch.testing.assert_close(module.embed(batch | {"input_ids": batch["input_ids"].masked_fill(ragged, 7)}), before)
    assert module.counts(batch) == {"loss": ROWS} and module.accuracies(batch)["retrieval_accuracy"][1] == ROWS


def cached(setup: Any, batch: Batch, size: int) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one step in micro-batches of that many rows."""
    micro = [part(batch, slice(first, first + size)) for first in range(0, len(batch["input_ids"]), size)]
    sums = _with_all_negatives(setup, micro, {"loss": len(batch["input_ids"]) / 2}, 3)
    return float(sums["loss"]), gradients(setup.module)


def test_caching_gradients_is_one_big_batch(build: Any, one_process: Any) -> None:
    module = encoder(build)
    setup, batch = one_process(module), texts()
    loss, found = cached(setup, batch, 4)
    parts = []
    for number in range(4):  # the same dropout, in one graph
        torch.manual_seed(hash((0, 3, 0, number)) & (2**63 - 1))
        parts.append(module.embed(part(batch, slice(4 * number, 4 * number + 4))))
    whole = module.pool_loss(torch.cat(parts))
    (whole / 8).backward()
    assert loss == pytest.approx(float(whole.detach()), rel=1e-5)
    torch.testing.assert_close(found, gradients(module), rtol=1e-4, atol=1e-6)


def test_the_pool_is_the_global_batch_however_it_is_cut(build: Any, one_process: Any) -> None:
    module = encoder(build, fixed=True)
    setup, batch = one_process(module), texts()
    loss, found = cached(setup, batch, 16)
    assert loss == pytest.approx(float(module(**batch)["loss"].detach()), rel=1e-5)
    for size in (2, 8):
        other, others = cached(setup, batch, size)
        assert other == pytest.approx(loss, rel=1e-5)
        torch.testing.assert_close(others, found, rtol=1e-4, atol=1e-6)
    pairs = [part(batch, slice(first, first + 4)) for first in range(0, 16, 4)]
    assert sum(float(module(**pair)["loss"].detach()) for pair in pairs) < 0.7 * loss  # pools of two are easier
