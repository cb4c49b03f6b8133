from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForPreTraining, BertModel

from pretraining.errors import DataError
from pretraining.evaluation.loading import load

CONFIG = BertConfig(
    vocab_size=420, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
)  # fmt: skip


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_class_is_the_one_that_was_trained(tmp_path: Path, full_tokenizer: Any) -> None:
    model, tokenizer = load(save(BertForPreTraining(CONFIG), full_tokenizer, tmp_path))
    assert type(model) is BertForPreTraining and not model.training
    assert tokenizer.mask_token_id == full_tokenizer.mask_token_id


def test_a_head_without_weights_is_not_evaluated(tmp_path: Path, full_tokenizer: Any) -> None:
    save(BertForPreTraining(CONFIG), full_tokenizer, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["cls.seq_relationship.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"lacks weights, which would be random: cls\.seq_relationship\.weight"):
        load(tmp_path)


def test_a_bare_encoder_needs_no_pooler(tmp_path: Path, full_tokenizer: Any) -> None:
    model, _ = load(save(BertModel(CONFIG, add_pooling_layer=False), full_tokenizer, tmp_path))
    assert type(model) is BertModel


def test_a_config_without_a_class(tmp_path: Path, full_tokenizer: Any) -> None:
    save(BertModel(CONFIG), full_tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": None}))
    with pytest.raises(DataError, match="does not name the class of the model"):
        load(tmp_path)
