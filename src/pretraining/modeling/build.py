"""From the ``model`` section to a transformers model with new weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pretraining.errors import ModelError
from pretraining.modeling.config import ModelSection

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def build_config(section: ModelSection, tokenizer: Any) -> PreTrainedConfig:
    """The transformers config of ``model.architecture`` with the recipe's keys and the tokenizer's special ids.

    Args:
        tokenizer: its length is the vocabulary size unless ``model.vocab_size`` says otherwise.

    Raises:
        ModelError: transformers refuses a value, or the vocabulary is smaller than the tokenizer.
    """
    from transformers import AutoConfig

    keys: dict[str, Any] = {"vocab_size": len(tokenizer)} | section.config_keys
    keys |= {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
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


def build_model(section: ModelSection, tokenizer: Any, *, seed: int) -> PreTrainedModel:
    """A model in float32 with weights drawn from ``seed``: the same on every rank and every machine.

    Raises:
        ModelError: transformers refuses the sizes or the attention implementation.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = build_config(section, tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model: PreTrainedModel = AutoModelForCausalLM.from_config(
                config, attn_implementation=section.attn_implementation, dtype=torch.float32
            )
        except (ImportError, ValueError) as error:
            raise ModelError(
                f"transformers cannot build this {section.architecture} with model.attn_implementation = "
                f"{section.attn_implementation}: {str(error).splitlines()[0]} Try sdpa or eager, or other sizes."
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
    Recomputation is not counted, and attention is counted in full although a causal mask halves it.
    """
    total, outside = count_parameters(model)
    head = model.get_output_embeddings()
    tied = head is not None and head.weight is model.get_input_embeddings().weight
    config = model.config.get_text_config()
    layers, width = getattr(config, "num_hidden_layers", 0), getattr(config, "hidden_size", 0)
    heads = getattr(config, "num_attention_heads", 0) or 0
    head_size = getattr(config, "head_dim", None) or (width // heads if heads else 0)
    return 6.0 * (total if tied else outside) + 12.0 * layers * heads * head_size * sequence_length
