from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.objectives import prefix_lm
from pretraining.objectives.prefix_lm import DataCollatorForPrefixLM
from pretraining.objectives.sections.prefixes import PrefixLMSection

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def plain(make_tokenizer: Make) -> Any:
    return make_tokenizer()


def with_prefixes(monkeypatch: pytest.MonkeyPatch, *prefixes: int) -> None:
    monkeypatch.setattr(prefix_lm, "random_prefixes", lambda *_: np.array(prefixes, np.int64))


def test_the_pictured_example(plain: Any, pack: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_prefixes(monkeypatch, 3, 1)
    samples = [pack([10, 11, 12, 13, 14], [20, 21, 22])]
    batch = DataCollatorForPrefixLM(plain, sequence_length=9)(samples)
    assert {key: tensor[0].tolist() for key, tensor in batch.items()} == {
        "input_ids": [10, 11, 12, 13, 14, 20, 21, 22, 0],
        "labels": [-100, -100, -100, 13, 14, -100, 21, 22, -100],
        "prefix_mask": [1, 1, 1, 0, 0, 1, 0, 0, 0],
        "position_ids": [0, 1, 2, 3, 4, 0, 1, 2, 0],
        "document_ids": [1, 1, 1, 1, 1, 2, 2, 2, 0],
    }
    batch = DataCollatorForPrefixLM(plain, sequence_length=9, form="encoder_decoder")(samples)
    assert {key: tensor[0][:6].tolist() for key, tensor in batch.items()} == {
        "input_ids": [10, 11, 12, 20, 1, 0],
        "position_ids": [0, 1, 2, 0, 1, 0],
        "document_ids": [1, 1, 1, 2, 2, 0],
        "decoder_input_ids": [0, 13, 0, 21, 22, 0],
        "decoder_document_ids": [1, 1, 2, 2, 2, 0],
        "labels": [13, 14, 21, 22, 1, -100],
    }


def test_the_vector_of_seqio(plain: Any, pack: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_prefixes(monkeypatch, 4)
    batch = DataCollatorForPrefixLM(plain, sequence_length=7)([pack([7, 8, 5, 1, 3, 9, 1])])
    # seqio puts a start token in front of the inputs of the decoder: position t is our position t - 1, and its target
    # is the token that stands there.
    assert (batch["labels"][0] != -100).int().tolist() == [0, 0, 0, 0, 1, 1, 1]  # decoder_loss_weights
    assert [1, *batch["prefix_mask"][0].int().tolist()][:7] == [1, 1, 1, 1, 1, 0, 0]  # decoder_causal_attention


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6), form=st.sampled_from(["decoder", "encoder_decoder"]))
def test_documents_are_cut_once_and_nothing_is_lost(
    plain: Any, pack: Make, by_document: Make, sizes: list[int], form: str
) -> None:
    pieces = [list(range(10 * n, 10 * n + size)) for n, size in enumerate(sizes, 2)]
    collator = DataCollatorForPrefixLM(plain, sequence_length=sum(sizes) + 1, form=form)
    batch = {key: tensor[0] for key, tensor in collator([pack(*pieces)]).items()}
    inputs = by_document(batch["input_ids"], batch["document_ids"])
    if form == "decoder":
        assert list(inputs.values()) == pieces
        labels = by_document(batch["labels"], batch["document_ids"])
        masks = by_document(batch["prefix_mask"], batch["document_ids"])
        for number, piece in enumerate(pieces, 1):
            prefix = sum(masks[number])
            assert masks[number] == [True] * prefix + [False] * (len(piece) - prefix)
            assert prefix >= 1 and (prefix < len(piece) or len(piece) == 1)
            assert labels[number] == [-100] * prefix + piece[prefix:]
        return
    targets = by_document(batch["labels"], batch["decoder_document_ids"])
    for number, piece in enumerate(pieces, 1):
        end = [1] if number == len(pieces) else []
        source, target = inputs[number], targets.get(number, [])
        assert source[len(source) - len(end) :] == target[len(target) - len(end) :] == end
        source, target = source[: len(source) - len(end)], target[: len(target) - len(end)]
        assert source + target == piece
        assert source and (target or len(piece) == 1)


def test_every_prefix_is_as_likely(plain: Any, pack: Make) -> None:
    collator = DataCollatorForPrefixLM(plain, sequence_length=8)
    batch = collator([pack(list(range(10, 18)), index=index) for index in range(4000)])
    counts = Counter(batch["prefix_mask"].sum(1).tolist())
    assert sorted(counts) == list(range(1, 8))
    assert max(abs(count - 4000 / 7) for count in counts.values()) < 4 * (4000 / 7) ** 0.5


def test_the_section(plain: Any) -> None:
    assert PrefixLMSection().raw_length(512) == 512
    assert PrefixLMSection().heads() == ("causal_lm",)
    assert PrefixLMSection(form="encoder_decoder").raw_length(512) == 511
    assert PrefixLMSection(form="encoder_decoder").heads() == ("seq2seq_lm",)
    with pytest.raises(ValueError, match=r"less than or equal to 0\.5"):
        DataCollatorForPrefixLM(plain, sequence_length=8, noise_density=0.6)
    assert DataCollatorForPrefixLM(plain, sequence_length=8).special_tokens() == []


@pytest.mark.parametrize("form", ["decoder", "encoder_decoder"])
def test_the_contract(plain: Any, check_contract: Make, form: str) -> None:
    check_contract(lambda **options: DataCollatorForPrefixLM(plain, sequence_length=64, form=form, **options))
