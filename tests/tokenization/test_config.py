from __future__ import annotations

import pytest

from pretraining.tokenization.config import BY_ALGORITHM, NAMED_TOKENS, TokenizerSection


def named(**keys: object) -> dict[str, str]:
    section = TokenizerSection(**keys)  # type: ignore[arg-type]
    return {name: getattr(section, name) for name in NAMED_TOKENS if getattr(section, name) is not None}


def test_every_algorithm_has_the_tokens_of_its_models() -> None:
    assert named() == {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>", "pad_token": "<|pad|>"}
    llama_2 = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    assert named(pre_tokenizer="metaspace") == llama_2
    assert named(algorithm="unigram") == {name: llama_2[name] for name in ("eos_token", "pad_token", "unk_token")}
    roles = ("pad", "unk", "cls", "sep", "mask")
    assert named(algorithm="wordpiece") == {f"{role}_token": f"[{role.upper()}]" for role in roles}
    assert named(algorithm="pretrained", name_or_path="gpt2") == {}


def test_what_else_follows_from_the_algorithm() -> None:
    section = TokenizerSection(algorithm="unigram")
    assert (section.pre_tokenizer, section.add_prefix_space, section.byte_fallback) == ("metaspace", True, False)
    assert (section.add_eos_token, section.add_bos_token, section.max_token_length) == (True, False, 16)
    assert TokenizerSection(pre_tokenizer="metaspace").byte_fallback
    assert TokenizerSection().add_bos_token and TokenizerSection().pattern == "gpt2"
    assert TokenizerSection(algorithm="wordpiece").template == "bert"
    assert TokenizerSection(algorithm="wordpiece", lowercase=True).strip_accents
    assert not TokenizerSection(algorithm="wordpiece", lowercase=True, strip_accents=False).strip_accents


def test_null_is_no_token_for_a_special_token_and_the_default_for_anything_else() -> None:
    section = TokenizerSection(algorithm="wordpiece", mask_token=None, vocab_size=None, pre_tokenizer=None)
    assert (section.mask_token, section.vocab_size, section.pre_tokenizer) == (None, 32_768, "bert")


@pytest.mark.parametrize("keys", [{}, {"algorithm": "unigram"}, {"algorithm": "wordpiece", "mask_token": None}])
def test_a_section_survives_being_written_out(keys: dict[str, object]) -> None:
    section = TokenizerSection.model_validate(keys)
    assert BY_ALGORITHM not in section.model_dump().values()
    assert TokenizerSection.model_validate(section.model_dump()) == section


def test_the_size_is_rounded_up() -> None:
    assert TokenizerSection(vocab_size=1000, pad_to_multiple_of=64).target_size == 1024
    assert TokenizerSection(vocab_size=1024, pad_to_multiple_of=64).target_size == 1024
    assert TokenizerSection(algorithm="pretrained", name_or_path="gpt2").target_size is None
