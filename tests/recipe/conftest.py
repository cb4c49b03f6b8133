"""A recipe that is right, in a folder of its own, and ways to make it wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.loading import load_recipe

Write = Callable[[str, str], Path]

RECIPE = """\
name: tiny
corpus: {sources: [{type: text, path: text.txt}]}
tokenizer: {vocab_size: 512}
batches: {sequence_length: 64, max_epochs: 1000}
model:
  architecture: llama
  hidden_size: 32
  intermediate_size: 64
  num_hidden_layers: 2
  num_attention_heads: 4
training:
  duration: {steps: 100}
  batch_tokens: 1_024
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file below the current folder; there is one text of 4,000 bytes already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("four score " * 363 + "and 7.\n", encoding="utf-8")

    def write_file(name: str, text: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def tiny(write: Write) -> Path:
    """A recipe without problems."""
    return write("tiny.yaml", RECIPE)


@pytest.fixture
def problems() -> Callable[..., list[Problem]]:
    """All the problems of a recipe."""

    def find(path: Path | str, *overrides: str, ranks: int = 1) -> list[Problem]:
        with pytest.raises(RecipeError) as caught:
            load_recipe(path, overrides, ranks=ranks)
        return caught.value.problems

    return find
