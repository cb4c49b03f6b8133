from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pretraining.evaluation import targets
from pretraining.evaluation.targets import Scorer, Targets, bytes_of_tokens
from pretraining.objectives.sections.masked import MaskedLMSection

IDS = torch.arange(5, 17)[None]
BATCH = {
    "input_ids": IDS,
    "labels": torch.where(IDS % 2 == 0, IDS, -100),
    "position_ids": torch.arange(12)[None],
    "document_ids": torch.ones_like(IDS),
}


@pytest.fixture(scope="module")
def bert(full_tokenizer: Any, helpers: Any) -> Any:
    return helpers.pretraining_model("bert", MaskedLMSection(), full_tokenizer).model


def test_logits_are_those_of_the_model_whatever_is_held_at_once(bert: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = bert(input_ids=IDS).logits[0][BATCH["labels"][0] != -100]
    monkeypatch.setattr(targets, "LOGIT_BYTES", 2 * 4 * bert.config.vocab_size)
    parts = list(Scorer(bert)(BATCH))
    assert [len(found) for found, _ in parts] == [2, 2, 2]
    assert torch.cat([found for found, _ in parts]).tolist() == [6, 8, 10, 12, 14, 16]
    torch.testing.assert_close(torch.cat([scores for _, scores in parts]), own)
    ((_, whole),) = Scorer(bert, fused=False)(BATCH)
    torch.testing.assert_close(whole, own)


def test_sums() -> None:
    scores = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    sums = Targets()
    sums.add([(torch.tensor([0, 1]), scores)], torch.tensor([0, 4]).numpy())
    assert (sums.count, sums.right, sums.text_bytes) == (2, 2, 4)
    assert sums.loss == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert sums.bits_per_byte == pytest.approx(math.log2(4 / 3) / 4)  # token 0 is special: no text, not in the bits
    assert (Targets().loss, Targets().accuracy, Targets().bits_per_byte) == (0, 0, math.inf)


def test_bytes_of_byte_level_tokens_are_those_of_the_text(full_tokenizer: Any) -> None:
    text = "Größe, 国: peace."
    sizes = bytes_of_tokens(full_tokenizer)
    assert sizes is not None
    assert sizes[full_tokenizer(text, add_special_tokens=False)["input_ids"]].sum() == len(text.encode())
    assert sizes[full_tokenizer.all_special_ids].tolist() == [0] * len(full_tokenizer.all_special_ids)


def test_word_pieces_are_no_strings_of_bytes() -> None:
    backend = Tokenizer(models.WordPiece({"[UNK]": 0, "[SEP]": 1, "a": 2, "##b": 3}, unk_token="[UNK]"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", sep_token="[SEP]")
    assert bytes_of_tokens(made) is None
