from __future__ import annotations

import pytest
from pydantic import ValidationError

from pretraining.section import Duration


def test_exactly_one_unit() -> None:
    for keys in ({}, {"tokens": 1, "steps": 1}):
        with pytest.raises(ValidationError, match="give exactly one of tokens, steps"):
            Duration.model_validate(keys)
    with pytest.raises(ValidationError, match="must not be negative"):
        Duration(steps=-1)
    with pytest.raises(ValidationError):
        Duration.model_validate({"steps": "3"})


def test_text_and_steps() -> None:
    assert str(Duration(tokens=2_000_000)) == "2,000,000 tokens"
    assert str(Duration(tokens_per_parameter=20)) == "20 tokens per parameter"
    assert Duration(tokens=100).in_steps(step_tokens=30) == 4
    with pytest.raises(ValueError, match="cannot be turned into steps"):
        Duration(epochs=1.0).in_steps(step_tokens=30)
