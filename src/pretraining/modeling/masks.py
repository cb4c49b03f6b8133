"""From a mask spec (documents, prefix, window) to the dense masks that model families take.

A spec is a few small tensors of the batch: ``document_ids`` (B, S), 0 on padding, and ``prefix_mask`` (B, S).
``sdpa`` wants bool with True for "may attend"; ``eager`` adds its mask to the scores, where a bool would be added as
0 or 1 and hide nothing, so it gets floats.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pretraining.errors import ModelError

DENSE = ("sdpa", "eager")
"""Attention implementations of transformers that take a dense mask."""


def self_mask(
    document_ids: Tensor, *, causal: bool, prefix_mask: Tensor | None = None, window: int | None = None
) -> Tensor:
    """Who may attend to whom inside one sequence: bool ``(B, 1, S, S)``, query before key.

    Args:
        document_ids: int64 ``(B, S)``; only positions of one document see each other.
        causal: a position sees itself and what stands before it.
        prefix_mask: bool ``(B, S)``; keys that every position of their document sees, whatever the order.
        window: keys at a distance of ``window`` or more are hidden (causal: the last ``window`` keys, as in Mistral).
    """
    place = torch.arange(document_ids.shape[1], device=document_ids.device)
    mask = document_ids[:, :, None] == document_ids[:, None, :]
    if causal:
        before = (place[:, None] >= place[None])[None]
        mask = mask & (before if prefix_mask is None else before | prefix_mask[:, None, :])
    if window is not None:
        mask = mask & ((place[:, None] - place[None]).abs() < window)[None]
    return mask[:, None]


def cross_mask(query_ids: Tensor, key_ids: Tensor) -> Tensor:
    """Which encoder positions each decoder position sees: bool ``(B, 1, T, S)``, those of its own document."""
    return (query_ids[:, :, None] == key_ids[:, None, :])[:, None]


def as_taken(mask: Tensor, implementation: str, dtype: torch.dtype) -> Tensor:
    """The mask in the form that the attention implementation takes.

    Raises:
        ModelError: it takes no dense mask.
    """
    if implementation == "sdpa":
        return mask
    if implementation == "eager":
        return additive(mask, dtype)
    raise ModelError(
        f"model.attn_implementation = {implementation} takes no dense attention mask, which this objective needs; "
        f"use {' or '.join(DENSE)}"
    )


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where ``mask`` allows, the lowest number of ``dtype`` elsewhere."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


def by_layer_type(config: Any, document_ids: Tensor, *, causal: bool, prefix_mask: Tensor | None = None) -> Any:
    """The mask of every kind of layer that the config names: one tensor, or a dict by ``layer_types``.

    ModernBERT's window is a distance (``|i - j| <= sliding_window``), those of causal models count the query itself.
    """
    full = self_mask(document_ids, causal=causal, prefix_mask=prefix_mask)
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or [])
    if not window:
        return dict.fromkeys(kinds, full) if "sliding_attention" in kinds else full
    window = window if causal else window + 1
    sliding = self_mask(document_ids, causal=causal, prefix_mask=prefix_mask, window=window)
    if not kinds:
        return sliding
    return {"full_attention": full, "sliding_attention": sliding}
