from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.objectives.blank_infilling import DataCollatorForBlankInfilling
from pretraining.objectives.rows import make_rows
from pretraining.objectives.sections.infilling import BlankInfillingSection
from pretraining.objectives.spans import Spans

Make = Callable[..., Any]
NAMES = ["[MASK]", "[sMASK]", "[gMASK]", "<|startofpiece|>", "<|endofpiece|>"]
KINDS = [{}, {"bert_prob": 0.0, "gap_sentence_prob": 1.0}, {"bert_prob": 0.0}]


@pytest.fixture(scope="module")
def glm(make_tokenizer: Make) -> Any:
    return make_tokenizer(*NAMES)


def test_the_vector_of_the_reference(glm: Any, pack: Make) -> None:
    collator = DataCollatorForBlankInfilling(glm, sequence_length=10)
    mask, _, _, start, end = glm.convert_tokens_to_ids(NAMES)
    rows = make_rows([pack([1, 2, 3, 4, 5, 6])], width=6, pad_token_id=0, seed=0)
    spans = Spans(np.array([0, 0]), np.array([2, 4]), np.array([1, 2]))
    expected = {
        "input_ids": [1, 2, mask, 4, mask, start, 3, start, 5, 6],
        "shift_labels": [-100] * 5 + [3, end, 5, 6, end],
        "prefix_mask": [1] * 5 + [0] * 5,
        "position_ids": [0, 1, 2, 3, 4, 2, 2, 4, 4, 4],
        "block_position_ids": [0, 0, 0, 0, 0, 1, 2, 1, 2, 3],
        "document_ids": [1] * 10,
    }
    batch = collator._batch(rows, spans, np.array([mask, mask]), np.array([0, 1]))
    assert {key: tensor[0].tolist() for key, tensor in batch.items()} == expected
    batch = collator._batch(rows, spans, np.array([mask, mask]), np.array([1, 0]))
    assert batch["input_ids"][0, 5:].tolist() == [start, 5, 6, start, 3]
    assert batch["position_ids"][0, 5:].tolist() == [4, 4, 4, 2, 2]


def restored(batch: dict[str, Any], row: int, names: list[int], by_document: Make) -> dict[int, list[int]]:
    """The text of each piece, with every rule about spans, positions and targets checked on the way."""
    blanks, (start, end) = names[:3], names[3:]
    columns = {key: by_document(tensor[row], batch["document_ids"][row]) for key, tensor in batch.items()}
    texts = {}
    for number, ids in columns["input_ids"].items():
        one = {key: column[number] for key, column in columns.items()}
        length = sum(one["prefix_mask"])
        assert one["prefix_mask"] == [True] * length + [False] * (len(ids) - length)
        assert one["shift_labels"][:length] == [-100] * length
        assert one["position_ids"][:length] == list(range(length))
        assert one["block_position_ids"][:length] == [0] * length
        found: dict[int, list[int]] = {}
        place = length
        while place < len(ids):
            assert ids[place] == start
            stop = one["shift_labels"].index(end, place)
            assert one["shift_labels"][place:stop] == ids[place + 1 : stop + 1]  # each token predicts the next one
            assert len(set(one["position_ids"][place : stop + 1])) == 1
            assert one["block_position_ids"][place : stop + 1] == list(range(1, stop - place + 2))
            found[one["position_ids"][place]] = ids[place + 1 : stop + 1]
            place = stop + 1
        assert sorted(found) == [place for place in range(length) if ids[place] in blanks]
        texts[number] = [token for place, own in enumerate(ids[:length]) for token in found.get(place, [own])]
    return texts


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(KINDS), shuffle=st.booleans(), index=st.integers(0, 99))
def test_every_document_is_restored(
    glm: Any, pack: Make, by_document: Make, data: st.DataObject, kind: dict[str, Any], shuffle: bool, index: int
) -> None:
    collator = DataCollatorForBlankInfilling(glm, sequence_length=64, shuffle_blocks=shuffle, **kind)
    stop = glm.convert_tokens_to_ids(".")
    left, pieces = collator.raw_length(64), []
    while left > 0 and len(pieces) < 8:
        size = data.draw(st.integers(1, left))
        pieces.append([*(stop if n % 7 == 6 else 10 + n for n in range(size - 1)), 1])
        left -= size
    batch = collator([pack(*pieces, index=index)])
    names = glm.convert_tokens_to_ids(NAMES)
    assert restored(batch, 0, names, by_document) == dict(enumerate(pieces, 1))
    if kind != KINDS[2]:
        assert not (batch["shift_labels"] == 1).any()  # the end of a document is never in a blank


