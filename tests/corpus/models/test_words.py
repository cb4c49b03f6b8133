"""Words by script, normalised as CCNet does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.models.words import PIECE, normalized, script_words, sentences, word_function
from pretraining.errors import DataError


def test_normalized_is_lower_case_with_digits_as_zeros_and_ascii_punctuation() -> None:
    assert normalized("In 1863, he said: “Größe”… 价格：３５％") == 'in 0000, he said: "größe"... 价格:00%'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("We don't, 42%!", ["we", "don", "'", "t", ",", "00", "%", "!"]),
        ("今天天气很好。OK", ["今", "天", "天", "气", "很", "好", ".", "ok"]),
        ("abc中文def", ["abc", "中", "文", "def"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("", []),
    ],
)
def test_script_words(text: str, words: list[str]) -> None:
    assert script_words(text) == words


def test_sentences_are_lines_and_long_ones_are_cut() -> None:
    assert list(sentences("one\n\n  \ntwo\r\nthree")) == ["one", "two", "three"]
    long = "word " * PIECE
    pieces = list(sentences(long))
    assert "".join(pieces) == long and max(map(len, pieces)) == PIECE


def test_white_space_words_leave_the_text_as_it_is(tmp_path: Path) -> None:
    assert word_function("white_space", None, tmp_path)("The  Year 1863.") == ["The", "Year", "1863."]


def test_jieba_words(tmp_path: Path) -> None:
    assert word_function("jieba", None, tmp_path)("今天天气很好") == ["今天天气", "很", "好"]


def test_tokens_of_a_tokenizer_of_the_text_or_of_its_normal_form(tmp_path: Path, tokenizer: Any) -> None:
    tokenizer.save_pretrained(tmp_path)
    raw = word_function("white_space", "tokenizer.json", tmp_path)("The people")
    normal = word_function("script", "tokenizer.json", tmp_path)("THE People")
    assert "".join(raw) == "TheĠpeople" and "".join(normal) == "theĠpeople"


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json is not a tokenizer"):
        word_function("script", "tokenizer.json", tmp_path)
