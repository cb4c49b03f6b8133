"""Fill-in-the-middle: the text comes back, nothing is cut off, and the rates are what the recipe says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pretraining.errors import DataError
from pretraining.objectives.fill_in_the_middle import DataCollatorForFillInTheMiddle
from pretraining.objectives.sections.fill_in_the_middle import FillInTheMiddleSection

MARKS = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]
TEXTS = [
    "def area(r):\n    return 3.14159 * r ** 2\n",
    "四十七年前，我们的先辈在这个大陆上。",
    "Four score and seven years ago our fathers brought forth on this continent, a new nation.",
]


def bytes_tokenizer(marks: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level without merges: one token a byte, so half a character is easy to come by."""
    specials = ["<s>", "</s>", "<pad>", *marks]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(
        models.BPE(vocab={token: i for i, token in enumerate([*specials, *alphabet, "re"])}, merges=[("r", "e")])
    )
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(specials)
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


@pytest.fixture(scope="module")
def fim() -> PreTrainedTokenizerFast:
    return bytes_tokenizer(MARKS)


def document(tokenizer: Any, text: str) -> list[int]:
    return [tokenizer.bos_token_id, *tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]


def sample(tokenizer: Any, texts: list[str], index: int) -> dict[str, Any]:
    parts = [document(tokenizer, text) for text in texts]
    ids = np.array([i for part in parts for i in part], np.uint16)
    return {"input_ids": ids, "lengths": np.array([len(part) for part in parts]), "index": index, "epoch": 0}


def restored(tokenizer: Any, ids: list[int]) -> tuple[str, str]:
    """(how it was written, the text) of one document without its frame."""
    before, after, last = (tokenizer.convert_tokens_to_ids(mark) for mark in MARKS)
    if before not in ids:
        return "plain", tokenizer.decode(ids)
    at, middle = ids.index(after), ids.index(last)
    assert ids[0] == before and at < middle
    if at == 1 and ids[1] == after:  # SPM, or PSM with an empty prefix, which is the same string
        rest = ids[middle + 1 :]
        return "spm", tokenizer.decode(rest) + tokenizer.decode(ids[at + 1 : middle])
    return "psm", tokenizer.decode(ids[1:at]) + tokenizer.decode(ids[middle + 1 :]) + tokenizer.decode(
        ids[at + 1 : middle]
    )


def test_every_document_comes_back(fim: Any) -> None:
    collator = DataCollatorForFillInTheMiddle(fim, sequence_length=300, seed=1, fim_rate=0.7)
    kinds = {"plain": 0, "psm": 0, "spm": 0}
    for index in range(150):
        one = sample(fim, TEXTS, index)
        before = one["input_ids"].copy()
        made = collator([one])
        assert np.array_equal(one["input_ids"], before)
        ids = made["input_ids"][0]
        ids = ids[ids != fim.pad_token_id].tolist()
        assert ids.count(fim.eos_token_id) == len(TEXTS)
        at = 0
        for text in TEXTS:
            end = ids.index(fim.eos_token_id, at)
            assert ids[at] == fim.bos_token_id
            kind, found = restored(fim, ids[at + 1 : end])
            kinds[kind] += 1
            assert found == text
            at = end + 1
    assert kinds["plain"] / 450 == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 450))
    assert kinds["spm"] / (kinds["spm"] + kinds["psm"]) == pytest.approx(0.51, abs=4 * np.sqrt(0.25 / 315))


def test_positions_restart_and_the_first_token_is_no_target(fim: Any) -> None:
    made = DataCollatorForFillInTheMiddle(fim, sequence_length=300, fim_rate=1.0)([sample(fim, TEXTS, 3)])
    starts = (made["position_ids"][0] == 0).nonzero()[:, 0]
    assert len(starts) == len(TEXTS) + 1  # and the padding
    assert (made["labels"][0, starts] == -100).all()
    marks = torch.tensor(fim.convert_tokens_to_ids(MARKS))
    assert all((made["labels"][0] == mark).any() for mark in marks)


