"""What every collator promises, for any samples: the same row in any batch, inputs left alone, no sample too poor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pretraining.objectives import COLLATORS, make_collator
from pretraining.objectives.config import ObjectiveSection

WIDTH = 48
MULTI_TASK = {
    "tasks": [
        {"name": "spans", "objective": {"type": "span_corruption"}, "rate": 2.0},
        {"name": "all", "objective": {"type": "denoising"}},
    ]
}
OPTIONS: dict[str, dict[str, Any]] = {
    "prefix_lm": {"form": "encoder_decoder"},
    "fill_in_the_middle": {"fim_rate": 0.9, "reserve": 0.2},
    "masked_lm": {"unit": "span", "span_boundary": True},
    "mixture_of_denoisers": {"form": "decoder"},
    "denoising": {"rotate": 0.5},
    "blank_infilling": {"bert_prob": 0.4, "gap_sentence_prob": 0.3},
    "multi_task": MULTI_TASK,
}
FULL_STOP, ORDINARY = ".", [f"w{number}" for number in range(60)]


@pytest.fixture(scope="module")
def tools(make_tokenizer: Any) -> Any:
    """``tools(type)``: the section, and a tokenizer with all that it asks for."""
    made: dict[str, Any] = {}

    def make(kind: str) -> Any:
        if kind not in made:
            section = TypeAdapter(ObjectiveSection).validate_python({"type": kind} | OPTIONS.get(kind, {}))
            roles = {role: f"<{role}>" for role in section.token_roles()}
            marks = section.special_tokens()
            is_fim = kind == "fill_in_the_middle"
            made[kind] = section, without_blanks(marks) if is_fim else make_tokenizer(*marks, **roles)
        return made[kind]

    return make


def without_blanks(marks: list[str]) -> Any:
    """A tokenizer of the same words, written one after the other, that reads each part of a text by itself."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<unk>", *marks]
    words = [*special, *ORDINARY, FULL_STOP, "w", *"0123456789"]
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"w\d+|."), "isolated")
    backend.decoder = decoders.Fuse()
    backend.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", extra_special_tokens=marks
    )


@st.composite
def sample_lists(draw: st.DrawFn) -> list[list[list[str]]]:
    """Samples of pieces of words: ordinary ones, full stops, special tokens; some empty, some special all over."""
    word = st.sampled_from([*ORDINARY, FULL_STOP, "</s>", "<pad>", "<unk>"])
    special = st.sampled_from(["</s>", "<pad>"])
    piece = st.lists(word, max_size=9) | st.lists(special, min_size=1, max_size=6)
    return draw(st.lists(st.lists(piece, max_size=3), min_size=1, max_size=4))


def as_samples(tokenizer: Any, texts: list[list[list[str]]], epoch: int) -> list[dict[str, Any]]:
    made = []
    for index, pieces in enumerate(texts):
        ids = np.array([i for piece in pieces for i in tokenizer.convert_tokens_to_ids(piece)], np.uint16)
        ids.flags.writeable = False  # whoever writes into a sample gets an error
        lengths = np.array([len(piece) for piece in pieces], np.int64)
        made.append({"input_ids": ids, "lengths": lengths, "index": 7 * index, "epoch": epoch})
    other = {key: made[0][key] for key in ("input_ids", "lengths")}
    return [sample | {"other": other} for sample in made]


def row_of(batch: dict[str, torch.Tensor], kind: str, row: int, tasks: list[str]) -> dict[str, torch.Tensor]:
    """What belongs to one sample; places that other samples' number of targets makes are cut off."""
    if kind == "contrastive":
        return {key: tensor[2 * row : 2 * row + 2] for key, tensor in batch.items()}
    if kind == "multi_task":
        own = tasks[:row].count(tasks[row])
        return {key: tensor[own] for key, tensor in batch.items() if key.startswith(f"{tasks[row]}/")}
    found = {key: tensor[row] for key, tensor in batch.items()}
    if kind == "permutation_lm":
        used = found["labels"] != -100
        found |= {key: found[key][used] for key in ("labels", "target_mapping")}
    return found


@pytest.mark.parametrize("kind", COLLATORS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=sample_lists(), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 5), data=st.data())
def test_a_sample_is_the_same_in_any_batch(
    tools: Any, kind: str, texts: Any, seed: int, epoch: int, data: st.DataObject
) -> None:
    section, tokenizer = tools(kind)
    collate = make_collator(section, tokenizer, sequence_length=WIDTH, seed=seed)
    samples = as_samples(tokenizer, texts, epoch)
    batch = collate(samples)
    order = data.draw(st.permutations(range(len(samples))))[: data.draw(st.integers(1, len(samples)))]
    chosen = [samples[number] for number in order]
    again = make_collator(section, tokenizer, sequence_length=WIDTH, seed=seed)(chosen)
    tasks, own_tasks = (collate.tasks(each) if kind == "multi_task" else [] for each in (samples, chosen))
    for row, number in enumerate(order):
        before, after = row_of(batch, kind, number, tasks), row_of(again, kind, row, own_tasks)
        assert before.keys() == after.keys() and before
        for key, tensor in before.items():
            assert torch.equal(tensor, after[key]), key


@pytest.mark.parametrize("kind", COLLATORS)
def test_another_seed_and_another_epoch_are_other_draws(tools: Any, kind: str) -> None:
    """Except where nothing is drawn."""
    section, tokenizer = tools(kind)
    texts = [[ORDINARY[: section.raw_length(WIDTH)]] for _ in range(6)]

    def batch(seed: int, epoch: int) -> list[torch.Tensor]:
        collate = make_collator(section, tokenizer, sequence_length=WIDTH, seed=seed)
        return list(collate(as_samples(tokenizer, texts, epoch)).values())

    def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
        return len(a) == len(b) and all(x.shape == y.shape and torch.equal(x, y) for x, y in zip(a, b, strict=True))

    fixed = kind in ("causal_lm", "contrastive")
    assert same(batch(1, 0), batch(1, 0))
    assert same(batch(1, 0), batch(2, 0)) is same(batch(1, 0), batch(1, 1)) is fixed
