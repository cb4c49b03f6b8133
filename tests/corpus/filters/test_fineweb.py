from __future__ import annotations

import math
from typing import Any

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.fineweb import FineWeb
from pretraining.corpus.sections.heuristics import FineWebStep
from pretraining.corpus.step import apply


def values(text: str, **keys: Any) -> dict[str, float]:
    step = FineWeb(FineWebStep(type="fineweb", **keys), measure_all=True)
    draft = Draft(text, "1", source="s", file="f")
    apply(step, draft)
    return dict(zip([rule.reason for rule in step.rules], draft.values[-1], strict=True))


def test_each_value() -> None:
    found = values("A line that is longer than thirty characters.\n\nshort\nshort\n")
    assert found["line_punct_ratio"] == 1 / 3 and found["short_line_ratio"] == 2 / 3
    assert found["char_dup_ratio"] == 5 / 55
    assert found["list_ratio"] == 4 / 11  # the full stop is a word of spaCy


def test_pages_without_punctuation_can_stay() -> None:
    assert values("no end")["line_punct_ratio"] == 0.0
    assert math.isnan(values("no end", keep_without_punctuation=True)["line_punct_ratio"])
    assert values("ends;", line_ends=[";"])["line_punct_ratio"] == 1.0


def test_the_end_of_a_sentence_in_other_scripts() -> None:
    assert values("今天天气很好。\n完")["line_punct_ratio"] == 0.5


def test_variant() -> None:
    chinese = FineWebStep(type="fineweb", variant="fineweb2-cmn_Hani")
    assert (chinese.max_short_lines, chinese.min_line_punctuation) == (None, 0.106)
