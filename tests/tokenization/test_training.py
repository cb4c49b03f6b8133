from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.training import save_tokenizer, train_tokenizer


def test_the_same_text_gives_the_same_tokenizer(prose: list[str]) -> None:
    section = TokenizerSection(vocab_size=320)
    first, second = (train_tokenizer(section, prose).backend_tokenizer.to_str() for _ in range(2))
    assert first == second


def test_special_tokens_come_first_and_text_gets_bos(tokenizer: Any) -> None:
    assert [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id] == [0, 1, 2]
    assert len(tokenizer) == 320
    assert tokenizer("Liberty").input_ids[0] == 0
    assert tokenizer("Liberty").input_ids.count(0) == 1


def test_special_tokens_of_an_objective_are_single_ids(prose: list[str]) -> None:
    tokenizer = train_tokenizer(TokenizerSection(vocab_size=300), prose, special_tokens=["<mask>"])
    assert tokenizer.convert_tokens_to_ids("<mask>") == 3
    assert tokenizer.backend_tokenizer.encode("a<mask>b", add_special_tokens=False).ids[1] == 3


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(text: str) -> None:
    backend = _small().backend_tokenizer
    assert backend.decode(backend.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


_cache: list[Any] = []


def _small() -> Any:
    if not _cache:
        _cache.append(train_tokenizer(TokenizerSection(vocab_size=260), ["a b c a b c " * 9]))
    return _cache[0]


def test_digits_are_split_when_asked(prose: list[str]) -> None:
    texts = [*prose, "1863 1863 1863 1863 1863"]
    whole = train_tokenizer(TokenizerSection(vocab_size=320), texts)
    split = train_tokenizer(TokenizerSection(vocab_size=320, split_digits=True), texts)
    assert len(whole.tokenize("1863")) == 1
    assert split.tokenize("1863") == ["1", "8", "6", "3"]


def test_too_little_text_for_the_vocabulary_says_what_fits() -> None:
    with pytest.raises(DataError, match=r"vocab_size = 5000.*only supports 2\d\d tokens"):
        train_tokenizer(TokenizerSection(vocab_size=5000), ["short text"])


def test_equal_special_tokens_are_refused(prose: list[str]) -> None:
    with pytest.raises(DataError, match="must differ"):
        train_tokenizer(TokenizerSection(vocab_size=300, bos_token="<s>", eos_token="<s>"), prose)


def test_saved_tokenizer_loads_with_auto_tokenizer(tokenizer: Any, tmp_path: Any) -> None:
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = " We the People , in 1863 ."
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.decode(again(text).input_ids, skip_special_tokens=True) == text
    assert '"PreTrainedTokenizerFast"' in (tmp_path / "tokenizer_config.json").read_text()
