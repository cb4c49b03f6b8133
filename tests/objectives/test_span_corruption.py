from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.objectives.sections.spans import SpanCorruptionSection, sentinels
from pretraining.objectives.seq2seq import corrupt
from pretraining.objectives.span_corruption import DataCollatorForSpanCorruption
from pretraining.objectives.spans import Spans

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def t5(make_tokenizer: Make) -> Any:
    """Sentinels descend, as in T5, with more tokens after them."""
    return make_tokenizer(*sentinels(100)[::-1], "[LATER]")


def spans_of(mask: list[int]) -> Spans:
    edges = np.diff([0, *mask, 0])
    starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    return Spans(np.zeros_like(starts), starts, ends - starts)


def reference(ids: list[int], mask: list[int], first: int) -> tuple[list[int], list[int]]:
    """T5's two functions, run by run: noise runs to sentinels in the inputs, the others in the targets."""

    def replace(wanted: int) -> list[int]:
        out, sentinel = [], first
        for place, token in enumerate(ids):
            if mask[place] != wanted:
                out.append(token)
            elif place == 0 or mask[place - 1] != wanted:
                out.append(sentinel)
                sentinel -= 1
        return out

    return replace(1), replace(0)


def restored(inputs: list[int], targets: list[int], sentinel_ids: list[int]) -> list[int]:
    """The text: each sentinel of the inputs replaced by what follows it in the targets."""
    found: dict[int, list[int]] = {}
    for token in targets:
        if token in sentinel_ids:
            found[token] = []
        else:
            found[list(found)[-1]].append(token)
    assert list(found) == [token for token in inputs if token in sentinel_ids]
    return [part for token in inputs for part in found.get(token, [token])]


def test_the_vector_of_the_reference_and_a_mask_that_begins_with_noise() -> None:
    ids, mask = np.arange(10, 16), [1, 1, 0, 0, 1, 0]
    inputs, targets = corrupt(ids, spans_of(mask), np.array([999, 998]), np.array([6]))
    assert inputs.ids.tolist() == [999, 12, 13, 998, 15]
    assert targets.ids.tolist() == [999, 10, 11, 998, 14]  # T5: 10 11 999 14 998, one sentinel late


@settings(max_examples=50)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=30))
def test_same_as_the_reference_where_text_begins_without_noise(mask: list[int]) -> None:
    mask = [0, *mask, 1]
    ids = list(range(10, 10 + len(mask)))
    spans = spans_of(mask)
    marks = 999 - np.arange(len(spans.start))
    inputs, targets = corrupt(np.array(ids), spans, marks, np.array([len(ids)]))
    assert (inputs.ids.tolist(), targets.ids.tolist()) == reference(ids, mask, 999)


@pytest.mark.parametrize("options", [{}, {"noise_density": 0.5, "mean_span_length": 8.0}, {"random_roll": True}])
def test_a_full_row_is_filled_exactly(t5: Any, random_sample: Make, options: dict[str, Any]) -> None:
    collator = DataCollatorForSpanCorruption(t5, sequence_length=256, **options)
    raw = collator.raw_length(256)
    samples = [random_sample(raw, 1, index) for index in range(8)]
    batch = collator(samples)
    names = [t5.convert_tokens_to_ids(f"<extra_id_{number}>") for number in range(100)]
    spans = collator.section.spans(256)
    assert batch["input_ids"].shape == (8, 256)
    assert batch["labels"].shape == (8, collator.section.target_length(256))
    for row, sample in enumerate(samples):
        inputs, targets = batch["input_ids"][row].tolist(), batch["labels"][row].tolist()
        assert inputs.pop() == targets.pop() == t5.eos_token_id
        used = [token for token in inputs if token in names]
        assert used == [token for token in targets if token in names] == names[:spans]
        assert used == sorted(used, reverse=True)
        assert restored(inputs, targets, names) == sample["input_ids"].tolist()
    assert (batch["decoder_input_ids"][:, 0] == t5.pad_token_id).all()
    assert (batch["decoder_input_ids"][:, 1:] == batch["labels"][:, :-1]).all()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), roll=st.booleans(), density=st.sampled_from([0.15, 0.3, 0.5]))
def test_packed_documents_are_restored_one_by_one(
    t5: Any, pack: Make, by_document: Make, data: st.DataObject, roll: bool, density: float
) -> None:
    collator = DataCollatorForSpanCorruption(t5, sequence_length=64, noise_density=density, random_roll=roll)
    left, pieces = collator.raw_length(64), []
    while left > 0 and len(pieces) < 12:
        pieces.append(list(range(10, 10 + data.draw(st.integers(1, left)))))
        left -= len(pieces[-1])
    names = collator.sentinel_ids.tolist()
    batch = {key: tensor[0] for key, tensor in collator([pack(*pieces)]).items()}
    inputs = by_document(batch["input_ids"], batch["document_ids"])
    targets = by_document(batch["labels"], batch["decoder_document_ids"])
    starts = by_document(batch["decoder_input_ids"], batch["decoder_document_ids"])
    for number, piece in enumerate(pieces, 1):
        source, target = inputs.get(number, []), targets.get(number, [])
        assert starts.get(number, []) == [t5.pad_token_id, *target][: len(target)]
        if number == len(pieces):
            assert source.pop() == target.pop() == t5.eos_token_id
        if restored(source, target, names) != piece:  # tiny pieces: what has no target may have been left out
            assert not target and source == piece[: len(source)]
            assert sum(map(len, pieces)) > 60
        assert [token for token in source if token in names] == names[: sum(token in names for token in source)]


