from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.evaluation.documents import encode, held_out_texts


def test_bos_is_context_and_eos_is_not_scored(tokenizer: Any) -> None:
    (document,) = encode(tokenizer, ["Peace — and war"])
    assert document.ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(document.ids[1:]) == "Peace — and war"
    assert (document.bytes, document.words, document.tokens) == (17, 4, len(document.ids) - 1)


def test_without_bos_eos_is_the_context(speeches: list[str], helpers: Any) -> None:
    tokenizer = helpers.train_tokenizer(speeches, {"eos_token": "<|eos|>"})
    (document,) = encode(tokenizer, ["Peace"])
    assert document.ids[0] == tokenizer.eos_token_id


@pytest.mark.parametrize("special", [{"cls_token": "[CLS]", "sep_token": "[SEP]"}, {"sep_token": "[SEP]"}])
def test_a_tokenizer_as_berts_has_its_own_context(speeches: list[str], helpers: Any, special: dict[str, str]) -> None:
    tokenizer = helpers.train_tokenizer(speeches, special)
    (document,) = encode(tokenizer, ["Peace"])
    assert tokenizer.convert_ids_to_tokens(int(document.ids[0])) == next(iter(special.values()))


def test_without_both_the_first_token_is_not_scored_and_not_counted(speeches: list[str], helpers: Any) -> None:
    tokenizer = helpers.train_tokenizer(speeches, {})
    text = "the war and the peace"
    (document, empty) = encode(tokenizer, [text, ""])
    ids = tokenizer(text)["input_ids"]
    first = tokenizer.decode(ids[:1])
    assert document.ids.tolist() == ids
    assert document.tokens == len(ids) - 1
    assert document.bytes == len(text) - len(first)
    assert (empty.tokens, empty.bytes) == (0, 0)


def test_order_and_text_of_the_corpus(corpus: Path, speeches: list[str]) -> None:
    assert held_out_texts(corpus) == speeches[10:]


@pytest.mark.parametrize("validation", [[], [""]])
def test_no_held_out_text(tmp_path: Path, speeches: list[str], helpers: Any, validation: list[str]) -> None:
    folder = helpers.write_corpus(tmp_path / "corpus", train=speeches, validation=validation)
    with pytest.raises(DataError, match=r"raise corpus\.held_out"):
        held_out_texts(folder)