def test_a_row_without_room_keeps_its_documents(fim: Any) -> None:
    one = sample(fim, TEXTS, 0)
    full = len(one["input_ids"])
    plain = DataCollatorForFillInTheMiddle(fim, sequence_length=full, fim_rate=1.0)([one])
    assert torch.equal(plain["input_ids"][0], torch.from_numpy(one["input_ids"].astype(np.int64)))
    some = DataCollatorForFillInTheMiddle(fim, sequence_length=full + 3, fim_rate=1.0)([one])["input_ids"][0].tolist()
    assert sum(some.count(fim.convert_tokens_to_ids(mark)) for mark in MARKS) == 3


@pytest.mark.parametrize("spm", [0.0, 1.0])
@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("last", [0, 1, 2])
def test_half_a_character_stays_at_its_end(fim: Any, first: int, last: int, spm: float) -> None:
    """Packing cuts documents between any two tokens, which in Chinese is mostly inside a character."""
    whole = document(fim, TEXTS[1])[1:-1]
    part = whole[first : len(whole) - last]
    collator = DataCollatorForFillInTheMiddle(fim, sequence_length=200, fim_rate=1.0, fim_spm_rate=spm)
    before, after, middle = (fim.convert_tokens_to_ids(mark) for mark in MARKS)
    for index in range(20):
        made = collator([{"input_ids": part, "lengths": [len(part)], "index": index}])["input_ids"][0].tolist()
        made = made[: len(part) + 3]
        assert made[0] == before
        at, end = made.index(after), made.index(middle)
        if spm:
            assert at == 1
            text = made[end + 1 :] + made[at + 1 : end]
        else:
            text = made[1:at] + made[end + 1 :] + made[at + 1 : end]
        assert text == part


def test_nothing_but_half_characters_and_short_texts_are_left_alone(fim: Any) -> None:
    collator = DataCollatorForFillInTheMiddle(fim, sequence_length=200, fim_rate=1.0)
    broken = document(fim, TEXTS[1])[2:4] * 9
    assert collator([{"input_ids": broken, "index": 0}])["input_ids"][0, : len(broken)].tolist() == broken
    short = document(fim, "short")
    assert collator([{"input_ids": short, "index": 0}])["input_ids"][0, : len(short)].tolist() == short


def test_document_level_leaves_parts_alone(fim: Any) -> None:
    part = document(fim, TEXTS[2])[:-1]
    for level, cut in (("document", False), ("context", True)):
        collator = DataCollatorForFillInTheMiddle(fim, sequence_length=200, fim_rate=1.0, level=level)
        made = collator([{"input_ids": part, "lengths": [len(part)], "index": 0}])["input_ids"][0].tolist()
        assert (fim.convert_tokens_to_ids(MARKS[0]) in made) is cut


def test_a_document_that_only_ends_with_its_token_is_whole(fim: Any) -> None:
    """Where BOS and EOS are one token, as in GPT-2, a document has it at its end."""
    tokenizer = bytes_tokenizer(MARKS)
    tokenizer.bos_token = tokenizer.eos_token
    collator = DataCollatorForFillInTheMiddle(tokenizer, sequence_length=200, fim_rate=1.0, level="document")
    whole = document(tokenizer, TEXTS[2])[1:]
    for ids, cut in ((whole, True), (whole[:-1], False)):
        made = collator([{"input_ids": ids, "lengths": [len(ids)], "index": 0}])["input_ids"][0].tolist()
        assert (tokenizer.convert_tokens_to_ids(MARKS[0]) in made) is cut
    plain = collator([{"input_ids": whole[:-1], "index": 0}])["input_ids"][0].tolist()  # a dataset's row is a document
    assert tokenizer.convert_tokens_to_ids(MARKS[0]) in plain


