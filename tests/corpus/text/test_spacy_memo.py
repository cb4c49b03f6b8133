from __future__ import annotations

import inspect
import random
import re
import textwrap
from pydoc_data.topics import topics

import pytest
from datatrove.utils.word_tokenizers import SpaCyTokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.text import spacy_memo as module
from pretraining.corpus.text.spacy_memo import SpacyMemo, ascii_pattern, spacy_memo

ADVERSARIAL = [
    "",
    " ",
    "...",
    "one",
    "(foo:) )",  # ':))' reaches over the space and hides ':)'
    "(foo:)) )",
    "met: 1. x ):' (",
    "'' '' ('', '')",
    "see e.g. (e.g.) i.e., a.m. 10a.m. 5p.m.) Mr. Smith's Ph.D. vs. them",
    "foo/Adm. . Adm .",
    "well-known U.S.A. $5.00 10km 3.5GB don't can't he's/she's",
    "http://example.org/a_b?c=d,e. user@example.org!",
    "a\u2028b\u2029c\x85d\x1fe\xa0f\u3000g\r\nh\ti",
    "  leading and trailing  ",
    "x IS_ALPHA y fooIS_ALPHA",
    "Ünïcödé straße — “quoted” … naïve… 10°C. 5°c. ½ km² ‘tis",
    "中文没有空格。mixed 中文 text",
    "—-—--~~ :-) :) ;-D >.< <3 8) (8) o.O (╯°□°）╯︵┻━┻",
    "\ud800 lone surrogate"[1:],
]


@pytest.fixture(scope="module")
def stock() -> SpaCyTokenizer:
    tokenizer = SpaCyTokenizer("en")
    for _ in range(2):
        tokenizer.word_tokenize("IS_ALPHA")
    return tokenizer


def real_texts() -> list[str]:
    sources = [textwrap, inspect, re, random]
    return [*list(topics.values())[:15], *(inspect.getsource(source)[:8_000] for source in sources)]


def test_words_of_real_text_are_datatroves(stock: SpaCyTokenizer) -> None:
    memo = SpacyMemo("en")
    for text in real_texts() * 2:  # the second time from memory
        assert memo.words(text) == stock.word_tokenize(text)


@pytest.mark.parametrize("text", ADVERSARIAL)
def test_words_of_difficult_text_are_datatroves(stock: SpaCyTokenizer, text: str) -> None:
    assert spacy_memo("en").words(text) == stock.word_tokenize(text)


CHUNKS = st.one_of(
    st.sampled_from([chunk for text in ADVERSARIAL for chunk in text.split()]),
    st.text(st.sampled_from("aB8.,:;)('’\"-_/=<>[]*|\\!?…—e"), min_size=1, max_size=8),
    st.text(min_size=1, max_size=6),
)
SPACES = st.sampled_from([" ", " ", " ", "  ", "\n", " \n", "\t", "\xa0"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CHUNKS, SPACES), max_size=8))
def test_words_of_any_text_are_datatroves(stock: SpaCyTokenizer, pieces: list[tuple[str, str]]) -> None:
    text = "".join(chunk + space for chunk, space in pieces).encode("utf-8", "replace").decode()
    assert spacy_memo("en").words(text) == stock.word_tokenize(text)


def test_special_cases_next_to_each_other_are_datatroves(stock: SpaCyTokenizer) -> None:
    rules = sorted(rule for rule in stock.tokenizer.tokenizer.rules if not rule.isspace())
    draw = random.Random(0)
    memo = spacy_memo("en")
    for _ in range(400):
        chunks = [
            "".join(draw.choices([*rules, "(", ")", "foo", "/", ":", "'"], k=draw.randint(1, 3))) for _ in range(4)
        ]
        text = " ".join(chunks)
        assert memo.words(text) == stock.word_tokenize(text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "z.B. d. h. 10km; „Straße“ :-) usw. (a.m.) bzw."),
        ("xx", "L'été, т.е. 10км; aujourd'hui («so») :)"),
        ("es", "Los EE. UU. y (EE. UU.) de EE.\nUU., p.m. «Sr. López» EE . UU ."),
        ("ru", "в т.ч. и т.д. (вед. науч. сотр.) 10км, т.е. в  т.ч."),
    ],
)
def test_other_languages_too(code: str, text: str) -> None:
    assert SpacyMemo(code).words(text) == SpaCyTokenizer(code).word_tokenize(text)


def test_what_is_forgotten_is_found_again(stock: SpaCyTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHUNKS", 50)
    memo = SpacyMemo("en")
    for text in real_texts()[:12]:
        assert memo.words(text) == stock.word_tokenize(text)
    before = set(memo._young) | set(memo._old)
    memo.words("never seen before")
    assert len(set(memo._old)) <= len(before) and "never" in memo._young


def test_long_chunks_are_not_remembered() -> None:
    memo, chunk = SpacyMemo("en"), "x/" * module.MAX_CHUNK_LENGTH
    memo.words(chunk)
    memo.words("next document")
    assert chunk not in memo._young


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(max_codepoint=127), max_size=20))
def test_ascii_pattern_finds_the_same(stock: SpaCyTokenizer, text: str) -> None:
    tokenizer = stock.tokenizer.tokenizer
    for search in (tokenizer.prefix_search, tokenizer.suffix_search, tokenizer.infix_finditer):
        full = search.__self__
        assert [m.span() for m in re.finditer(ascii_pattern(full.pattern), text)] == [
            m.span() for m in full.finditer(text)
        ]


def test_ascii_pattern_is_much_shorter() -> None:
    pattern = SpaCyTokenizer("en").tokenizer.tokenizer.suffix_search.__self__.pattern
    assert len(ascii_pattern(pattern)) < len(pattern) / 10
