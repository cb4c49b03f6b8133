"""Tiny models of every family that the tests cover, with weights large enough that a leak shows."""

from __future__ import annotations

from typing import Any

import torch

VOCABULARY = 97
_WIDE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
_GROUPED = {**_WIDE, "num_key_value_heads": 2}
_T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4, "decoder_start_token_id": 0}
SMALL: dict[str, dict[str, Any]] = {
    "llama": _WIDE,
    "qwen3": {**_GROUPED, "head_dim": 8},
    "qwen3 with windows": {
        **_GROUPED,
        "head_dim": 8,
        "use_sliding_window": True,
        "sliding_window": 4,
        "max_window_layers": 1,
    },
    "mistral": {**_GROUPED, "sliding_window": 4},
    "glm": {**_GROUPED, "head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64},
    "bloom": {"hidden_size": 32, "n_layer": 3, "n_head": 4},
    "mpt": {"d_model": 32, "n_layers": 3, "n_heads": 4, "max_seq_len": 64},
    "bert": _WIDE,
    "roberta": _WIDE,
    "albert": {**_WIDE, "embedding_size": 16},
    "electra": {**_WIDE, "embedding_size": 16},
    "deberta-v2": {
        **_WIDE,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "modernbert": {
        **_WIDE,
        "local_attention": 4,
        "global_attn_every_n_layers": 3,
        "cls_token_id": 1,
        "sep_token_id": 2,
    },
    "xlnet": {"d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 64},
    "t5": _T5,
    "umt5": _T5,
    "bart": {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "max_position_embeddings": 64,
        "decoder_start_token_id": 2,
    },
}
DECODERS = ("llama", "qwen3", "qwen3 with windows", "mistral", "glm", "gpt2", "bloom", "mpt")
ENCODERS = ("bert", "roberta", "albert", "electra", "deberta-v2", "modernbert")
SEQ2SEQ = ("t5", "umt5", "bart")
EAGER_ONLY = ("bloom", "mpt", "deberta-v2", "xlnet")
ATTENTION = [
    (family, attention)
    for family in SMALL
    for attention in ("sdpa", "eager")
    if attention == "eager" or family not in EAGER_ONLY
]


def make(family: str, attention: str = "eager") -> Any:
    """A model of the family in evaluation mode, without dropout."""
    import transformers

    kind = family.split(maxsplit=1)[0]
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=VOCABULARY, pad_token_id=0, bos_token_id=1, eos_token_id=2, **SMALL[family]
    )
    config.use_cache = False
    name = "Seq2SeqLM" if family in SEQ2SEQ else "MaskedLM" if family in ENCODERS else "CausalLM"
    torch.manual_seed(1)
    model = getattr(transformers, f"AutoModelFor{name}").from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.eval()


def batch(
    documents: list[torch.Tensor], *, decoder: list[torch.Tensor] | None = None, prefixes: list[int] | None = None
) -> dict[str, torch.Tensor]:
    """One row of packed documents with its mask spec."""
    number = torch.arange(1, len(documents) + 1)
    made = {
        "input_ids": torch.cat(documents)[None],
        "position_ids": torch.cat([torch.arange(len(d)) for d in documents])[None],
        "document_ids": torch.repeat_interleave(number, torch.tensor([len(d) for d in documents]))[None],
    }
    if prefixes is not None:
        made["prefix_mask"] = torch.cat([torch.arange(len(d)) < p for d, p in zip(documents, prefixes, strict=True)])[
            None
        ]
    if decoder is not None:
        made["decoder_input_ids"] = torch.cat(decoder)[None]
        made["decoder_document_ids"] = torch.repeat_interleave(number, torch.tensor([len(d) for d in decoder]))[None]
    return made
