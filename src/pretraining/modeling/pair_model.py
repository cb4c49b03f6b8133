"""Masked language modeling with a sentence-pair head: BERT's next sentence, ALBERT's sentence order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pretraining.modeling.families import Batch, hidden_states
from pretraining.modeling.loss import IGNORED, LossOptions, token_nll
from pretraining.modeling.pretraining_model import PretrainingModel, Sums, aligned_labels


class PairModel(PretrainingModel):
    """``BertForPreTraining`` or ``AlbertForPreTraining``; the two losses are added, as in both papers."""

    def __init__(self, model: Any, *, options: LossOptions | None = None) -> None:
        super().__init__(model, options=options)
        self.weights = {"masked_lm": 1.0, "sentence_pair": 1.0}

    def counts(self, batch: Batch) -> dict[str, int]:
        """Masked tokens, and rows that are a pair."""
        return {
            "masked_lm": int((aligned_labels(self.model, batch) != IGNORED).sum()),
            "sentence_pair": int((pair_labels(batch) != IGNORED).sum()),
        }

    def forward(self, **batch: Tensor) -> Sums:
        """Summed losses of both terms."""
        states = hidden_states(self.model, batch)
        labels = aligned_labels(self.model, batch)
        pair = F.cross_entropy(
            pair_logits(self.model, states).float(), pair_labels(batch), ignore_index=IGNORED, reduction="sum"
        )
        return {"masked_lm": token_nll(self.model, states, labels, self.options), "sentence_pair": pair}

    @torch.no_grad()
    def accuracies(self, batch: Batch) -> dict[str, tuple[int, int]]:
        """Pairs that are told right, of all pairs."""
        labels = pair_labels(batch)
        guess = pair_logits(self.model, hidden_states(self.model, batch)).argmax(-1)
        return {"pair_accuracy": (int((guess == labels).sum()), int((labels != IGNORED).sum()))}


def pair_labels(batch: Batch) -> Tensor:
    """int64 ``(B,)`` under the name that the model's head has for it."""
    return batch["next_sentence_label"] if "next_sentence_label" in batch else batch["sentence_order_label"]


def pair_logits(model: Any, states: Tensor) -> Tensor:
    """``(B, 2)`` from the state of the first token."""
    base = model.base_model
    if model.config.model_type == "albert":
        return model.sop_classifier(base.pooler_activation(base.pooler(states[:, 0])))  # type: ignore[no-any-return]
    return model.cls.seq_relationship(base.pooler(states))  # type: ignore[no-any-return]