def test_short_spans(glm: Any, random_sample: Make, by_document: Make) -> None:
    collator = DataCollatorForBlankInfilling(glm, sequence_length=512)
    raw = collator.raw_length(512)
    batch = collator([random_sample(raw, pieces, 10 * n + pieces) for n in range(100) for pieces in (1, 1, 1, 5)])
    names = glm.convert_tokens_to_ids(NAMES)
    spans = (batch["input_ids"] == names[3]).sum(1)
    hidden = (batch["shift_labels"] != -100).sum(1) - spans
    full = spans == (512 - raw) // 2  # there is room for no more: one row in a thousand
    assert set(hidden[~full].tolist()) == {int(0.15 * raw)}
    assert full.sum() < 5
    assert ((batch["document_ids"] > 0).sum(1) == raw + 2 * spans).all()
    lengths = Counter()
    for row in range(0, 400, 4):
        restored(batch, row, names, by_document)
        ends = np.flatnonzero(batch["shift_labels"][row] == names[4])
        starts = np.flatnonzero(batch["input_ids"][row] == names[3])
        lengths.update((ends - starts).tolist())
    mean = sum(length * count for length, count in lengths.items()) / lengths.total()
    assert mean == pytest.approx(3.157 * 0.975, abs=0.12)  # one in 21 is cut
    order = [batch["position_ids"][row][batch["input_ids"][row] == names[3]].tolist() for row in range(3)]
    assert order != [sorted(places) for places in order]
    blank = batch["input_ids"] == names[0]
    together = batch["document_ids"][:, 1:] == batch["document_ids"][:, :-1]
    assert not (blank[:, 1:] & blank[:, :-1] & together).any()  # a token at least between two blanks


def test_sentences_and_long_spans(glm: Any, pack: Make) -> None:
    stop = glm.convert_tokens_to_ids(".")
    mask, sentence, long, start, _ = glm.convert_tokens_to_ids(NAMES)
    text = [token for n in range(10) for token in (10 + 3 * n, 11 + 3 * n, 12 + 3 * n, stop)]
    samples = [pack(text, index=index) for index in range(300)]
    batch = DataCollatorForBlankInfilling(glm, sequence_length=64, **KINDS[1])(samples)
    assert ((batch["input_ids"] == sentence).sum(1) == 2).all()  # 15 % of 40 tokens are reached by the second
    assert ((batch["input_ids"] == start).sum(1) == 2).all()
    assert (batch["shift_labels"][batch["shift_labels"] != -100].view(300, 2, 5)[:, :, 3] == stop).all()
    assert ((batch["input_ids"] == mask) | (batch["input_ids"] == long)).sum() == 0

    batch = DataCollatorForBlankInfilling(glm, sequence_length=64, **KINDS[2])(samples)
    lengths = (batch["shift_labels"] != -100).sum(1) - 1
    assert ((batch["input_ids"] == long).sum(1) == 1).all()
    assert (lengths.min(), lengths.max()) == (10, 39)
    assert lengths.float().mean() == pytest.approx(24.5, abs=4 * 8.7 / 300**0.5)


def test_kinds_are_drawn_at_their_rates(glm: Any, random_sample: Make) -> None:
    collator = DataCollatorForBlankInfilling(glm, sequence_length=64, bert_prob=0.5, gap_sentence_prob=0.3)
    sample = random_sample(collator.raw_length(64))
    batch = collator([{**sample, "index": index} for index in range(3000)])
    ids = glm.convert_tokens_to_ids(NAMES[:3])
    shares = [(batch["input_ids"] == mask).any(1).float().mean().item() for mask in ids]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=4 * 0.5 / 3000**0.5)


def test_spans_for_which_there_is_no_room_stay_in_the_text(glm: Any, pack: Make, by_document: Make) -> None:
    collator = DataCollatorForBlankInfilling(glm, sequence_length=64, bert_prob=0.0)
    raw = collator.raw_length(64)
    pieces = [[10, 11]] * (raw // 2)
    batch = collator([pack(*pieces)])
    assert (batch["input_ids"] == glm.convert_tokens_to_ids("[gMASK]")).sum() == (64 - 2 * (raw // 2)) // 2
    assert list(restored(batch, 0, glm.convert_tokens_to_ids(NAMES), by_document).values()) == pieces


def test_the_section(make_tokenizer: Make) -> None:
    assert BlankInfillingSection().special_tokens() == ["[MASK]", *NAMES[3:]]
    assert BlankInfillingSection(bert_prob=0.5, gap_sentence_prob=0.3).special_tokens() == NAMES
    assert BlankInfillingSection().heads() == ("causal_lm",)
    assert BlankInfillingSection().raw_length(512) == 452
    with pytest.raises(
        DataError, match=r"lacks 1 of the 5 tokens.*'<\|endofpiece\|>' first; train the tokenizer with it"
    ):
        DataCollatorForBlankInfilling(make_tokenizer(*NAMES[:-1]), sequence_length=64)
    for equal in ({"start_token": NAMES[4]}, {"mask_token": NAMES[3]}):
        with pytest.raises(ValueError, match="start_token and end_token must differ"):
            BlankInfillingSection.model_validate(equal)
    with pytest.raises(ValueError, match="must not add up to more than 1"):
        BlankInfillingSection(bert_prob=0.8, gap_sentence_prob=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_contract(glm: Any, check_contract: Make, kind: dict[str, Any]) -> None:
    check_contract(lambda **options: DataCollatorForBlankInfilling(glm, sequence_length=64, **kind, **options))
