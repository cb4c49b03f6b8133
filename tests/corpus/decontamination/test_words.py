from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.decontamination import words as module
from pretraining.corpus.decontamination.words import LONGEST, ngram_hashes, plain_words, word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The U.S. isn’t “big”—No. 1!", ["the", "u", "s", "isn", "t", "big", "no", "1"]),
        ("snake_case well-known", ["snake", "case", "well", "known"]),
        ("Straße ΟΔΟΣ οδος", ["strasse", "οδοσ", "οδοσ"]),
        ("天地，玄黄 GPT-3模型", ["天", "地", "玄", "黄", "gpt", "3", "模", "型"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ひらがな カナ", ["ひ", "ら", "が", "な", "カ", "ナ"]),
        ("—", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert plain_words(text) == words
    assert [plain_words(text[start:end]) for start, end in word_spans(text)] == [[word] for word in words]


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=30))
def test_there_is_a_span_for_each_word(text: str) -> None:
    spans = word_spans(text)
    assert len(spans) == len(plain_words(text))
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[1:, 0] >= spans[:-1, 1]).all()


def test_long_words_are_cut() -> None:
    assert plain_words("a" * 5000 + " b") == ["a" * LONGEST, "b"]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(["a", "b", "ab", "é", "天", "longer"]), max_size=30), st.integers(1, 5))
def test_equal_ngrams_have_equal_hashes(words: list[str], n: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", 10)
        hashes = ngram_hashes(words, n).tolist()
    assert hashes == ngram_hashes(words, n).tolist()
    ngrams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    assert len(hashes) == len(ngrams)
    assert len(set(hashes)) == len(set(ngrams)) == len(set(zip(ngrams, hashes, strict=True)))
