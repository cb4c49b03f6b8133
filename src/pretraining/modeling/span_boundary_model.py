"""Masked language modeling with SpanBERT's span boundary objective."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pretraining.modeling.families import Batch, hidden_states
from pretraining.modeling.heads import vocabulary
from pretraining.modeling.loss import IGNORED, LossOptions, token_nll, vocabulary_nll
from pretraining.modeling.pretraining_model import PretrainingModel, Sums, aligned_labels

POSITION_WIDTH = 200
"""Width of the embedding of a place within a span (SpanBERT, section 4.2)."""


class SpanBoundaryModel(PretrainingModel):
    """A masked language model that also predicts every token of a span from the two tokens around the span.

    Joshi et al. 2020 (arXiv 1907.10529), equations 1 to 3; both losses are means of their own and are added. The
    boundary head is used in training only; ``model`` is published.

    Args:
        max_pair_targets: places of a span that have targets; further tokens of it have none.
    """

    def __init__(self, model: Any, *, max_pair_targets: int = 20, options: LossOptions | None = None) -> None:
        super().__init__(model, options=options)
        self.weights = {"masked_lm": 1.0, "span_boundary": 1.0}
        self.boundary = SpanBoundaryHead(model, max_pair_targets)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Masked tokens, and those of them that have a span with a token on both sides."""
        return {
            "masked_lm": int((aligned_labels(self.model, batch) != IGNORED).sum()),
            "span_boundary": int((batch["span_labels"] != IGNORED).sum()),
        }

    def forward(self, **batch: Tensor) -> Sums:
        """Summed losses of both terms."""
        states = hidden_states(self.model, batch)
        chosen = batch["span_labels"] != IGNORED
        row = chosen.nonzero()[:, :1]
        around = states[row, batch["span_pairs"][chosen]]
        vectors = self.boundary(around, batch["span_offsets"][chosen])
        targets = batch["span_labels"][chosen]
        weight, _ = vocabulary(self.model)
        return {
            "masked_lm": token_nll(self.model, states, aligned_labels(self.model, batch), self.options),
            "span_boundary": vocabulary_nll(vectors, weight, self.boundary.bias, targets, self.options),
        }


class SpanBoundaryHead(nn.Module):
    """Two layers with GeLU and layer normalisation over ``[left; right; place]``.

    The vocabulary matrix is the model's, the bias its own, as in ``BertPairTargetPredictionHead`` of the reference.
    """

    def __init__(self, model: Any, max_pair_targets: int) -> None:
        super().__init__()
        width = model.config.hidden_size
        weight, _ = vocabulary(model)
        self.position_embeddings = nn.Embedding(max_pair_targets, POSITION_WIDTH)
        self.layers = nn.Sequential(
            *(nn.Linear(2 * width + POSITION_WIDTH, width), nn.GELU(), nn.LayerNorm(width)),
            *(nn.Linear(width, weight.shape[1]), nn.GELU(), nn.LayerNorm(weight.shape[1])),
        )
        self.bias = nn.Parameter(torch.zeros(len(weight)))
        self.apply(model._init_weights)

    def forward(self, around: Tensor, offsets: Tensor) -> Tensor:
        """What the vocabulary matrix takes: ``(n, embedding width)``.

        Args:
            around: states of the tokens before and after each span, ``(n, 2, width)``.
            offsets: int64 ``(n,)``, places within the span.
        """
        places = self.position_embeddings(offsets).to(around.dtype)
        made: Tensor = self.layers(torch.cat([around.flatten(1), places], dim=1))
        return made
