from __future__ import annotations

from pydoc_data.topics import topics

import pytest
from datatrove.utils.text import split_into_sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.text.sentences import (
    chinese_sentences,
    sentence_view,
    spacy_sentence_counts,
    spacy_sentences,
)

LINES = [
    "",
    " ",
    "One.",
    "One. Two! Three?",
    "One.  Two spaces.\tTab. ",
    "Dr. Smith (e.g. he.) said: “Stop.” He left...",
    "end.Start of the next.) Yes",
    "...",
    "( . ) . x",
    "a\n\n.b. C",
    "(foo:) ) x. y",
    "x IS_ALPHA. y z.",
    " leading. and trailing.  ",
]


@pytest.mark.parametrize("line", LINES)
def test_sentences_are_datatroves(line: str) -> None:
    split_into_sentences("IS_ALPHA")
    assert spacy_sentences("en")(line) == split_into_sentences(line)
    assert spacy_sentence_counts("en")([line]) == [len(split_into_sentences(line))]


def test_sentences_of_real_text_are_datatroves() -> None:
    for text in list(topics.values())[:12]:
        assert spacy_sentences("en")(text) == split_into_sentences(text)
        lines = text.splitlines()[:60]
        assert spacy_sentence_counts("en")(lines) == [len(split_into_sentences(line)) for line in lines]


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("aB.!?) (\"'…\n\t :,-1"), max_size=30))
def test_sentences_of_any_text_are_datatroves(text: str) -> None:
    sentences = spacy_sentences("en")(text)
    assert sentences == split_into_sentences(text) and "".join(sentences) == text
    assert spacy_sentence_counts("en")([text]) == [len(sentences)]


def test_chinese_sentences_end_after_the_closing_quote() -> None:
    text = "他说：“你好！”然后走了。\n第二行没有句号\n真的吗？是的…"
    assert chinese_sentences(text) == [
        "他说：“你好！”", "然后走了。\n", "第二行没有句号\n", "真的吗？", "是的…",
    ]  # fmt: skip
    assert "".join(chinese_sentences(text)) == text and chinese_sentences("") == [""]


def test_the_language_decides() -> None:
    assert sentence_view("cmn_Hani", "") is chinese_sentences
    assert sentence_view(None, "没有空格的文字。") is chinese_sentences
    assert sentence_view(None, "English.") is spacy_sentences("en")
