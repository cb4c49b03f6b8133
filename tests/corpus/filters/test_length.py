from __future__ import annotations

import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.length import Length
from pretraining.corpus.sections.heuristics import LengthStep
from pretraining.corpus.step import Verdict, apply


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("国情咨", None),
        ("12345", None),
        ("ab", Verdict("too_short", 2, 3)),
        ("123456", Verdict("too_long", 6, 5)),
    ],
)
def test_length_counts_characters(text: str, verdict: Verdict | None) -> None:
    step = Length(LengthStep(type="length", min_characters=3, max_characters=5))
    assert apply(step, Draft(text, "1", source="s", file="f")) == verdict


def test_a_limit_can_be_switched_off() -> None:
    step = Length(LengthStep(type="length", min_characters=None, max_characters=None))
    assert apply(step, Draft("x", "1", source="s", file="f")) is None
