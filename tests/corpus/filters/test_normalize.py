from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import ftfy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.normalize import FTFY, Normalize, fix_encoding, normalize
from pretraining.corpus.sections.cleaning import NormalizeStep
from pretraining.corpus.step import Preparation, Verdict, apply

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


@given(st.text(), st.sampled_from(["NFC", "NFKC"]))
def test_a_second_time_changes_nothing(text: str, form: Any) -> None:
    step = NormalizeStep(type="normalize", fix_encoding=False, unicode_form=form)
    once = normalize(text, step)
    assert normalize(once, step) == once
    assert unicodedata.is_normalized(form, once)


def run(text: str, *, language: str | None = None, **keys: Any) -> tuple[Draft, Verdict | None]:
    draft = Draft(text, "id", source="s", file="f", language=language)
    return draft, apply(Normalize(NormalizeStep.model_validate({"type": "normalize", **keys})), draft)


def test_edits_are_counted() -> None:
    draft, verdict = run("\nThe Presidentâ€™s\nmessage\x07\u200b \x1b[31mred\x1b[0m\n\n\n\n\nsÃ³\n \n")
    assert (draft.text, verdict) == ("The President’s\nmessage red\n\n\nsó", None)
    assert draft.edits == [{"encoding_repaired": 2, "characters_removed": 11, "blank_lines_removed": 5}]
    assert set(draft.edits[0]) < set(Normalize.edits)


def test_what_is_tidy_is_no_edit(speeches: list[str]) -> None:
    draft, _ = run("tidy text\n\nand more")
    assert draft.edits == [{}]
    once = run(speeches[0])[0].text
    assert run(once)[0].edits == [{}]


def test_nothing_left_is_empty() -> None:
    _, verdict = run("\u200b\n \x07")
    assert verdict is not None and verdict.reason == "empty"


def test_chinese_is_written_in_one_script() -> None:
    draft, _ = run("皇后在後面，餅乾很乾。\n乾隆年間\n", chinese="simplified")
    assert draft.text == "皇后在后面，饼干很干。\n乾隆年间"
    assert draft.edits == [{"blank_lines_removed": 1, "characters_converted": 5}]
    assert run("头发和发展", chinese="traditional")[0].text == "頭髮和發展"


@pytest.mark.parametrize(
    ("language", "text"),
    [(None, "汉字"), ("cmn_Hani", "汉字"), ("yue_Hant", "汉字"), ("jpn_Jpan", "漢字"), ("eng_Latn", "漢字")],
)
def test_only_chinese_is_converted(language: str | None, text: str) -> None:
    assert run("漢字", language=language, chinese="simplified")[0].text == text


def test_prepare_reads_the_dictionaries_only_if_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("pretraining.corpus.filters.normalize.converter", asked.append)
    preparation = Preparation(base=tmp_path, folder=tmp_path, sources={}, held_out=0.0)
    Normalize(STEP).prepare(preparation)
    assert asked == []
    Normalize(NormalizeStep(type="normalize", chinese="simplified")).prepare(preparation)
    assert asked == ["simplified"]


def test_long_runs_of_spaces_take_linear_time() -> None:
    import time

    start = time.perf_counter()
    normalize("x" + " " * 3_000_000 + "x" + "\n " * 100_000, STEP)
    assert time.perf_counter() - start < 2
