from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.tokenization.components import ESCAPE, META, PATTERNS, decoder, normalizer, pre_tokenizer
from pretraining.tokenization.config import TokenizerSection


def words(text: str, **keys: Any) -> list[str]:
    """What the pre-tokenizer makes of a text."""
    section = TokenizerSection(**keys)
    whole = normalizer(section)
    text = text if whole is None else whole.normalize_str(text)
    return [word for word, _ in pre_tokenizer(section).pre_tokenize_str(text)]


def test_digits() -> None:
    assert words("in 18635", pre_tokenizer="metaspace") == ["▁in", "▁18635"]
    assert words("in 18635", split_digits="single") == ["in", "Ġ", "1", "8", "6", "3", "5"]
    assert words("in 18635", split_digits="groups_of_three") == ["in", "Ġ", "186", "35"]
    assert words("in 18635", pattern="llama3") == ["in", "Ġ", "186", "35"]
    assert words("in 18635", pre_tokenizer="metaspace", split_digits="single")[2:] == ["1", "8", "6", "3", "5"]


def test_runs_of_blanks_stay_together() -> None:
    code = "if x:\n        return"
    assert words(code) == ["if", "Ġx", ":", "ĊĠĠĠĠĠĠĠ", "Ġreturn"]
    assert words(code, pattern="llama3") == ["if", "Ġx", ":Ċ", "Ġ" * 7, "Ġreturn"]
    assert words(code, pre_tokenizer="metaspace") == ["▁if", "▁x", ":", "\n" + "▁" * 7, "▁return"]


def test_chinese_is_cut_at_marks_or_into_characters() -> None:
    text = "學而時習之，不亦說乎"
    assert words(text, algorithm="unigram") == ["▁學而時習之", "，", "不亦說乎"]
    assert words(text, algorithm="wordpiece") == list(text)


def test_normalization() -> None:
    def normal(text: str, **keys: Any) -> str:
        return str(normalizer(TokenizerSection(**keys)).normalize_str(text))  # type: ignore[union-attr]

    assert normal("e\u0301", normalization="nfc") == "é"
    assert normal("ﬁ①", normalization="nfkc") == "fi1"
    assert normal("ÉTÉ", lowercase=True, strip_accents=True) == "ete"
    assert normal("été 한국", strip_accents=True) == "ete 한국"  # Hangul is put together again
    assert normal("ÉTÉ 한국", algorithm="wordpiece", lowercase=True) == "ete 한국"
    assert normal("ÉTÉ", algorithm="wordpiece") == "ÉTÉ"
    assert normalizer(TokenizerSection()) is None


@pytest.mark.parametrize("keys", [{}, {"add_prefix_space": False}, {"split_digits": "single"}, {"pattern": "llama3"}])
@settings(max_examples=40)
@given(text=st.text(st.sampled_from(f"ab 1\n\t{META}{ESCAPE}01中.'é"), max_size=30))
def test_metaspace_loses_nothing(keys: dict[str, Any], text: str) -> None:
    section = TokenizerSection(pre_tokenizer="metaspace", **keys)
    assert decoder(section).decode(words(text, pre_tokenizer="metaspace", **keys)) == text


def test_the_patterns_are_those_of_the_published_tokenizers() -> None:
    text = "I'LL say don't: 12345 = x**2;\n\n  été中文  !!\n"
    from tokenizers import Regex, pre_tokenizers

    built_in = [word for word, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERNS["gpt2"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    assert [word for word, _ in split.pre_tokenize_str(text)] == built_in
    assert words(text, pattern="llama3")[:6] == ["I", "'LL", "Ġsay", "Ġdon", "'t", ":"]
