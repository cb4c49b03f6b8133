from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.objectives.denoising import DataCollatorForDenoising
from pretraining.objectives.sections.infilling import DenoisingSection

Make = Callable[..., Any]
QUIET = {"permute_sentences": 0.0, "mask": 0.0}


@pytest.fixture(scope="module")
def bart(make_tokenizer: Make) -> Any:
    """``<pad> 0, </s> 1, <unk> 2, <s> 3, <mask> 4, w0 5, ...``, and a full stop."""
    return make_tokenizer(bos_token="<s>", mask_token="<mask>")


@pytest.fixture(scope="module")
def document(bart: Any, pack: Make) -> Callable[..., dict[str, Any]]:
    """``<s>``, ordinary tokens, ``</s>``: ``size`` in all."""

    def make(size: int, index: int = 0) -> dict[str, Any]:
        ids = np.random.default_rng(index).integers(10, 500, size - 2).tolist()
        return pack([3, *ids, 1], index=index)

    return make


def noised(bart: Any, samples: list[dict[str, Any]], *, width: int, **options: Any) -> list[list[int]]:
    batch = DataCollatorForDenoising(bart, sequence_length=width, **QUIET | options)(samples)
    for row, sample in enumerate(samples):
        kept = batch["decoder_document_ids"][row] > 0
        assert batch["labels"][row][kept].tolist() == sample["input_ids"].tolist()
    return [
        ids[documents > 0].tolist() for ids, documents in zip(batch["input_ids"], batch["document_ids"], strict=True)
    ]


def test_without_noise_it_is_autoencoding(bart: Any, document: Make) -> None:
    samples = [document(32), document(20, 1)]
    batch = DataCollatorForDenoising(bart, sequence_length=32, **QUIET)(samples)
    assert (batch["labels"][0] == batch["input_ids"][0]).all()
    assert noised(bart, samples, width=32) == [sample["input_ids"].tolist() for sample in samples]
    assert batch["decoder_input_ids"][1].tolist() == [1, *samples[1]["input_ids"][:-1].tolist(), *[0] * 12]
    assert batch["labels"][1][20:].tolist() == [-100] * 12


def test_infilling_hides_exactly_its_share_in_poisson_spans(bart: Any, document: Make) -> None:
    samples = [document(514, index) for index in range(600)]
    found = noised(bart, samples, width=514, mask=0.3, mask_random=0.0)
    masks = 0
    for sample, ids in zip(samples, found, strict=True):
        left = [token for token in ids if token != 4]
        assert len(left) == 514 - 154  # round(0.3 * 512)
        masks += len(ids) - len(left)
        text = iter(sample["input_ids"].tolist())
        assert all(token in text for token in left)  # a subsequence
        assert (ids[0], ids[-1]) == (3, 1)
    # A span is one mask of Poisson(3) tokens; the last one of a row is cut.
    assert masks / 600 == pytest.approx(154 / 3 + 0.5, abs=0.8)
    assert any(a == b == 4 for ids in found for a, b in zip(ids, ids[1:], strict=False))  # spans may touch


def test_masks_are_inserted_where_nothing_is_hidden(bart: Any, pack: Make) -> None:
    samples = [pack([3, *range(10, 210), 1], index=index) for index in range(200)]
    inserts = spans = 0
    for ids in noised(bart, samples, width=202, mask=0.3, mask_random=0.0):
        for before, token, after in zip(ids, ids[1:], ids[2:], strict=False):
            if token == 4 and before >= 10 and after >= 10:
                spans += 1
                inserts += after == before + 1
    assert inserts / spans == pytest.approx(np.exp(-3), abs=4 * (0.05 / spans) ** 0.5 + 0.005)


def test_masked_and_deleted_tokens(bart: Any, document: Make) -> None:
    sample = document(514)
    (masked,) = noised(bart, [sample], width=514, mask=0.15, mask_length="subword", mask_random=0.0)
    assert len(masked) == 514
    hidden = [place for place, token in enumerate(masked) if token == 4]
    assert len(hidden) == 77
    assert all(a == b for a, b in zip(masked, sample["input_ids"].tolist(), strict=True) if a != 4)
    (deleted,) = noised(bart, [sample], width=514, mask=0.15, mask_length="subword", replace_length=0)
    assert len(deleted) == 514 - 77
    assert 4 not in deleted
    (each,) = noised(bart, [sample], width=514, mask=0.3, replace_length=-1, mask_random=0.0)
    assert len(each) == 514
    assert each.count(4) == 154
    assert (each[0], each[-1]) == (3, 1)


def test_random_masks_are_ordinary_tokens(bart: Any, document: Make) -> None:
    samples = [document(130, index) for index in range(200)]
    found = noised(bart, samples, width=130, mask=1.0, mask_length="subword", mask_random=0.1)
    drawn = [token for ids in found for token in ids[1:-1] if token != 4]
    assert len(drawn) / (200 * 128) == pytest.approx(0.1, abs=4 * (0.09 / 25600) ** 0.5)
    assert min(drawn) >= 5
    assert len(set(drawn)) > 450


