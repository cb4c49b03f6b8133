"""Prove, on the very model that will be trained, that packed documents do not see each other."""

from __future__ import annotations

from typing import Any

import torch

from pretraining.errors import ModelError
from pretraining.modeling.carriers import isolates
from pretraining.modeling.families import Batch, hidden_states, is_causal

_LENGTHS = (5, 9)


@torch.no_grad()
def leak(model: Any) -> float:
    """How far the hidden states of the second of two packed documents move when the first one changes.

    Exactly 0 when documents are isolated; 0.5 to 2 for a new model where they leak. The row is what a collator of the
    model's objective would give: positions alone for a decoder, the documents too for an encoder.
    """
    device = next(model.parameters()).device
    first = _LENGTHS[0]
    tokens = torch.arange(sum(_LENGTHS), device=device) * 7 % model.config.vocab_size
    other = tokens.clone()
    other[:first] = (other[:first] + 1) % model.config.vocab_size
    training = model.training
    model.eval()
    try:
        a, b = (hidden_states(model, _packed(model, ids))[0, first:] for ids in (tokens, other))
    finally:
        model.train(training)
    return float((a - b).abs().max())


def _packed(model: Any, ids: torch.Tensor) -> Batch:
    lengths = torch.tensor(_LENGTHS, device=ids.device)
    number = torch.repeat_interleave(torch.arange(1, 3, device=ids.device), lengths)[None]
    position = torch.cat([torch.arange(n, device=ids.device) for n in _LENGTHS])[None]
    batch = {"input_ids": ids[None], "position_ids": position, "document_ids": number}
    if model.config.is_encoder_decoder:
        return batch | {"decoder_input_ids": ids[None], "decoder_document_ids": number}
    if is_causal(model):
        del batch["document_ids"]
    return batch


def require_isolation(model: Any) -> None:
    """Stop before the first step if documents in one row would see each other.

    Raises:
        ModelError: the architecture leaks, or cannot keep documents apart at all.
    """
    name = f"{model.config.model_type} ({model.config._attn_implementation})"
    if not isolates(model.config.model_type):
        raise ModelError(
            f"{name} cannot keep packed documents apart: its positions count from the beginning of the row. "
            "Set batches.packing: none (one document a row)"
        )
    try:
        moved = leak(model)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{name} does not take the positions or masks by which packed documents are kept apart "
            f"({str(error).splitlines()[0]}). Set batches.packing: none (one document a row)"
        ) from error
    if moved > 1e-6:
        raise ModelError(
            f"{name} lets packed documents see each other: changing one moved another's states by {moved:.3g}. "
            "Training on such rows is not what the recipe says, so it is refused. Choose an architecture that "
            "isolates by position_ids (llama, qwen3, mistral, gpt2, ...), or set batches.packing: none."
        )
