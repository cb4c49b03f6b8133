from __future__ import annotations

import sys
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opencc import OpenCC

from pretraining.corpus.filters.chinese import _RUNS, _dictionaries, converter
from pretraining.errors import DataError

OPENCC = {"simplified": OpenCC("t2s"), "traditional": OpenCC("s2t")}
Script = Literal["simplified", "traditional"]
PIECES = [
    "乾",
    "干",
    "隆",
    "燥",
    "餅",
    "皇后",
    "後面",
    "发",
    "頭髮",
    "發展",
    "面",
    "。",
    " ",
    "\n",
    "a",
    "．",
    "ー",
    "한",
    "𠀀",
    "裏",
    "〇",
]


@given(st.lists(st.sampled_from(PIECES), max_size=30), st.sampled_from(["simplified", "traditional"]))
def test_the_short_cut_gives_what_opencc_gives(pieces: list[str], script: Script) -> None:
    text = "".join(pieces)
    converted, changed = converter(script)(text)
    assert converted == OPENCC[script].convert(text)
    assert (changed == 0) == (converted == text)


@pytest.mark.parametrize("script", ["simplified", "traditional"])
def test_no_entry_holds_a_character_that_opencc_is_not_shown(script: Script) -> None:
    opencc = OPENCC[script]
    entries = [entry for _, _, dictionary in _dictionaries(opencc._dict_chain_data) for entry in dictionary]
    assert len(entries) > 4000
    assert all(_RUNS.fullmatch(entry) or opencc.split_chars_re.search(entry) for entry in entries)


def test_the_package_is_named_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(DataError, match=r"(?s)`chinese: simplified` needs OpenCC.*pip install 'opencc-python"):
        converter("simplified")
