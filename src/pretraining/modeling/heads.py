"""The language-modeling heads of transformers taken apart: what happens before the vocabulary, and its matrix.

Most heads compute logits for every position and average the loss by themselves. Here only positions with a target go
through the head, and the loss is a sum, so it does not matter how a batch is cut into micro-batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Transform = Callable[[Any, Tensor], Tensor]


def _identity(model: Any, states: Tensor) -> Tensor:
    return states


def _roberta(model: Any, states: Tensor) -> Tensor:
    out: Tensor = model.lm_head.layer_norm(F.gelu(model.lm_head.dense(states)))
    return out


def _albert(model: Any, states: Tensor) -> Tensor:
    head = model.predictions
    out: Tensor = head.LayerNorm(head.activation(head.dense(states)))
    return out


def _deberta(model: Any, states: Tensor) -> Tensor:
    if model.legacy:
        legacy: Tensor = model.cls.predictions.transform(states)
        return legacy
    head = model.lm_predictions.lm_head
    out: Tensor = head.LayerNorm(head.transform_act_fn(head.dense(states)))
    return out


def _t5(model: Any, states: Tensor) -> Tensor:
    scaled = getattr(model.config, "scale_decoder_outputs", model.config.tie_word_embeddings)
    return states * model.model_dim**-0.5 if scaled else states


TRANSFORMS: dict[str, Transform] = {
    "bert": lambda model, states: model.cls.predictions.transform(states),
    "roberta": _roberta,
    "albert": _albert,
    "electra": lambda model, states: model.generator_predictions(states),
    "deberta-v2": _deberta,
    "modernbert": lambda model, states: model.head(states),
    "t5": _t5,
    "umt5": _t5,
    "mt5": _t5,
}
"""What comes between the last hidden states and the vocabulary matrix; nothing in the families that are not here."""


def transform(model: Any, states: Tensor) -> Tensor:
    """The hidden states as the vocabulary matrix takes them: ``(n, width) -> (n, embedding width)``."""
    return TRANSFORMS.get(model.config.model_type, _identity)(model, states)


def vocabulary(model: Any) -> tuple[Tensor, Tensor | None]:
    """Weight ``(vocabulary, width)`` and bias ``(vocabulary,)`` of the output."""
    if model.config.model_type == "deberta-v2" and not model.legacy:
        return model.deberta.embeddings.word_embeddings.weight, model.lm_predictions.lm_head.bias
    head = model.get_output_embeddings()
    bias = getattr(model, "final_logits_bias", None)
    return head.weight, bias[0] if bias is not None else head.bias


def logits(model: Any, states: Tensor) -> Tensor:
    """``(n, width) -> (n, vocabulary)``."""
    weight, bias = vocabulary(model)
    return F.linear(transform(model, states), weight, bias)


@torch.no_grad()
def is_linear(model: Any, states: Tensor, own: Tensor) -> bool:
    """Whether the model's own logits for some hidden states are what ``logits`` gives (no cap, no scale)."""
    head = model.get_output_embeddings()
    if head is None or not isinstance(head, nn.Linear):
        return False
    if transform(model, states).shape[-1] != head.weight.shape[1]:
        return False
    return torch.allclose(logits(model, states).float(), own.float(), atol=1e-4, rtol=1e-4)
