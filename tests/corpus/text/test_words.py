from __future__ import annotations

import builtins
import math
from typing import Any

import pytest
from datatrove.utils.word_tokenizers import load_word_tokenizer

from pretraining.corpus.draft import Draft
from pretraining.corpus.text import words as module
from pretraining.corpus.text.words import (
    Words,
    character_words,
    jieba_words,
    regex_words,
    require_jieba,
    spacy_words,
    unsegmented_share,
    whitespace_words,
    word_view,
)
from pretraining.errors import DataError

CHINESE = "春天来了，孩子们在公园里放风筝。老人坐在长椅上看书，心情非常愉快！"
JAPANESE = "春が来た。子供たちは公園で凧を揚げている。"
ENGLISH = "The spring has come, and the children don't stay at home."


def test_numbers_of_words() -> None:
    words = Words(["to", "be", "or", "not", "to", "be"])
    assert len(words) == 6 and list(words.types) == ["to", "be", "or", "not"]
    assert words.ids.tolist() == [0, 1, 2, 3, 0, 1]
    assert words.counts.tolist() == [2, 2, 1, 1] and words.lengths.tolist() == [2, 2, 2, 3]


def test_a_text_without_words() -> None:
    words = whitespace_words(" \n")
    assert len(words) == 0 and words.ids.tolist() == [] and words.counts.tolist() == [] == words.lengths.tolist()


def test_jieba_finds_the_words_of_datatrove() -> None:
    text = CHINESE * 3 + " 2024年 iPhone 手机\n第二行"
    assert jieba_words(text).words == load_word_tokenizer("cmn_Hani").word_tokenize(text)


def test_ways_to_find_words() -> None:
    assert whitespace_words(ENGLISH).words[3] == "come,"
    assert regex_words("don't stop: 3.5%").words == ["don", "'", "t", "stop", ":", "3", ".", "5", "%"]
    assert regex_words("नमस्ते दुनिया").words == ["नमस्ते", "दुनिया"]
    assert character_words("ab c").words == ["a", "b", "c"]
    assert spacy_words("en")(ENGLISH).words[3:5] == ["come", ","]


@pytest.mark.parametrize(
    ("language", "text", "view"),
    [
        ("eng_Latn", ENGLISH, spacy_words("en")),
        (None, ENGLISH, spacy_words("en")),
        (None, CHINESE, jieba_words),
        (None, JAPANESE, character_words),
        ("cmn_Hani", CHINESE, jieba_words),
        ("jpn_Jpan", JAPANESE, character_words),
        ("tha_Thai", "สวัสดี", character_words),
        ("deu_Latn", "Der Frühling ist da.", spacy_words("de")),
        ("kor_Hang", "봄이 왔다.", regex_words),
        ("hin_Deva", "वसंत आ गया", regex_words),
    ],
)
def test_auto_goes_by_the_language(language: str | None, text: str, view: Any) -> None:
    assert word_view("auto", language, text) is view
    assert not unsegmented_share("auto", language, text) > 0.5


@pytest.mark.parametrize("words", ["whitespace", "spacy", "regex"])
def test_unspaced_text_is_never_counted_by_spaces(words: str) -> None:
    assert unsegmented_share(words, None, CHINESE) > 0.9
    assert unsegmented_share(words, "eng_Latn", JAPANESE) > 0.9
    assert unsegmented_share(words, "cmn_Hani", "abc") == 1.0
    assert unsegmented_share(words, "eng_Latn", ENGLISH) == 0.0
    assert 0 < unsegmented_share(words, None, ENGLISH + "春") < 0.1
    assert math.isnan(unsegmented_share("characters", None, CHINESE))


def test_auto_refuses_chinese_that_is_said_to_be_english() -> None:
    assert unsegmented_share("auto", "eng_Latn", CHINESE) > 0.9


def test_words_are_found_once_for_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Draft(ENGLISH, "1", source="s", file="f")
    first = draft.view(word_view("spacy", "eng_Latn", draft.text))
    assert draft.view(word_view("auto", None, draft.text)) is first


def test_a_missing_jieba_is_an_error_before_the_first_document(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_jieba(name: str, *args: Any, **keys: Any) -> Any:
        if name == "jieba":
            raise ImportError(name)
        return real(name, *args, **keys)

    module._jieba.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without_jieba)
    require_jieba("auto", ["eng_Latn", None])
    require_jieba("characters", ["cmn_Hani"])
    for words, languages in (("jieba", []), ("auto", ["eng_Latn", "cmn_Hani"])):
        with pytest.raises(DataError, match=r"pip install 'jieba.*words: characters"):
            require_jieba(words, languages)