def test_parts_that_would_not_come_back_are_not_made() -> None:
    """A tokenizer that always begins with a blank reads `` world`` and ``world`` alike."""
    specials = ["<pad>", "</s>", "<unk>", *MARKS]
    letters = [chr(97 + number) for number in range(26)]
    vocabulary = {token: number for number, token in enumerate([*specials, "\u2581", *letters])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    backend.add_special_tokens(specials)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="<pad>")
    text = "hello world and all that is in it"
    collator = DataCollatorForFillInTheMiddle(tokenizer, sequence_length=80, fim_rate=1.0, fim_spm_rate=0.0)
    ids = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    kinds = set()
    for index in range(60):
        made = collator([{"input_ids": ids, "index": index}])["input_ids"][0]
        kind, found = restored(tokenizer, made[made != 0].tolist()[:-1])
        kinds.add(kind)
        assert found == text
    assert {"plain", "psm"} <= kinds  # those whose cuts stand before a blank stay as they are


def test_a_wrong_parameter_is_named(fim: Any) -> None:
    for wrong in ({"level": "documents"}, {"fim_rate": 50}, {"fim_rates": 0.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DataCollatorForFillInTheMiddle(fim, sequence_length=80, **wrong)


def test_cuts_are_uniform_over_characters(fim: Any) -> None:
    text = "abcdefghijkl"
    collator = DataCollatorForFillInTheMiddle(fim, sequence_length=20, fim_rate=1.0, fim_spm_rate=0.0)
    lengths = []
    for index in range(3000):
        ids = collator([sample(fim, [text], index)])["input_ids"][0].tolist()
        at = ids.index(fim.convert_tokens_to_ids(MARKS[1]))
        lengths.append(at - 2)
    n = len(text)
    empty = (1 / (n + 1)) * (2 - 1 / (n + 1))
    assert np.mean(np.array(lengths) == 0) == pytest.approx(empty, abs=4 * np.sqrt(empty / 3000))
    assert np.mean(lengths) == pytest.approx(n / 3 - 1 / 6 + n / (6 * (n + 1)), abs=0.35)


def test_a_tokenizer_without_the_marks_is_refused() -> None:
    with pytest.raises(DataError, match=r"has no <fim_suffix>, <fim_middle>; objective.type = fill_in_the_middle"):
        DataCollatorForFillInTheMiddle(bytes_tokenizer(MARKS[:1]), sequence_length=8)


@pytest.mark.parametrize("ids", [[], [0], [1], [2, 2]])
def test_degenerate_samples(fim: Any, ids: list[int]) -> None:
    made = DataCollatorForFillInTheMiddle(fim, sequence_length=4, fim_rate=1.0)([{"input_ids": ids, "index": 0}])
    assert made["input_ids"][0, : len(ids)].tolist() == ids


def test_the_section(fim: Any) -> None:
    section = FillInTheMiddleSection()
    assert section.special_tokens() == MARKS
    collator = DataCollatorForFillInTheMiddle(fim, sequence_length=2048, **section.collator_parameters())
    assert section.raw_length(2048) == collator.raw_length(2048) == 1986
    with pytest.raises(ValueError, match="must differ"):
        FillInTheMiddleSection(prefix_token="<x>", suffix_token="<x>")


def test_short_rows_leave_places_for_a_cut(fim: Any) -> None:
    section = FillInTheMiddleSection(fim_rate=1.0)
    collator = DataCollatorForFillInTheMiddle(fim, sequence_length=64, **section.collator_parameters())
    raw = section.raw_length(64)
    assert raw == collator.raw_length(64) == 56 and section.raw_length(300) == 291
    full = document(fim, TEXTS[2])[:raw]
    made = collator([{"input_ids": full, "index": index} for index in range(20)])["input_ids"]
    assert (made == fim.convert_tokens_to_ids(MARKS[2])).any(1).all()
    with pytest.raises(ValueError, match=r"reserve\n.*greater than 0"):
        FillInTheMiddleSection(reserve=0)
