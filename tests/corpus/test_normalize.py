from __future__ import annotations

import unicodedata

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.config import NormalizeStep
from pretraining.corpus.normalize import FTFY, fix_encoding, normalize

STEP = NormalizeStep(type="normalize")

MOJIBAKE = [
    "The Presidentâ€™s message",
    "sÃ³ and naÃ¯ve",
    "voilÃ le travail\nplain line\nnaïve, but fine\n",
    "price: \x8250 \x93quoted\x94",
    "\x85",
    "l’humanité",
    "РџСЂРёРІРµС‚",
    "æ–‡å­—åŒ–ã‘",
    "ＬＯＵＤ ﬂuﬃest “quotes” &amp; <b>",
]


@pytest.mark.parametrize("text", MOJIBAKE)
def test_the_short_cut_gives_what_ftfy_gives(text: str) -> None:
    assert fix_encoding(text) == ftfy.fix_text(text, FTFY)


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from([*MOJIBAKE, "\n", "plain", " ", "Ã", "â€", "\xa0", "é", "\r\n", "国", "\x81"]), max_size=12
    )
)
def test_the_short_cut_gives_what_ftfy_gives_for_any_mixture(parts: list[str]) -> None:
    assert fix_encoding("".join(parts)) == ftfy.fix_text("".join(parts), FTFY)


def test_the_short_cut_gives_what_ftfy_gives_for_speeches(speeches: list[str]) -> None:
    text = "\n".join(
        speech.encode().decode("cp1252", "replace") if i % 2 else speech for i, speech in enumerate(speeches)
    )
    assert fix_encoding(text) == ftfy.fix_text(text, FTFY)


def test_a_line_that_ftfy_cuts_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "Ã³" * (FTFY.max_decode_length // 2 + 10)
    assert fix_encoding(text) == ftfy.fix_text(text, FTFY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Presidentâ€™s message", "The President’s message"),
        ("“curly” ﬂag ＡＢ &amp;", "“curly” ﬂag ＡＢ &amp;"),
        ("e\u0301te\u0301", "été"),
        ("one\r\ntwo\rthree\x0cfour\u2028five", "one\ntwo\nthree\nfour\nfive"),
        ("bell\x07 nul\0 soft\u00adhyphen zero\u200bwidth\ufeff", "bell nul softhyphen zerowidth"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\u202eevil\u202c", "evil"),
        ("می\u200cخواهم 👩\u200d🚀", "می\u200cخواهم 👩\u200d🚀"),
        ("tab\tstays  and spaces  \t\n    indented \n", "tab\tstays  and spaces\n    indented"),
        ("a\n\n\nb\n \n\t\n\n\n\nc", "a\n\n\nb\n\n\nc"),
        ("\n\n a\n", " a"),
        ("\u200b\x07\n \n", ""),
        ("e\u200b\u0301", "é"),
    ],
)
def test_what_changes_and_what_does_not(text: str, expected: str) -> None:
    assert normalize(text, STEP) == expected


def test_quoted_mojibake_can_stay() -> None:
    assert normalize("sÃ³", NormalizeStep(type="normalize", fix_encoding=False)) == "sÃ³"


def test_compatibility_form() -> None:
    assert normalize("ﬁ Ａ x\u3000", NormalizeStep(type="normalize", unicode_form="NFKC")) == "fi A x"


@given(st.text())
def test_a_second_time_changes_nothing(text: str) -> None:
    step = NormalizeStep(type="normalize", fix_encoding=False)
    once = normalize(text, step)
    assert normalize(once, step) == once
    assert unicodedata.is_normalized("NFC", once)


def test_long_runs_of_spaces_take_linear_time() -> None:
    import time

    start = time.perf_counter()
    normalize("x" + " " * 3_000_000 + "x" + "\n " * 100_000, STEP)
    assert time.perf_counter() - start < 2
