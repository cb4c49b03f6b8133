"""How many tokens there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pretraining.corpus.config import CorpusSection, TextSource
from pretraining.recipe.estimate import available_tokens


def corpus(*paths: str) -> CorpusSection:
    """Text files, a tenth of them held out."""
    return CorpusSection(sources=[TextSource(type="text", path=path) for path in paths], held_out=0.1)


def test_a_guess_from_file_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 4000)
    (tmp_path / "b.txt.gz").write_bytes(b"b" * 1000)
    assert available_tokens(corpus("a.txt", "b.txt.gz"), tmp_path, tmp_path / "run") == (int(7000 * 0.9) // 4, False)


def test_the_plan_is_exact(tmp_path: Path) -> None:
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "plan.json").write_text(json.dumps({"samples": 10, "sequence_length": 64}))
    assert available_tokens(corpus("nothing"), tmp_path, tmp_path) == (640, True)


@pytest.mark.parametrize("plan", ["", "{}", "[]", "null", '{"samples": null, "sequence_length": 2}'])
def test_a_plan_that_is_none_is_passed_over(tmp_path: Path, plan: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 400)
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "plan.json").write_text(plan)
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == (90, False)


def test_nothing_is_said_about_sources_that_are_missing(tmp_path: Path) -> None:
    assert available_tokens(corpus("missing.txt"), tmp_path, tmp_path) is None
