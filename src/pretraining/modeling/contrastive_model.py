"""Contrastive learning of sentence embeddings: SimCSE (Gao et al. 2021, arXiv 2104.08821), InfoNCE, NT-Xent."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretraining.errors import ModelError
from pretraining.modeling.families import Batch, hidden_states
from pretraining.modeling.pretraining_model import PretrainingModel, Sums


class ContrastiveModel(PretrainingModel):
    """An encoder whose two views of a text are to be nearer to each other than to any other text of the batch.

    A batch holds both views of every text, one after the other: rows ``2 i`` and ``2 i + 1``. They are the same
    tokens; dropout makes them differ, so a model without dropout is refused.

    The pool of negatives is the *global* batch. ``embed`` and ``pool_loss`` are apart, so that the loop can embed
    all micro-batches first, find the gradient at the embeddings, and go through the micro-batches again with it
    (gradient caching, Gao et al. 2021, arXiv 2101.06983): accumulation does enlarge the pool.

    Args:
        temperature: tau of the softmax over cosines.
        pooler: ``cls`` or ``mean`` over the real tokens.
        symmetric: count both directions (NT-Xent, Chen et al. 2020); SimCSE counts one.
    """

    whole_batch: ClassVar[bool] = True

    def __init__(self, model: Any, *, temperature: float = 0.05, pooler: str = "cls", symmetric: bool = False) -> None:
        super().__init__(model, fused=False)
        require_dropout(model)
        self.temperature, self.pooler, self.symmetric = temperature, pooler, symmetric
        if getattr(model, "pooler", None) is not None:
            model.pooler = None  # a layer for pairs of sentences, which nothing would train
        width = model.config.hidden_size
        self.projection = nn.Sequential(nn.Linear(width, width), nn.Tanh())  # used in training only (SimCSE, 6.3)
        self.projection.apply(model._init_weights)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Texts, which are half of the rows."""
        return {"loss": len(batch["input_ids"]) // 2}

    def forward(self, vectors: bool = False, **batch: Tensor) -> Sums:  # type: ignore[override]
        """The loss with this batch alone as the pool; or with ``vectors`` what ``embed`` gives, under that name."""
        embedded = self.embed(batch)
        return {"vectors": embedded} if vectors else {"loss": self.pool_loss(embedded)}

    def embed(self, batch: Batch) -> Tensor:
        """Unit vectors, float32 ``(rows, width)``."""
        states = hidden_states(self.model, batch)
        if self.pooler == "mean":
            real = (batch["document_ids"] > 0)[..., None].to(states.dtype)
            pooled = (states * real).sum(1) / real.sum(1).clamp(min=1)
        else:
            pooled = states[:, 0]
        return F.normalize(self.projection(pooled).float(), dim=-1)

    @torch.no_grad()
    def accuracies(self, batch: Batch) -> dict[str, tuple[int, int]]:
        """Texts whose other view is the nearest of all in this batch."""
        return {"retrieval_accuracy": self.nearest(self.embed(batch))}

    def nearest(self, vectors: Tensor) -> tuple[int, int]:
        """(texts whose other view is the nearest of all, texts)."""
        found = (vectors[0::2] @ vectors[1::2].T).argmax(-1)
        return int((found == torch.arange(len(found), device=found.device)).sum()), len(found)

    def pool_loss(self, vectors: Tensor) -> Tensor:
        """Summed over texts: cross entropy of the right partner among all second views."""
        first, second = vectors[0::2], vectors[1::2]
        cosines = first @ second.T / self.temperature
        right = torch.arange(len(first), device=vectors.device)
        loss = F.cross_entropy(cosines, right, reduction="sum")
        if self.symmetric:
            loss = (loss + F.cross_entropy(cosines.T, right, reduction="sum")) / 2
        return loss


def require_dropout(model: Any) -> None:
    """Without dropout the two views are the same and there is nothing to learn.

    Raises:
        ModelError: every dropout of the model is 0.
    """
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules()):
        return
    given = {key: value for key, value in model.config.to_dict().items() if "dropout" in key and value is not None}
    keys = ", ".join(f"model.{key} = {value}" for key, value in given.items())
    raise ModelError(
        "objective.type = contrastive: this model has no dropout, so both views of a text would be equal and the loss "
        f"zero from the start; it has {keys}: set one of the layers' to 0.1"
    )
