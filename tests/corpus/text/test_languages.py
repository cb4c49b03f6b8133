from __future__ import annotations

import pytest

from pretraining.corpus.text.languages import STOP_WORDS, script, spacy_code, unspaced, unspaced_language


def test_share_of_letters_without_spaces() -> None:
    assert unspaced("plain English") == (0.0, "")
    assert unspaced("déjà vu") == (0.0, "")
    assert unspaced("漢字 ab") == (0.5, "Hani")
    assert unspaced("これは漢字です") == (1.0, "Jpan")
    assert unspaced("สวัสดี")[1] == "Thai"
    assert unspaced("한국어 문장") == (0.0, "")


def test_language_decides_before_letters() -> None:
    assert unspaced_language("cmn_Hani", "abc") and not unspaced_language("eng_Latn", "漢字")
    assert unspaced_language(None, "漢字") and not unspaced_language(None, "abc")
    assert script("cmn_Hani") == "Hani" and script(None) == ""


@pytest.mark.parametrize(
    ("language", "code"),
    [
        (None, "en"), ("eng_Latn", "en"), ("deu_Latn", "de"), ("rus_Cyrl", "ru"), ("arb_Arab", "ar"),
        ("kor_Hang", None), ("vie_Latn", None), ("hin_Deva", None), ("xxx_Xxxx", None),
    ],
)  # fmt: skip
def test_spacy_codes_need_nothing_else(language: str | None, code: str | None) -> None:
    assert spacy_code(language) == code


def test_stop_words() -> None:
    assert STOP_WORDS["eng_Latn"] == {"the", "be", "to", "of", "and", "that", "have", "with"}
    assert len(STOP_WORDS) == 14 and all(len(words) >= 8 for words in STOP_WORDS.values())
