from __future__ import annotations

import pytest
from datatrove.utils.text import simplify_text
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.deduplication.hashing import ccnet_form, simplify


@given(st.text())
def test_simplify_is_datatroves(text: str) -> None:
    assert simplify(text) == simplify_text(text)


@given(st.text(alphabet="aB é́İıſK１٣٫2.,\x1c\x85\u2028\u00a0\u3000—_'\n\t你ñ"))
def test_simplify_is_datatroves_on_hard_characters(text: str) -> None:
    assert simplify(text) == simplify_text(text)


def test_simplify_of_speeches_is_datatroves(speeches: list[str]) -> None:
    assert [simplify(text) for text in speeches[:3]] == [simplify_text(text) for text in speeches[:3]]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("  Ein Café, 1987!  ", "ein cafe 0000"),
        ("“Quoted” — it’s…", "quoted  its"),
        ("《红楼梦》，共１２０回。", "红楼梦共000回"),
        ("a\nb", "a\nb"),
        ("?!", "?!"),
    ],
)
def test_ccnet_form(text: str, form: str) -> None:
    assert ccnet_form(text) == form
