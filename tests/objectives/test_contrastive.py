"""Every text twice: two equal rows a sample, whatever the sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pretraining.objectives.contrastive import DataCollatorForContrastive
from pretraining.objectives.sections.contrastive import ContrastiveSection

WIDTH = 16


class Vocabulary:
    pad_token_id: int | None = 3
    eos_token_id, sep_token_id, all_special_ids = 2, None, (2, 3)

    def get_vocab(self) -> dict[str, int]:
        return {f"t{i}": i for i in range(1000)}


def collator(**options: Any) -> DataCollatorForContrastive:
    return DataCollatorForContrastive(Vocabulary(), **({"sequence_length": WIDTH} | options))


def sample(ids: list[int], *, cut: int = 0) -> dict[str, Any]:
    """One text; with ``cut``, in two pieces, as packing makes them of a long document."""
    lengths = [cut, len(ids) - cut] if cut else [len(ids)]
    return {"input_ids": np.array(ids, np.uint16), "lengths": np.array(lengths), "index": 0, "epoch": 0}


@given(
    st.lists(st.lists(st.integers(0, 999), max_size=WIDTH), min_size=1, max_size=5),
    st.sampled_from([None, 1, 4, 8]),
)
def test_both_views_are_the_text_and_its_padding(texts: list[list[int]], multiple: int | None) -> None:
    made = collator(pad_to_multiple_of=multiple)([sample(ids) for ids in texts])
    assert {key: tensor.dtype for key, tensor in made.items()} == dict.fromkeys(
        ("input_ids", "position_ids", "document_ids"), torch.int64
    )
    longest = max(1, *map(len, texts))
    width = WIDTH if multiple is None else min(WIDTH, -(-longest // multiple) * multiple)
    for row, ids in enumerate(texts):
        for view in (2 * row, 2 * row + 1):
            rest = width - len(ids)
            assert made["input_ids"][view].tolist() == ids + [3] * rest
            assert made["position_ids"][view].tolist() == [*range(len(ids)), *[0] * rest]
            assert made["document_ids"][view].tolist() == [1] * len(ids) + [0] * rest
    assert len(made["input_ids"]) == 2 * len(texts)


def test_pieces_are_one_text() -> None:
    whole, cut = collator()([sample([5, 6, 7, 8])]), collator()([sample([5, 6, 7, 8], cut=3)])
    assert all(torch.equal(tensor, cut[key]) for key, tensor in whole.items())


def test_views_do_not_share_memory() -> None:
    made = collator()([sample([5, 6])])
    made["input_ids"][0] = 0
    assert made["input_ids"][1, :2].tolist() == [5, 6]


def test_the_section_and_a_sample_that_is_too_long() -> None:
    section = ContrastiveSection()
    assert section.heads() == ("encoder",) and section.collator_parameters() == {}
    assert section.raw_length(WIDTH) == collator().raw_length(WIDTH) == WIDTH
    assert collator().special_tokens() == section.special_tokens() == []
    with pytest.raises(ValueError, match="17 tokens, for rows that take 16: cut samples to"):
        collator()([sample([5] * 17)])


def test_a_tokenizer_without_padding_pads_with_eos() -> None:
    class Unpadded(Vocabulary):
        pad_token_id = None

    batch = DataCollatorForContrastive(Unpadded(), sequence_length=WIDTH)([sample([5, 6])])
    assert batch["input_ids"][0].tolist() == [5, 6] + [2] * (WIDTH - 2)
    assert batch["document_ids"][0].tolist() == [1, 1] + [0] * (WIDTH - 2)
