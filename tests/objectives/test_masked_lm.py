from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError

from pretraining.errors import DataError
from pretraining.objectives.masked_lm import DataCollatorForMaskedLM
from pretraining.objectives.sections.masked import MaskedLMSection
from pretraining.objectives.vocabulary import Vocabulary
from pretraining.objectives.words import WordStarts

LENGTH = 128
UNITS: list[dict[str, Any]] = [
    {},
    {"exact": False},
    {"unit": "whole_word"},
    {"unit": "whole_word", "exact": False},
    {"unit": "ngram"},
    {"unit": "span", "span_boundary": True},
]


def rows(tokenizer: Any, prose: list[str], count: int = 200, length: int = LENGTH, seed: int = 0) -> list[Any]:
    """Samples of ``length`` tokens from documents ``[CLS] ... [SEP]`` that are cut where a row is full."""
    random = np.random.default_rng(seed)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    encoded = [[cls, *tokenizer(text, add_special_tokens=False)["input_ids"], sep] for text in prose]
    samples, rest = [], []
    for index in range(count):
        lengths: list[int] = []
        ids: list[int] = []
        while len(ids) < length:
            rest = rest or encoded[random.integers(len(encoded))]
            lengths.append(min(len(rest), length - len(ids)))
            ids += rest[: lengths[-1]]
            rest = rest[lengths[-1] :]
        samples.append(
            {"input_ids": np.array(ids, np.uint16), "lengths": np.array(lengths), "index": index, "epoch": 0}
        )
    return samples


def arrays(batch: dict[str, torch.Tensor]) -> dict[str, npt.NDArray[Any]]:
    return {key: value.numpy() for key, value in batch.items()}


def near(found: float, expected: float, trials: int) -> bool:
    """Within four standard deviations of a binomial share."""
    return abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / trials)


@pytest.mark.parametrize("options", UNITS, ids=str)
def test_labels_restore_the_text_and_nothing_special_is_hidden(
    options: dict[str, Any], word_piece: Any, prose: list[str]
) -> None:
    samples = rows(word_piece, prose, 40)
    samples[3] = {**samples[3], "input_ids": samples[3]["input_ids"][:50], "lengths": [50]}
    before = [sample["input_ids"].copy() for sample in samples]
    collate = DataCollatorForMaskedLM(word_piece, sequence_length=LENGTH, seed=5, **options)
    batch = arrays(collate(samples))
    assert {tensor.dtype for tensor in batch.values()} == {np.dtype(np.int64)}
    chosen = batch["labels"] != -100
    original = np.where(chosen, batch["labels"], batch["input_ids"])
    for row, ids in enumerate(before):
        assert samples[row]["input_ids"].tolist() == ids.tolist() == original[row, : len(ids)].tolist()
        assert (original[row, len(ids) :] == word_piece.pad_token_id).all()
    assert chosen.any() and not np.isin(batch["labels"][chosen], word_piece.all_special_ids).any()
    assert batch["position_ids"][3, 49:52].tolist() == [49, 0, 1] and batch["document_ids"][3, 49:51].tolist() == [1, 0]
    starts = np.flatnonzero(batch["position_ids"][0] == 0)
    assert starts.tolist() == (np.cumsum(samples[0]["lengths"]) - samples[0]["lengths"]).tolist()
    assert batch["document_ids"][0, starts].tolist() == list(range(1, len(starts) + 1))


@pytest.mark.parametrize("probability", [0.15, 0.3, 0.4, 1.0])
@pytest.mark.parametrize("unit", ["token", "span"])
def test_counts_are_exact_in_every_row(unit: str, probability: float, word_piece: Any, prose: list[str]) -> None:
    samples = rows(word_piece, prose, 30)
    collate = DataCollatorForMaskedLM(word_piece, sequence_length=LENGTH, unit=unit, mlm_probability=probability)
    labels = collate(samples)["labels"].numpy()
    special = Vocabulary(word_piece).special
    for sample, found in zip(samples, (labels != -100).sum(1), strict=True):
        candidates = int((~special[sample["input_ids"]]).sum())
        assert found == max(1, round(probability * candidates))


