from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.scripts import UNKNOWN, character_script, main_script, script_counts

TEXTS = {
    "Latn": "Ærøskøbing, naïve façade, Việt Nam, ﬁn",
    "Cyrl": "Добрый день, Їжак",
    "Grek": "Καλημέρα, ὦ ἄνδρες",
    "Arab": "السلام عليكم",
    "Hebr": "שלום עולם",
    "Deva": "नमस्ते दुनिया",
    "Beng": "নমস্কার",
    "Thai": "สวัสดีครับ",
    "Hang": "안녕하세요",
    "Hani": "今天天气很好",
    "Jpan": "今日は天気がいいですね",
    "Ethi": "ሰላም",
    "Geor": "გამარჯობა",
    "Armn": "Բարեւ",
    "Taml": "வணக்கம்",
    "Mymr": "မင်္ဂလာပါ",
    "Khmr": "សួស្តី",
    "Tibt": "བཀྲ་ཤིས",
}


@pytest.mark.parametrize(("script", "text"), TEXTS.items())
def test_scripts(script: str, text: str) -> None:
    assert main_script(text) == script


def test_a_few_kana_do_not_make_chinese_japanese() -> None:
    assert main_script("中文文章里引用了一个日文字の而已其余都是汉字没有假名") == "Hani"
    assert script_counts("カメラ") == {"Jpan": 3}


@pytest.mark.parametrize("text", ["", "1234 — 56%", "🙂🎉", "\n\t"])
def test_without_letters(text: str) -> None:
    assert main_script(text) == UNKNOWN


def test_most_letters_win() -> None:
    assert script_counts("abc где") == {"Latn": 3, "Cyrl": 3}
    assert main_script("abcd где") == "Latn"
    assert main_script("ab где") == "Cyrl"


@given(st.characters(categories=["Ll", "Lu"], max_codepoint=0x024F))
def test_letters_of_the_latin_blocks(character: str) -> None:
    name = unicodedata.name(character)
    assert (character_script(character) == "Latn") == (name.startswith("LATIN") or "MICRO" in name)


@given(st.text())
def test_no_more_letters_than_characters(text: str) -> None:
    assert 0 <= script_counts(text).total() <= len(text)
