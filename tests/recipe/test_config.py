"""The recipe as one model."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pretraining.recipe.config import SECTIONS, Recipe


def test_sections_are_in_stage_order() -> None:
    assert SECTIONS == ("corpus", "tokenizer", "batches", "objective", "model", "training", "evaluation", "publishing")


@pytest.mark.parametrize("name", ["a", "llama-3.2_1B", "7b"])
def test_names(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"name": name})
    assert "name" not in [error["loc"][0] for error in caught.value.errors()]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-a", "_a", "ä", "a\n"])
def test_names_that_are_no_folder(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"name": name})
    assert "name" in [error["loc"][0] for error in caught.value.errors()]
