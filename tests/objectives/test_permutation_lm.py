"""Permutation language modeling: who sees whom, how many targets, and that the model depends on nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pretraining.objectives.permutation_lm import DataCollatorForPermutationLM
from pretraining.objectives.sections.permutation import PermutationLMSection


class Vocabulary(SimpleNamespace):
    eos_token_id, sep_token_id = 1, None

    def __len__(self) -> int:
        return 97

    def get_vocab(self) -> dict[str, int]:
        return {f"t{i}": i for i in range(97)}


TOKENIZER = Vocabulary(pad_token_id=0, all_special_ids=[0, 1, 2, 3])
WIDTH = 48


def collator(**options: Any) -> DataCollatorForPermutationLM:
    return DataCollatorForPermutationLM(TOKENIZER, **({"sequence_length": WIDTH, "seed": 5} | options))


def sample(index: int, lengths: list[int], epoch: int = 0) -> dict[str, Any]:
    ids = np.random.default_rng(index).integers(4, 97, sum(lengths)).astype(np.uint16)
    ends = np.cumsum(lengths, dtype=np.int64)
    ids[ends[ends > 0] - 1] = 2  # every document ends with a special token
    return {"input_ids": ids, "lengths": np.array(lengths), "index": index, "epoch": epoch}


lengths = st.lists(st.integers(1, 12), max_size=4)


@given(st.lists(lengths, min_size=1, max_size=4), st.sampled_from([None, 16]))
def test_one_in_six_ordinary_tokens_is_a_target_and_its_own_label(
    pieces: list[list[int]], perm_size: int | None
) -> None:
    samples = [sample(number, one) for number, one in enumerate(pieces)]
    before = [one["input_ids"].copy() for one in samples]
    made = collator(perm_size=perm_size)(samples)
    for row, one in enumerate(samples):
        assert np.array_equal(one["input_ids"], before[row])
        ids = made["input_ids"][row]
        assert torch.equal(ids[: len(before[row])], torch.from_numpy(before[row].astype(np.int64)))
        mapping, labels = made["target_mapping"][row], made["labels"][row]
        used = labels != -100
        assert int(used.sum()) == round(int((before[row] > 3).sum()) / 6)
        assert torch.equal(mapping.sum(1), used.float())
        assert torch.equal(ids[mapping[used].argmax(1)], labels[used])
        assert (labels[used] > 3).all()


def test_who_sees_whom() -> None:
    made = collator()([sample(0, [20, 27])])
    hidden, ids = made["perm_mask"][0], made["input_ids"][0]
    target = made["target_mapping"][0].sum(0).bool()
    ordinary = (ids > 3) & ~target
    assert not hidden[:, ordinary].any()
    assert hidden[ordinary][:, ~ordinary].all()
    places = target.nonzero()[:, 0]
    seen = ~hidden[places][:, places]
    assert not seen.diagonal().any()
    order = seen.sum(1)  # how many targets come before each: a permutation, and the relation is a strict order
    assert sorted(order.tolist()) == list(range(len(places)))
    assert torch.equal(seen, order[:, None] > order[None])
    special = ((ids == 2) | (ids == 1)).nonzero()[:, 0]
    assert not hidden[special, special].any()


def test_targets_of_blocks_see_the_targets_that_came_before_only() -> None:
    made = collator(perm_size=24)([sample(number, [48]) for number in range(20)])
    target = made["target_mapping"].sum(1).bool()
    for hidden, chosen in zip(made["perm_mask"], target, strict=True):
        first, second = chosen[:24].nonzero()[:, 0], 24 + chosen[24:].nonzero()[:, 0]
        assert hidden[first][:, second].all()
        assert not hidden[second][:, first].any()


def test_lengths_of_spans_and_uniform_places() -> None:
    made = collator(sequence_length=512)([sample(number, [512]) for number in range(200)])
    target = made["target_mapping"].sum(1).bool().numpy()
    starts = target & ~np.pad(target, ((0, 0), (1, 0)))[:, :-1]
    mean = target.sum() / starts.sum()
    assert 1.6 < mean < 2.6  # n-grams of 2.19 tokens on average, some of them neighbours, some filled up singly
    share = target[:, 20:480].mean(0)
    assert share.std() < 2 * np.sqrt(1 / 6 * 5 / 6 / 200)
    assert abs(target[:, :511].mean() - 1 / 6) < 1e-3


def test_a_sample_has_its_own_draws() -> None:
    alone = collator()([sample(7, [40])])
    together = collator()([sample(3, [48]), sample(7, [40]), sample(9, [])])
    for key in ("input_ids", "perm_mask"):
        assert torch.equal(alone[key][0], together[key][1])
    count = int((alone["labels"] != -100).sum())
    assert torch.equal(alone["labels"][0, :count], together["labels"][1, :count])
    again = collator()([sample(7, [40], epoch=1)])
    assert not torch.equal(again["perm_mask"], alone["perm_mask"])


@pytest.mark.parametrize("ids", [[], [5], [1, 2], [2]])
def test_degenerate_samples(ids: list[int]) -> None:
    made = collator(pad_to_multiple_of=4)([{"input_ids": np.array(ids, np.uint16), "index": 0}])
    assert made["input_ids"].shape == (1, 4)
    assert (made["labels"] == -100).all()


def test_a_target_depends_on_exactly_what_the_order_allows() -> None:
    """By perturbing XLNet itself: ``order_i > order_j`` if and only if the logits of target ``i`` move with ``j``."""
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[1] / "modeling"))
    from families import make

    from pretraining.modeling.families import hidden_states

    model = make("xlnet")
    made = collator(sequence_length=24)([sample(1, [10, 14])])
    places = made["target_mapping"][0].argmax(1)
    with torch.no_grad():
        before = hidden_states(model, made)[0]
        for place in range(24):
            ids = made["input_ids"].clone()
            ids[0, place] = (ids[0, place] + 1) % 97
            moved = (hidden_states(model, {**made, "input_ids": ids})[0] - before).abs().amax(-1) > 1e-6
            same = made["document_ids"][0, places] == made["document_ids"][0, place]
            assert torch.equal(moved, same & ~made["perm_mask"][0, places, place])


def test_the_section() -> None:
    section = PermutationLMSection()
    assert section.heads() == ("permutation_lm",)
    assert section.raw_length(512) == collator(**section.collator_parameters()).raw_length(512) == 512


def test_targets_do_not_depend_on_the_width_of_the_batch() -> None:
    short, long = [sample(number, [16]) for number in range(300)], sample(999, [WIDTH])
    make = collator(mask_alpha=7, mask_beta=2, pad_to_multiple_of=16)
    alone, beside = make(short), make([*short, long])
    for row in range(300):
        places = [made["target_mapping"][row].any(0).nonzero()[:, 0].tolist() for made in (alone, beside)]
        assert places[0] == places[1]


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"mask_beta \(2\) must not be above mask_alpha \(1\)"):
        PermutationLMSection(mask_alpha=1, mask_beta=2)
