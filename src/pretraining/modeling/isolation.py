"""Prove, on the very model that will be trained, that packed documents do not see each other."""

from __future__ import annotations

from typing import Any

import torch

from pretraining.errors import ModelError

_LENGTHS = (5, 9)


@torch.no_grad()
def leak(model: Any) -> float:
    """How far the logits of the second of two packed documents move when the first one changes.

    Exactly 0 when documents are isolated; 0.5 to 2 for a new model where they leak.
    """
    device = next(model.parameters()).device
    vocabulary = model.config.vocab_size
    first, second = _LENGTHS
    tokens = torch.arange(first + second, device=device) * 7 % vocabulary
    other = tokens.clone()
    other[:first] = (other[:first] + 1) % vocabulary
    positions = torch.cat([torch.arange(n, device=device) for n in _LENGTHS])[None]
    training = model.training
    model.eval()
    try:
        a, b = (
            model(input_ids=ids[None], position_ids=positions, use_cache=False).logits[0, first:]
            for ids in (tokens, other)
        )
    finally:
        model.train(training)
    return float((a - b).abs().max())


def require_isolation(model: Any) -> None:
    """Stop before the first step if documents in one row would see each other.

    Raises:
        ModelError: the architecture leaks, or takes no ``position_ids``.
    """
    name = f"{model.config.model_type} ({model.config._attn_implementation})"
    try:
        moved = leak(model)
    except TypeError as error:
        raise ModelError(f"{name} takes no position_ids, so packed documents cannot be kept apart: {error}") from error
    if moved > 1e-6:
        raise ModelError(
            f"{name} lets packed documents see each other: changing one moved another's logits by {moved:.3g}. "
            "Training on such rows is not what the recipe says, so it is refused. Choose an architecture that "
            "isolates by position_ids (llama, qwen3, mistral, gpt2, ...)."
        )
