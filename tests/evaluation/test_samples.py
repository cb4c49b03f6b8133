from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import MptConfig, MptForCausalLM

from pretraining.errors import DataError
from pretraining.evaluation.config import SamplesSection
from pretraining.evaluation.samples import write_samples


def test_same_at_every_run_and_torch_generator_untouched(llama: Any, tokenizer: Any) -> None:
    section = SamplesSection(prompts=["The people", "", "The people"], max_new_tokens=20)
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first = write_samples(llama, tokenizer, section)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(8)
    assert write_samples(llama, tokenizer, section) == first
    assert [s["prompt"] for s in first] == section.prompts
    assert first[0]["text"] and first[0]["text"] != first[2]["text"]  # each sample has its own seed
    assert not first[0]["text"].startswith("The people")


def test_temperature_zero_takes_the_likeliest_token(gpt2: Any, tokenizer: Any) -> None:
    (sample,) = write_samples(gpt2, tokenizer, SamplesSection(prompts=["War"], max_new_tokens=6, temperature=0.0))
    ids = [tokenizer.bos_token_id, *tokenizer("War")["input_ids"]]
    start = len(ids)
    for _ in range(6):
        ids.append(int(gpt2(torch.tensor([ids])).logits[0, -1].argmax()))
    assert sample["text"] == tokenizer.decode(ids[start:], skip_special_tokens=True)


def test_length_ends_with_the_positions_of_the_model(gpt2: Any, tokenizer: Any) -> None:
    assert gpt2.config.n_positions == 64  # GPT-2 has a table of positions: one more is an IndexError
    (sample,) = write_samples(gpt2, tokenizer, SamplesSection(prompts=[""], max_new_tokens=500))
    assert sample["text"]


def test_length_ends_with_the_positions_of_mpt(tokenizer: Any) -> None:
    torch.manual_seed(0)
    config = MptConfig(d_model=16, n_heads=2, n_layers=1, vocab_size=len(tokenizer), max_seq_len=12)
    section = SamplesSection(prompts=[""], max_new_tokens=40, temperature=0.0)  # one more would be a RuntimeError
    (sample,) = write_samples(MptForCausalLM(config).eval(), tokenizer, section)
    assert sample["text"]


def test_prompt_without_room(llama: Any, tokenizer: Any) -> None:
    with pytest.raises(DataError, match="the model has 64 positions; shorten the prompt"):
        write_samples(llama, tokenizer, SamplesSection(prompts=["peace " * 100]))


def test_empty_prompt_without_a_token_to_begin_with(llama: Any, speeches: list[str], helpers: Any) -> None:
    with pytest.raises(DataError, match="an empty prompt needs"):
        write_samples(llama, helpers.train_tokenizer(speeches, {}), SamplesSection(prompts=[""]))