def test_totals_of_packed_rows_are_those_of_one_document(t5: Any, random_sample: Make) -> None:
    collator = DataCollatorForSpanCorruption(t5, sequence_length=512)
    batch = collator([random_sample(568, pieces, index) for index, pieces in enumerate((1, 2, 7, 30))])
    assert (batch["document_ids"] > 0).all()
    assert (batch["decoder_document_ids"] > 0).all()
    assert batch["labels"].shape == (4, 114)
    assert (batch["decoder_document_ids"].max(1).values <= batch["document_ids"].max(1).values).all()
    assert (batch["labels"] == t5.eos_token_id).sum(1).tolist() == [1, 1, 1, 1]
    positions = batch["position_ids"][2]
    assert (positions == 0).sum() == 7


@pytest.mark.parametrize(("longest", "lost"), [(5, 0.011), (20, 0.0), (200, 0.0)])
def test_pieces_too_short_for_their_noise_lose_their_ends(make_tokenizer: Make, longest: int, lost: float) -> None:
    """The figure that the docstring gives, at 512 places."""
    tokenizer = make_tokenizer(*SpanCorruptionSection(extra_ids=300).special_tokens())
    collator = DataCollatorForSpanCorruption(tokenizer, sequence_length=512, extra_ids=300)
    raw, generator, samples = collator.raw_length(512), np.random.default_rng(0), []
    ordinary = collator.vocabulary.ordinary
    for index in range(64):
        ends = np.cumsum(generator.integers(1, longest + 1, raw))
        lengths = np.diff(np.append(ends[ends < raw], raw), prepend=0)
        samples.append({"input_ids": generator.choice(ordinary, raw), "lengths": lengths, "index": index})
    batch = collator(samples)
    kept = sum(int(np.isin(batch[key].numpy(), ordinary).sum()) for key in ("input_ids", "labels"))
    assert 1 - kept / (64 * raw) == pytest.approx(lost, abs=0.002)


def test_where_noise_falls(t5: Any, random_sample: Make) -> None:
    from pretraining.objectives.rows import make_rows
    from pretraining.objectives.spans import PieceDraws, random_spans

    rows = make_rows(
        [{"input_ids": np.ones(568, int), "index": i} for i in range(4000)], width=568, pad_token_id=0, seed=0
    )
    full = np.ones(4000, np.int64)
    place = []
    for loose in (False, True):
        spans = random_spans(rows.piece_length, 85 * full, 28 * full, PieceDraws(rows), loose=loose)
        place.append(spans.mask(568 * 4000).reshape(-1, 568).mean(0))
    within = {"abs": 4 * 0.5 / 4000**0.5}
    assert place[0][:3] == pytest.approx([0, 0.0564, 0.095], **within)  # never, then rarely
    assert place[0][0] == 0 and place[0][-1] == 1
    assert place[0][-3:] == pytest.approx([0.473, 0.675, 1], **within)
    assert place[1][[0, -1]] == pytest.approx([28 / 484] * 2, **within)
    assert place[1][50:-50].mean() == pytest.approx(0.15, abs=0.003)


def test_too_few_sentinels_is_an_error(t5: Any) -> None:
    with pytest.raises(
        DataError, match=r"lacks 28 of the 128 tokens.*'<extra_id_100>' first; rows of 512 places have up"
    ):
        DataCollatorForSpanCorruption(t5, sequence_length=512, noise_density=0.5)
    section = SpanCorruptionSection(noise_density=0.5, extra_ids=128)
    assert section.special_tokens()[-1] == "<extra_id_127>"
    assert section.spans(512) == 128
    assert section.heads() == ("seq2seq_lm",)


def test_sentinels_are_found_by_name(make_tokenizer: Make, random_sample: Make) -> None:
    ascending = make_tokenizer(*sentinels(100), "[LATER]")
    collator = DataCollatorForSpanCorruption(ascending, sequence_length=64)
    targets = collator([random_sample(collator.raw_length(64))])["labels"][0].tolist()
    assert [t for t in ascending.convert_ids_to_tokens(targets) if "extra" in t] == sentinels(
        collator.section.spans(64)
    )


def test_the_contract(t5: Any, check_contract: Make) -> None:
    check_contract(lambda **options: DataCollatorForSpanCorruption(t5, sequence_length=64, **options))
    collator = DataCollatorForSpanCorruption(t5, sequence_length=64)
    assert collator.special_tokens() == sentinels(100)
    assert collator.raw_length(512) == 568
    with pytest.raises(ValueError, match="noise_densty"):
        DataCollatorForSpanCorruption(t5, sequence_length=64, noise_densty=0.2)


def test_documents_of_one_token_are_left_out_where_there_is_no_room(t5: Any, pack: Make, by_document: Make) -> None:
    collator = DataCollatorForSpanCorruption(t5, sequence_length=64)
    batch = collator([pack(*[[token] for token in range(10, 10 + collator.raw_length(64))])])
    assert batch["input_ids"][0].tolist() == [*range(10, 73), t5.eos_token_id]
    assert batch["labels"][0][batch["decoder_document_ids"][0] > 0].tolist() == [t5.eos_token_id]
