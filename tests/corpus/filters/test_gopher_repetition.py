from __future__ import annotations

import math
from typing import Any

import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.gopher_repetition import GopherRepetition
from pretraining.corpus.sections.heuristics import GopherRepetitionStep
from pretraining.corpus.step import apply


def values(text: str, **keys: Any) -> dict[str, float]:
    step = GopherRepetition(GopherRepetitionStep(type="gopher_repetition", **keys), measure_all=True)
    draft = Draft(text, "1", source="s", file="f")
    apply(step, draft)
    return dict(zip([rule.reason for rule in step.rules], draft.values[-1], strict=True))


def test_lines_and_paragraphs() -> None:
    found = values("one\n\ntwo\n\none\n\nthree")
    assert found["dup_para_frac"] == 1 / 4 == found["dup_line_frac"]
    assert found["dup_para_char_frac"] == found["dup_line_char_frac"] == 3 / 20


def test_n_grams() -> None:
    found = values("a bb c a bb d")
    assert found["top_2_gram"] == (1 + 2 + 1) * 2 / 13
    assert found["top_3_gram"] == len("a bb c") / 13
    assert found["duplicated_5_n_grams"] == 0.0
    assert math.isnan(values("a bb")["top_3_gram"])
    assert values("v w x y z " * 2)["duplicated_5_n_grams"] == 5 / 20


def test_dolma_counts_every_copy() -> None:
    found = values("v w x y z\nv w x y z\nq", variant="dolma")
    assert found["dup_line_frac"] == 2 / 3 and found["dup_line_char_frac"] == 18 / 11
    assert found["top_2_gram"] == 4 / 11
    assert found["duplicated_5_n_grams"] == pytest.approx(2 / 7)


def test_what_is_off_is_not_measured() -> None:
    step = GopherRepetition(GopherRepetitionStep(type="gopher_repetition", variant="dolma", max_top_3_gram=None))
    draft = Draft(" ".join(f"word{i}" for i in range(60)), "1", source="s", file="f")
    assert apply(step, draft) is None
    assert math.isnan(draft.values[-1][[rule.reason for rule in step.rules].index("top_3_gram")])


def test_variants() -> None:
    chinese = GopherRepetitionStep(type="gopher_repetition", variant="fineweb2-cmn_Hani")
    assert (chinese.max_duplicate_lines, chinese.max_duplicate_paragraphs, chinese.max_top_2_gram) == (
        0.287,
        None,
        0.256,
    )
    assert GopherRepetitionStep(type="gopher_repetition", variant="dolma").max_duplicate_line_characters == 0.3
