"""How many tokens there are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.sources import TextSource
from pretraining.recipe.estimate import available_tokens


def corpus(*paths: str) -> CorpusSection:
    """Text files, a tenth of them held out."""
    return CorpusSection(sources=[TextSource(type="text", path=path) for path in paths], held_out=0.1)


def test_at_most_a_token_a_byte(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 4000)
    (tmp_path / "b.txt.gz").write_bytes(b"b" * 1000)
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path / "run") == (4000, False)
    assert available_tokens(corpus("a.txt", "b.txt.gz"), tmp_path, tmp_path / "run") is None


def test_the_plan_is_exact_until_a_source_is_newer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 4000)
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "plan.json").write_text(json.dumps({"samples": 10, "sequence_length": 64}))
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == (640, True)
    later = (tmp_path / "batches" / "plan.json").stat().st_mtime + 10
    os.utime(tmp_path / "a.txt", (later, later))
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == (4000, False)


@pytest.mark.parametrize("plan", ["", "{}", "[]", "null", '{"samples": null, "sequence_length": 2}'])
def test_a_plan_that_is_none_is_passed_over(tmp_path: Path, plan: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 400)
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "plan.json").write_text(plan)
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == (400, False)


def test_nothing_is_said_about_sources_that_are_missing(tmp_path: Path) -> None:
    assert available_tokens(corpus("missing.txt"), tmp_path, tmp_path) is None
