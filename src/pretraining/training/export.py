"""The finished model as a folder that ``from_pretrained`` loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_model(model: Any, weights: dict[str, Any], tokenizer: Any, folder: Path, *, sequence_length: int) -> None:
    """Write config, safetensors, generation config and tokenizer.

    Args:
        model: the transformers model, sharded or not; gives the config.
        weights: its full tensors by name, tied weights once.
        sequence_length: becomes the tokenizer's ``model_max_length``.
    """
    from safetensors.torch import save_file

    from pretraining.tokenization.training import save_tokenizer

    config = model.config
    config.use_cache = True  # off for training on packed rows only; generation wants it
    config.architectures = [type(model).__name__]
    try:
        config.save_pretrained(folder)
    finally:
        config.use_cache = False
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors writes files that only their owner may read
    if getattr(model, "generation_config", None) is not None:  # encoders write no text
        model.generation_config.use_cache = True
        model.generation_config.save_pretrained(folder)
    tokenizer.model_max_length = sequence_length
    save_tokenizer(tokenizer, folder)
