"""What each model family needs so that packed documents stay apart: from a batch with a mask spec to hidden states.

===============================  =====================================================================================
decoders (Llama, Qwen3, GPT-2)   ``position_ids`` and no mask; with a bidirectional prefix a 4-D mask
BLOOM, MPT                       a 4-D float mask (eager only); ALiBi is relative, so positions need no restart
BERT, RoBERTa, ALBERT, ELECTRA   a 4-D mask and ``position_ids`` (RoBERTa counts from ``pad_token_id + 1``)
ModernBERT                       one mask for full and one for sliding layers, and ``position_ids``
DeBERTa-v2                       a 3-D mask given to the encoder: the embeddings cannot take one
XLNet                            ``perm_mask``
T5, UMT5                         three masks: encoder, decoder, and between the two
BART                             cannot: its positions count from the beginning of the row
===============================  =====================================================================================

ALiBi with a bidirectional prefix is what transformers makes of it: of the tokens that follow, far ones weigh more.

Measured for each by the tests: the logits of a packed document are those of the document alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pretraining.errors import ModelError
from pretraining.modeling.carriers import CANNOT_ISOLATE, COUNTS_FROM_PADDING
from pretraining.modeling.masks import additive, as_taken, by_layer_type, cross_mask, self_mask

Batch = dict[str, Tensor]


def hidden_states(model: Any, batch: Batch) -> Tensor:
    """The last hidden states of ``model`` (the decoder's where there is one): ``(B, S, width)``.

    Args:
        model: a transformers model with a head; its base is run.
        batch: what a collator gave, on the model's device.
    """
    return FAMILIES.get(model.config.model_type, _decoder_or_encoder)(model, batch)


def _taken(model: Any, mask: Any) -> Any:
    implementation, dtype = model.config._attn_implementation, _dtype(model)
    if isinstance(mask, dict):
        return {kind: as_taken(one, implementation, dtype) for kind, one in mask.items()}
    return as_taken(mask, implementation, dtype)


def _dtype(model: Any) -> torch.dtype:
    parameter = next(p for p in model.parameters() if p.is_floating_point())
    kind = parameter.device.type
    dtype: torch.dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else parameter.dtype
    return dtype


def own_logits(model: Any, batch: Batch) -> Tensor:
    """The logits of the model's own head, at every position: ``(B, S, vocabulary)``."""
    if model.config.is_encoder_decoder:
        mask = {"decoder_input_ids": batch["decoder_input_ids"], "use_cache": False}
        return model(input_ids=batch["input_ids"], **mask).logits  # type: ignore[no-any-return]
    return model(**_inputs(model, batch)).logits  # type: ignore[no-any-return]


def _decoder_or_encoder(model: Any, batch: Batch) -> Tensor:
    last: Tensor = model.base_model(**_inputs(model, batch)).last_hidden_state
    return last


def _inputs(model: Any, batch: Batch) -> dict[str, Any]:
    causal = is_causal(model)
    first = model.config.pad_token_id + 1 if model.config.model_type in COUNTS_FROM_PADDING else 0
    inputs: dict[str, Any] = {"input_ids": batch["input_ids"], "position_ids": batch["position_ids"] + first}
    if "token_type_ids" in batch:
        inputs["token_type_ids"] = batch["token_type_ids"]
    if "document_ids" in batch:
        prefix = batch.get("prefix_mask") if causal else None
        mask = by_layer_type(model.config, batch["document_ids"], causal=causal, prefix_mask=prefix)
        inputs["attention_mask"] = _taken(model, mask)
    if causal:
        inputs["use_cache"] = False  # a cache switches the isolation by position_ids off in silence
    return inputs


def is_causal(model: Any) -> bool:
    """Whether the model sees only what stands before, by its class or its config."""
    name = type(model).__name__
    return "CausalLM" in name or name in ("GPT2LMHeadModel", "CTRLLMHeadModel", "OpenAIGPTLMHeadModel")


def _bert(model: Any, batch: Batch) -> Tensor:
    batch = {**batch, "document_ids": _documents(batch)}
    return _decoder_or_encoder(model, batch)


def _documents(batch: Batch) -> Tensor:
    """``document_ids``; without them, runs of ``position_ids``."""
    if "document_ids" in batch:
        return batch["document_ids"]
    return (batch["position_ids"] == 0).long().cumsum(1)


def _alibi(model: Any, batch: Batch) -> Tensor:
    mask = self_mask(_documents(batch), causal=True, prefix_mask=batch.get("prefix_mask"))
    base = model.base_model
    if hasattr(base, "build_alibi_tensor"):  # BLOOM's own reads a 2-D mask; softmax ignores where a row starts counting
        base.build_alibi_tensor = _alibi_by_place
    # MPT turns the mask into bool with True for "hidden": 0 and the lowest float become just that.
    last: Tensor = base(
        input_ids=batch["input_ids"], attention_mask=additive(mask, _dtype(model)), use_cache=False
    ).last_hidden_state
    return last


def _alibi_by_place(attention_mask: Tensor, num_heads: int, dtype: torch.dtype) -> Tensor:
    """BLOOM's ALiBi, ``(batch * heads, 1, keys)``, for a 4-D mask: slope times the place in the row."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    rows, keys = attention_mask.shape[0], attention_mask.shape[-1]
    ones = torch.ones(rows, keys, dtype=torch.long, device=attention_mask.device)
    alibi: Tensor = build_alibi_tensor(ones, num_heads, dtype)
    return alibi


def _deberta(model: Any, batch: Batch) -> Tensor:
    base = model.base_model
    embedded = base.embeddings(
        input_ids=batch["input_ids"],
        token_type_ids=batch.get("token_type_ids"),
        position_ids=batch["position_ids"],
        mask=torch.ones_like(batch["input_ids"]),
    )
    documents = _documents(batch)
    mask = (documents[:, :, None] == documents[:, None, :]).to(embedded.dtype)
    states: Tensor = base.encoder(embedded, mask, return_dict=True).last_hidden_state
    return states


def _xlnet(model: Any, batch: Batch) -> Tensor:
    documents = _documents(batch)
    blocked = (documents[:, :, None] != documents[:, None, :]).to(_dtype(model))
    blocked = torch.maximum(blocked, batch["perm_mask"].to(blocked)) if "perm_mask" in batch else blocked
    # One segment everywhere changes no attention, and leaves no parameter without a gradient, which DDP waits for.
    segments = batch["token_type_ids"] if "token_type_ids" in batch else torch.zeros_like(batch["input_ids"])
    inputs = {"input_ids": batch["input_ids"], "perm_mask": blocked, "token_type_ids": segments}
    if "target_mapping" in batch:
        inputs["target_mapping"] = batch["target_mapping"].to(blocked)
    last: Tensor = model.base_model(**inputs, use_mems=False).last_hidden_state
    return last


def _t5(model: Any, batch: Batch) -> Tensor:
    encoder_ids, decoder_ids = _documents(batch), batch["decoder_document_ids"]
    encoded = model.get_encoder()(
        input_ids=batch["input_ids"], attention_mask=_taken(model, self_mask(encoder_ids, causal=False))
    ).last_hidden_state
    last: Tensor = model.get_decoder()(
        input_ids=batch["decoder_input_ids"],
        attention_mask=_taken(model, self_mask(decoder_ids, causal=True)),
        encoder_hidden_states=encoded,
        encoder_attention_mask=_taken(model, cross_mask(decoder_ids, encoder_ids)),
        use_cache=False,
    ).last_hidden_state
    return last


def _bart(model: Any, batch: Batch) -> Tensor:
    if int(batch["document_ids"].max()) > 1:
        raise ModelError(
            f"{model.config.model_type} numbers positions from the beginning of the row, so packed documents would not "
            "be what they are alone; set batches.packing: none (one document a row)"
        )
    last: Tensor = model.base_model(
        input_ids=batch["input_ids"],
        attention_mask=(batch["document_ids"] > 0).long(),
        decoder_input_ids=batch["decoder_input_ids"],
        decoder_attention_mask=(batch["decoder_document_ids"] > 0).long(),
        use_cache=False,
    ).last_hidden_state
    return last


FAMILIES: dict[str, Callable[[Any, Batch], Tensor]] = {
    "bloom": _alibi,
    "mpt": _alibi,
    "bert": _bert,
    "albert": _bert,
    "electra": _bert,
    "modernbert": _bert,
    "roberta": _bert,
    "deberta-v2": _deberta,
    "xlnet": _xlnet,
    "t5": _t5,
    "umt5": _t5,
    "mt5": _t5,
    **dict.fromkeys(CANNOT_ISOLATE, _bart),
}
"""Families that need something of their own; all others are taken for decoders like Llama."""