@pytest.mark.parametrize("options", UNITS[:4], ids=str)
def test_rates_and_split(options: dict[str, Any], word_piece: Any, prose: list[str]) -> None:
    samples = rows(word_piece, prose, 400)
    collate = DataCollatorForMaskedLM(word_piece, sequence_length=LENGTH, seed=2, mlm_probability=0.2, **options)
    batch = arrays(collate(samples))
    chosen = batch["labels"] != -100
    ids = np.stack([sample["input_ids"] for sample in samples])
    special = Vocabulary(word_piece).special
    candidates = int((~special[ids]).sum())
    # Words come and go whole, so their number of tokens varies as that of fewer trials.
    assert near(chosen.sum() / candidates, 0.2, candidates // (3 if options.get("unit") else 1))
    total = int(chosen.sum())
    masked = (batch["input_ids"] == word_piece.mask_token_id).sum()
    changed = chosen & (batch["input_ids"] != ids) & (batch["input_ids"] != word_piece.mask_token_id)
    ordinary = int((~special).sum())
    assert near(masked / total, 0.8, total)
    assert near(changed.sum() / total, 0.1 * (1 - 1 / ordinary), total)
    assert not special[batch["input_ids"][changed]].any()


def test_random_tokens_are_all_ordinary_ones_alike(word_piece: Any, prose: list[str]) -> None:
    collate = DataCollatorForMaskedLM(
        word_piece, sequence_length=LENGTH, mlm_probability=1.0, mask_replace_prob=0.0, random_replace_prob=1.0
    )
    samples = rows(word_piece, prose, 300)
    batch = arrays(collate(samples))
    drawn = np.bincount(batch["input_ids"][batch["labels"] != -100], minlength=len(word_piece))
    special = Vocabulary(word_piece).special
    expected = drawn.sum() / (~special).sum()
    assert drawn[special].sum() == 0
    assert np.abs(drawn[~special] - expected).max() < 5 * math.sqrt(expected)


@pytest.mark.parametrize("probability", [0.02, 0.15, 0.5])
@pytest.mark.parametrize("unit", ["whole_word", "ngram"])
@pytest.mark.parametrize("kind", ["word_piece", "byte_level", "metaspace"])
def test_words_are_hidden_whole_and_as_many_as_fit(
    kind: str, unit: str, probability: float, request: pytest.FixtureRequest, prose: list[str]
) -> None:
    tokenizer = request.getfixturevalue(kind)
    samples = rows(tokenizer, prose, 60, 64)
    begins = WordStarts(tokenizer, Vocabulary(tokenizer))
    collate = DataCollatorForMaskedLM(tokenizer, sequence_length=64, unit=unit, mlm_probability=probability)
    chosen = collate(samples)["labels"].numpy() != -100
    for sample, hidden in zip(samples, chosen, strict=True):
        ids = sample["input_ids"].astype(np.int64)
        candidate = ~collate.masker.vocabulary.special[ids]
        starts = begins(ids[None])[0] | ~np.append(False, candidate[:-1])
        starts[np.cumsum(sample["lengths"]) - sample["lengths"]] = True
        edges = np.flatnonzero(starts)[1:]
        sizes = [int(part.sum()) for part in np.split(candidate, edges)]
        taken = [int(part.sum()) for part in np.split(hidden, edges)]
        assert all(count in (0, size) for count, size in zip(taken, sizes, strict=True))
        left = max(1, round(probability * candidate.sum())) - sum(taken)
        assert left >= 0
        if unit == "whole_word" or probability <= 0.15:  # later on there may be nothing left but n-grams
            assert all(count or not 0 < size <= left for count, size in zip(taken, sizes, strict=True))


def runs(chosen: npt.NDArray[np.bool_], documents: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """(first, last) of the runs of targets of a row; a run ends with its document."""
    found: list[tuple[int, int]] = []
    for place in np.flatnonzero(chosen).tolist():
        if found and found[-1][1] == place - 1 and documents[place] == documents[place - 1]:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found


def test_spans_share_one_fate_and_have_boundaries(word_piece: Any, prose: list[str]) -> None:
    samples = rows(word_piece, prose, 300)
    samples[0] = {"input_ids": samples[0]["input_ids"][2:60], "lengths": [20, 20, 18], "index": 0}  # without frames
    collate = DataCollatorForMaskedLM(
        word_piece, sequence_length=LENGTH, unit="span", span_boundary=True, max_pair_targets=6
    )
    batch = arrays(collate(samples))
    fates = {"masked": 0, "random": 0, "kept": 0}
    expected = np.full_like(batch["labels"], -100)
    for row, sample in enumerate(samples):
        ids, hidden = sample["input_ids"], batch["labels"][row] != -100
        for first, last in runs(hidden, batch["document_ids"][row]):
            now = batch["input_ids"][row, first : last + 1]
            masked = now == word_piece.mask_token_id
            assert masked.all() or not masked.any()
            kept = (now == ids[first : last + 1]).all()
            fates["masked" if masked.any() else "kept" if kept else "random"] += 1
            around = [first - 1, last + 1]
            inside = first > 0 and last + 1 < len(ids)
            document = batch["document_ids"][row]
            if inside and not np.isin(ids[around], word_piece.all_special_ids).any() and len(set(document[[first, *around]])) == 1:  # fmt: skip  # noqa: E501
                targets = np.arange(first, min(last + 1, first + 6))
                expected[row, targets] = ids[targets]
                assert batch["span_pairs"][row, targets].tolist() == [around] * len(targets)
                assert batch["span_offsets"][row, targets].tolist() == (targets - first).tolist()
    assert batch["span_labels"].tolist() == expected.tolist() and (expected != -100).any()
    total = sum(fates.values())
    assert near(fates["masked"] / total, 0.8, total) and near(fates["random"] / total, 0.1, total)


def test_the_rate_follows_the_progress_of_the_training(word_piece: Any, prose: list[str]) -> None:
    collate = DataCollatorForMaskedLM(
        word_piece, sequence_length=LENGTH, mlm_probability=0.3, final_mlm_probability=0.15
    )
    (sample,) = rows(word_piece, prose, 1)
    candidates = int((~Vocabulary(word_piece).special[sample["input_ids"]]).sum())
    labels = collate([{**sample, "progress": progress} for progress in (0.0, 0.5, 1.0)])["labels"]
    assert (labels != -100).sum(1).tolist() == [round(rate * candidates) for rate in (0.3, 0.225, 0.15)]
    with pytest.raises(DataError, match="the sample 0 has no `progress`"):
        collate([sample])


@pytest.mark.parametrize("options", UNITS, ids=str)
def test_a_sample_has_its_mask_in_any_batch_and_another_in_each_epoch(
    options: dict[str, Any], word_piece: Any, prose: list[str]
) -> None:
    samples = rows(word_piece, prose, 6)
    samples[4] = {**samples[4], "input_ids": samples[4]["input_ids"][:9], "lengths": [9]}
    collate = DataCollatorForMaskedLM(word_piece, sequence_length=LENGTH, seed=1, **options)
    together = collate(samples)
    for order in ([4], [5, 2, 0], [1, 1, 3]):
        alone = DataCollatorForMaskedLM(word_piece, sequence_length=LENGTH, seed=1, **options)
        part = alone([samples[i] for i in order])
        for key, tensor in part.items():
            assert torch.equal(tensor, together[key][order]), key
    for changed in (
        collate([{**sample, "epoch": 1} for sample in samples]),
        DataCollatorForMaskedLM(word_piece, sequence_length=LENGTH, seed=2, **options)(samples),
    ):
        different = (changed["labels"] != together["labels"]).any(1)
        assert different.sum() >= 5  # the row of nine tokens may come out the same


@pytest.mark.parametrize("options", UNITS, ids=str)
def test_samples_without_anything_to_hide(options: dict[str, Any], word_piece: Any) -> None:
    cls, sep, pad = word_piece.cls_token_id, word_piece.sep_token_id, word_piece.pad_token_id
    samples: list[Any] = [
        {"input_ids": np.zeros(0, np.uint16), "lengths": []},
        {"input_ids": [cls, sep, cls, sep], "lengths": [2, 2]},
        {"input_ids": [pad] * 5},
        {"input_ids": [30]},
        {"input_ids": [cls, 40, sep], "lengths": [0, 3]},
    ]
    collate = DataCollatorForMaskedLM(word_piece, sequence_length=8, mlm_probability=1.0, **options)
    batch = collate(samples)
    assert (batch["labels"] != -100).sum(1).tolist() == [0, 0, 0, 1, 1]
    assert {tensor.shape[:2] for tensor in batch.values()} == {(5, 8)}
    short = DataCollatorForMaskedLM(word_piece, sequence_length=64, pad_to_multiple_of=8, **options)
    assert short(samples)["input_ids"].shape == (5, 8)
    assert short(samples[:2])["input_ids"].shape == (2, 8)


def test_pad_is_never_hidden_where_it_is_no_token_of_its_own() -> None:
    class Bare:
        """A tokenizer that has nothing but a mask token; 0 fills its rows."""

        pad_token_id = eos_token_id = sep_token_id = None
        mask_token_id = 1
        all_special_ids = [1]

        def get_vocab(self) -> dict[str, int]:
            return {str(i): i for i in range(9)}

    collate = DataCollatorForMaskedLM(Bare(), sequence_length=6, mlm_probability=1.0)
    assert collate([{"input_ids": [5, 6, 7]}])["labels"].tolist() == [[5, 6, 7, -100, -100, -100]]
    Bare.mask_token_id = None  # type: ignore[assignment]
    with pytest.raises(DataError, match=r'mask_token, and the tokenizer has none.*\{"mask_token": "\[MASK\]"\}'):
        DataCollatorForMaskedLM(Bare(), sequence_length=6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_replace_prob": 0.8, "random_replace_prob": 0.3}, "not add up to more than 1"),
        ({"unit": "span", "exact": False}, "only known with exact: true"),
        ({"segmenter": "jieba"}, "segmenter finds words"),
        ({"span_boundary": True}, "span_boundary needs unit: span"),
        ({"mlm_probability": 0.0}, "greater than 0"),
        ({"mlm_prob": 0.2}, "mlm_prob"),
    ],
)
def test_parameters_that_make_no_sense(options: dict[str, Any], words: str, word_piece: Any) -> None:
    with pytest.raises(ValidationError, match=words):
        DataCollatorForMaskedLM(word_piece, sequence_length=8, **options)


def test_the_section_gives_the_collator_its_parameters(word_piece: Any) -> None:
    section = MaskedLMSection(unit="span", span_boundary=True, mlm_probability=0.2)
    collate = DataCollatorForMaskedLM(word_piece, sequence_length=8, **section.collator_parameters())
    assert collate.section == section
    assert section.token_roles() == ["mask_token"] and section.heads() == ("masked_lm",)
    assert collate.special_tokens() == [] and collate.raw_length(512) == 512
