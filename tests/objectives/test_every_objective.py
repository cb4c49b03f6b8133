"""What every collator promises, for any samples: the same row in any batch, inputs left alone, no sample too poor."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

import pretraining.objectives
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


def same_batch(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("kind", COLLATORS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=sample_lists(), left=st.booleans(), more=st.integers(0, 9))
def test_padding_that_an_attention_mask_leaves_out_is_no_part_of_a_sample(
    tools: Any, kind: str, texts: Any, left: bool, more: int
) -> None:
    section, tokenizer = tools(kind)
    collate = make_collator(section, tokenizer, sequence_length=WIDTH, seed=0)
    samples = [
        {**sample, "lengths": np.array([len(sample["input_ids"])])} for sample in as_samples(tokenizer, texts, 0)
    ]

    def padded(sample: dict[str, Any]) -> dict[str, Any]:
        rest, ones = np.full(more, tokenizer.pad_token_id), np.ones(len(sample["input_ids"]), int)
        ids, mask = [sample["input_ids"], rest], [ones, 0 * rest]
        ids, mask = (parts[::-1] if left else parts for parts in (ids, mask))
        return sample | {"input_ids": np.concatenate(ids), "attention_mask": np.concatenate(mask)}

    assert same_batch(collate([padded(sample) for sample in samples]), collate(samples))


@pytest.mark.parametrize("kind", COLLATORS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"input_ids": np.array([8.5, 9.5])},
            "needs input_ids, one row of whole numbers; it has float64 of shape (2,)",
        ),
        ({"input_ids": np.array([[8, 9]])}, "it has int64 of shape (1, 2)"),
        ({"input_ids": [8, -3]}, "holds the id -3, and the tokenizer's ids are 0 to"),
        ({"input_ids": [8, 10**6]}, "holds the id 1000000, and the tokenizer's ids are 0 to"),
        ({"lengths": [3, -1]}, "sample 0 has lengths [3, -1]; a length is 0 or more"),
        ({"lengths": [1]}, "sample 0 has 2 tokens"),
        ({"attention_mask": [1]}, "sample 0 has 2 tokens and an attention_mask of shape (1,)"),
        ({"index": -1}, "index = -1: give a whole number, 0 or more"),
        ({"index": 5.7}, "index = 5.7: give a whole number"),
        ({"epoch": 0.5}, "epoch = 0.5: give a whole number"),
    ],
)
def test_what_is_no_sample_is_told(tools: Any, kind: str, wrong: dict[str, Any], message: str) -> None:
    if kind == "causal_lm" and {"index", "epoch"} & wrong.keys():
        return  # draws nothing
    section, tokenizer = tools(kind)
    collate = make_collator(section, tokenizer, sequence_length=WIDTH, seed=0)
    with pytest.raises(ValueError, match=re.escape(message)):
        collate([{"input_ids": [8, 9], "index": 0} | wrong])
    with pytest.raises(ValueError, match=re.escape("needs input_ids, one row of whole numbers; it has none")):
        collate([{"index": 0}])


@pytest.mark.parametrize("kind", COLLATORS)
def test_some_with_an_index_and_some_without_are_told(tools: Any, kind: str) -> None:
    section, tokenizer = tools(kind)
    collate = make_collator(section, tokenizer, sequence_length=WIDTH, seed=0)
    if kind != "causal_lm":
        with pytest.raises(ValueError, match="sample 1 has no `index` and others of its batch have"):
            collate([{"input_ids": [8, 9], "index": 0}, {"input_ids": [8, 9]}])


@pytest.mark.parametrize("kind", COLLATORS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sequence_length": 0}, "sequence_length = 0: give a whole number, 1 or more"),
        ({"sequence_length": None}, "sequence_length = None: give a whole number"),
        ({"seed": 1.5}, "seed = 1.5: give a whole number"),
        ({"seed": None}, "seed = None: give a whole number"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of = 0: give a whole number, 1 or more"),
    ],
)
def test_arguments_that_cannot_be_are_told(tools: Any, kind: str, wrong: dict[str, Any], message: str) -> None:
    if kind == "multi_task":
        return  # its tasks say it
    section, tokenizer = tools(kind)
    collator = getattr(pretraining.objectives, COLLATORS[kind])
    parameters = section.collator_parameters()
    with pytest.raises(ValueError, match=re.escape(message)):
        collator(tokenizer, **{"sequence_length": WIDTH, **wrong}, **parameters)
    with pytest.raises(TypeError, match="a fast tokenizer of transformers is needed, not str"):
        collator("bert-base-uncased", sequence_length=WIDTH)