def test_sentences_change_places(bart: Any, pack: Make) -> None:
    stop = bart.convert_tokens_to_ids(".")
    text = [[10, 11, stop], [12, stop, stop], [13, 14, 15, stop], [16]]  # the last one has no full stop
    samples = [pack([3, *(t for sentence in text for t in sentence), 1], index=index) for index in range(2400)]
    found = Counter(tuple(ids) for ids in noised(bart, samples, width=16, permute_sentences=1.0))
    assert len(found) == 24
    assert max(abs(count - 100) for count in found.values()) < 4.5 * 100**0.5
    assert all(ids[0] == 3 and ids[-1] == 1 for ids in found)
    half = Counter(tuple(ids) for ids in noised(bart, samples, width=16, permute_sentences=0.5))
    assert len(half) == 1 + 6  # two of the four change places, or come back to their own
    assert half[tuple(samples[0]["input_ids"].tolist())] / 2400 == pytest.approx(0.5, abs=4 * 0.5 / 2400**0.5)


def test_documents_are_rotated(bart: Any, pack: Make) -> None:
    samples = [pack([3, 10, 11, 12, 13, 1], index=index) for index in range(2000)]
    found = Counter(tuple(ids) for ids in noised(bart, samples, width=6, rotate=1.0))
    assert sorted(found) == [
        (3, 10, 11, 12, 13, 1), (3, 11, 12, 13, 10, 1), (3, 12, 13, 10, 11, 1), (3, 13, 10, 11, 12, 1)
    ]  # fmt: skip
    assert max(abs(count - 500) for count in found.values()) < 4.5 * 500**0.5
    some = Counter(tuple(ids) for ids in noised(bart, samples, width=6, rotate=0.4))
    assert some[(3, 10, 11, 12, 13, 1)] / 2000 == pytest.approx(0.7, abs=4 * 0.46 / 2000**0.5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=5),
    mask=st.floats(0, 1),
    rate=st.floats(0.2, 5),
    replace=st.sampled_from([-1, 0, 1]),
    rotate=st.booleans(),
    index=st.integers(0, 99),
)
def test_noise_stays_within_its_document(
    bart: Any, pack: Make, by_document: Make, sizes: list[int], mask: float, rate: float, replace: Any, rotate: bool,
    index: int,
) -> None:  # fmt: skip
    pieces = [[3, *range(100 * n + 10, 100 * n + 10 + size), 1] for n, size in enumerate(sizes)]
    width = sum(map(len, pieces))
    collator = DataCollatorForDenoising(
        bart, sequence_length=width, mask=mask, poisson_lambda=rate, replace_length=replace, rotate=float(rotate),
        mask_random=0.0,
    )  # fmt: skip
    batch = {key: tensor[0] for key, tensor in collator([pack(*pieces, index=index)]).items()}
    found = by_document(batch["input_ids"], batch["document_ids"])
    assert by_document(batch["labels"], batch["decoder_document_ids"]) == dict(enumerate(pieces, 1))
    starts = by_document(batch["decoder_input_ids"], batch["decoder_document_ids"])
    assert starts == {number: [1, *piece[:-1]] for number, piece in enumerate(pieces, 1)}
    for number, piece in enumerate(pieces, 1):
        assert (found[number][0], found[number][-1]) == (3, 1)
        kept = [token for token in found[number] if token != 4]
        assert set(kept) <= set(piece) and len(kept) == len(set(kept))
        assert rotate or kept == sorted(kept, key=piece.index)
    hidden = width - sum(token != 4 for ids in found.values() for token in ids)
    assert hidden == np.rint(mask * sum(sizes))


def test_what_is_wrong_is_said(make_tokenizer: Make) -> None:
    with pytest.raises(DataError, match="needs a mask_token"):
        DataCollatorForDenoising(make_tokenizer(), sequence_length=8)
    assert DataCollatorForDenoising(make_tokenizer(), sequence_length=8, mask=0.0).special_tokens() == []
    with pytest.raises(DataError, match=r"no token of the tokenizer ends with any of '\?'.*objective.sentence_ends"):
        DataCollatorForDenoising(make_tokenizer(mask_token="[MASK]"), sequence_length=8, sentence_ends=["?"])


def test_the_section() -> None:
    assert DenoisingSection().token_roles() == ["mask_token"]
    assert DenoisingSection(mask=0.0).token_roles() == []
    assert DenoisingSection(replace_length=0).token_roles() == []
    assert DenoisingSection().raw_length(512) == 512
    assert DenoisingSection().heads() == ("seq2seq_lm",)
    with pytest.raises(ValueError, match="Input should be 1, 0 or -1"):
        DenoisingSection.model_validate({"replace_length": 2})


def test_the_contract(bart: Any, check_contract: Make) -> None:
    check_contract(lambda **options: DataCollatorForDenoising(bart, sequence_length=64, rotate=0.5, **options))


def test_full_stops_of_real_tokenizers(byte_level: Any, metaspace: Any, word_piece: Any) -> None:
    from pretraining.objectives.marks import sentence_end_ids
    from pretraining.objectives.vocabulary import Vocabulary

    for tokenizer in (byte_level, metaspace, word_piece):
        text = "on this continent. Liberty, 1863"
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        found = sentence_end_ids(tokenizer, Vocabulary(tokenizer), [".", "。"])
        ends = [
            end
            for token, (_, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
            if token in found
        ]
        assert ends == [text.index(".") + 1]
