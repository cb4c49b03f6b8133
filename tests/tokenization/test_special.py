from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.special import frame, special_tokens_of


def tokenizer(**ids: int) -> Any:
    return SimpleNamespace(**dict.fromkeys(["bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"]) | ids)


def test_what_frames_a_document() -> None:
    assert frame(tokenizer(bos_token_id=1, eos_token_id=2, cls_token_id=3, sep_token_id=4)) == (1, 2)  # Llama
    assert frame(tokenizer(cls_token_id=3, sep_token_id=4)) == (3, 4)  # BERT
    assert frame(tokenizer(eos_token_id=1)) == (None, 1)  # T5
    assert frame(tokenizer(bos_token_id=5, eos_token_id=5)) == (None, 5)  # GPT-2
    with pytest.raises(DataError, match="neither an eos_token nor a sep_token"):
        frame(tokenizer(bos_token_id=1))


def test_the_order_of_the_ids() -> None:
    section = TokenizerSection(reserved_tokens=2, additional_special_tokens=["<|im_start|>"])
    tokens = special_tokens_of(section, ["<|fim_prefix|>"], ["mask_token"])
    assert tokens.all == [
        *("<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|mask|>", "<|fim_prefix|>", "<|im_start|>"),
        *("<|reserved_special_token_0|>", "<|reserved_special_token_1|>"),
    ]
    bert = special_tokens_of(TokenizerSection(algorithm="wordpiece", reserved_tokens=1))
    assert bert.all == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]"]


def test_roles_that_the_section_leaves_empty() -> None:
    roles = ["mask_token", "cls_token", "sep_token"]
    llama = special_tokens_of(TokenizerSection(pre_tokenizer="metaspace"), (), roles).named
    assert (llama["mask_token"], llama["cls_token"], llama["sep_token"]) == ("<mask>", "<s>", "</s>")
    t5 = special_tokens_of(TokenizerSection(algorithm="unigram"), (), roles).named
    assert (t5["cls_token"], t5["sep_token"]) == ("<cls>", "</s>")
    own = special_tokens_of(TokenizerSection(algorithm="wordpiece", mask_token="[M]"), (), roles).named
    assert own["mask_token"] == "[M]"


def test_a_token_that_two_ask_for_is_one() -> None:
    section = TokenizerSection(algorithm="wordpiece", additional_special_tokens=["[gMASK]"])
    assert special_tokens_of(section, ["[MASK]", "[gMASK]"]).others == ["[gMASK]"]


@pytest.mark.parametrize(
    ("keys", "special", "message"),
    [
        ({"pad_token": "<|end_of_text|>"}, [], "must differ, but eos_token and pad_token are both"),
        ({"pad_token": "<x_0>"}, ["<x_0>"], "'<x_0>' of its own, which is also tokenizer.pad_token"),
        ({}, ["sentinel"], "'sentinel' could be made of ordinary text"),
        ({}, ["<\ud800>"], "could be made of ordinary text"),
    ],
)
def test_tokens_that_collide(keys: dict[str, Any], special: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        special_tokens_of(TokenizerSection(**keys), special)
