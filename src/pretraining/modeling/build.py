"""From the ``model`` section to a transformers model, with new weights or those of ``model.name_or_path``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import ModelError
from pretraining.modeling.architectures import config_fields
from pretraining.modeling.carriers import architectures_of
from pretraining.modeling.config import ModelSection
from pretraining.modeling.start import Start

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def build_config(section: ModelSection, tokenizer: Any, *, start: Start | None = None) -> PreTrainedConfig:
    """The transformers config of ``model.architecture`` with the recipe's keys and the tokenizer's special ids.

    Args:
        tokenizer: its length is the vocabulary size unless ``model.vocab_size`` says otherwise.
        start: weights that give the keys that the recipe leaves out.

    Raises:
        ModelError: transformers refuses a value, or the vocabulary is smaller than the tokenizer.
    """
    from transformers import AutoConfig

    keys: dict[str, Any] = start.keys() if start is not None else {}
    keys |= {"vocab_size": max(len(tokenizer), start.rows if start is not None else 0)} | section.config_keys
    keys |= special_ids(section.architecture, tokenizer)
    try:
        config = AutoConfig.for_model(section.architecture, **keys)
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"model: transformers refuses this {section.architecture} config: {error}") from error
    except Exception as error:  # huggingface_hub's strict dataclasses raise their own family of errors
        if "strict" not in type(error).__name__.lower():
            raise
        raise ModelError(f"model: transformers refuses this {section.architecture} config: {error}") from error
    if config.vocab_size < len(tokenizer):
        raise ModelError(
            f"model.vocab_size = {config.vocab_size} is smaller than the tokenizer's {len(tokenizer)} tokens"
        )
    # A cache switches the isolation of packed documents off in silence (transformers 5.23, masking_utils).
    config.use_cache = False
    return config


def special_ids(architecture: str, tokenizer: Any) -> dict[str, int | None]:
    """The tokenizer's special ids under the keys that the config has for them.

    Encoder-decoders start a target with padding, as T5 does, and BART with the end of a document.
    """
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    fields = config_fields(architecture)
    ids |= {
        key: getattr(tokenizer, key)
        for key in ("cls_token_id", "sep_token_id", "mask_token_id")
        if key in fields and getattr(tokenizer, key) is not None
    }
    if architecture in architectures_of("seq2seq_lm"):
        ids["decoder_start_token_id"] = decoder_start(architecture, tokenizer)
    return ids


def decoder_start(architecture: str, tokenizer: Any) -> int:
    """The token that every target begins with: EOS for the family of BART, padding for that of T5."""
    token = tokenizer.eos_token_id if architecture in ("bart", "mbart") else tokenizer.pad_token_id
    return int(token)


AUTO_CLASSES = {
    "causal_lm": "AutoModelForCausalLM",
    "masked_lm": "AutoModelForMaskedLM",
    "seq2seq_lm": "AutoModelForSeq2SeqLM",
    "permutation_lm": "AutoModelForCausalLM",  # where transformers keeps XLNetLMHeadModel
    "pair": "AutoModelForPreTraining",
    "replaced_token_detection": "AutoModelForPreTraining",
    "encoder": "AutoModel",
}
"""The class of transformers for each kind of head."""


def build_model(
    section: ModelSection,
    tokenizer: Any,
    *,
    seed: int,
    head: str = "causal_lm",
    base: Path = Path(),
    say: Callable[[str], None] = print,
) -> PreTrainedModel:
    """A model in float32, the same on every rank and every machine.

    Its weights are drawn from ``seed``, or read from ``model.name_or_path`` and drawn only where these lack some.

    Args:
        head: a key of ``AUTO_CLASSES``.
        base: folder that a relative ``model.name_or_path`` starts from.
        say: told what was read.

    Raises:
        ModelError: transformers refuses the sizes or the attention implementation, or the weights do not fit.
        DataError: the weights cannot be read.
    """
    import torch
    import transformers

    start = Start.find(section, base) if section.name_or_path else None
    config = build_config(section, tokenizer, start=start)
    auto = AUTO_CLASSES[head]
    if head == "replaced_token_detection" and section.architecture != "electra":
        auto, config.num_labels = "AutoModelForTokenClassification", 1  # DeBERTa-v3 has no class of its own there
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if start is not None:
            return start.load(getattr(transformers, auto), config, tokenizer, say)
        try:
            model: PreTrainedModel = getattr(transformers, auto).from_config(
                config, attn_implementation=section.attn_implementation, dtype=torch.float32
            )
        except (ImportError, ValueError) as error:
            raise ModelError(
                f"transformers cannot build this {section.architecture} with model.attn_implementation = "
                f"{section.attn_implementation}: {str(error).splitlines()[0]} Try "
                f"{'eager' if section.attn_implementation == 'sdpa' else 'sdpa or eager'}, or other sizes."
            ) from error
    return model


def count_parameters(model: Any) -> tuple[int, int]:
    """(all parameters, those outside the input embedding); tied weights count once."""
    embedding = model.get_input_embeddings()
    total = sum(p.numel() for p in model.parameters())
    return total, total - (embedding.weight.numel() if embedding is not None else 0)


def training_flops_per_token(model: Any, sequence_length: int) -> float:
    """Floating-point operations of forward and backward for one token: ``6 N + 12 L H Q T``.

    ``N`` counts the weights that multiply (the output head does, a look-up in the input embedding does not),
    ``L`` layers, ``H`` heads of size ``Q``, ``T`` the sequence length: PaLM (Chowdhery et al. 2022), appendix B.
    Recomputation is not counted, and attention is counted in full although a causal mask halves it; the head of a
    masked model is counted at all positions, and the decoder beside an encoder as if it read as many tokens.
    """
    total, outside = count_parameters(model)
    head = model.get_output_embeddings()
    tied = head is not None and head.weight is model.get_input_embeddings().weight
    config = model.config.get_text_config()
    layers, width = getattr(config, "num_hidden_layers", 0), getattr(config, "hidden_size", 0)
    if groups := getattr(config, "num_hidden_groups", 0):  # ALBERT goes through the same weights again and again
        shared = sum(p.numel() for name, p in model.named_parameters() if ".albert_layer_groups." in name)
        total, outside = (count + shared * (layers - groups) // groups for count in (total, outside))
    heads = getattr(config, "num_attention_heads", 0) or 0
    head_size = getattr(config, "head_dim", None) or (width // heads if heads else 0)
    return 6.0 * (total if tied else outside) + 12.0 * layers * heads * head_size * sequence_length
