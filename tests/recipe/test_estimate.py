"""How many tokens there are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pretraining.batching.supply import Supply
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import TextSource
from pretraining.recipe import estimate
from pretraining.recipe.estimate import available_tokens


def corpus(*paths: str) -> CorpusSection:
    """Text files, a tenth of them held out."""
    return CorpusSection(sources=[TextSource(type="text", path=path) for path in paths], held_out=0.1)


PLAN: dict[str, Any] = {
    "left_out": {"c": 9},
    "streams": [
        {"source": "a", "sequence_length": 64, "row_length": 64, "samples": 10, "tokens": 600},
        {"source": "b", "sequence_length": 64, "row_length": 64, "samples": 5, "tokens": 310},
        {"source": "a", "sequence_length": 128, "row_length": 128, "samples": 5, "tokens": 600},
    ],
}


def write_plan(run: Path, plan: object) -> Path:
    (run / "batches").mkdir(exist_ok=True)
    path = run / "batches" / "plan.json"
    path.write_text(plan if isinstance(plan, str) else json.dumps(plan))
    return path


def test_at_most_a_token_a_byte(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 4000)
    (tmp_path / "b.txt.gz").write_bytes(b"b" * 1000)
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path / "run") == Supply({"a": 4000}, False, 4000)
    # Of a compressed file nothing is known, nor of the whole then.
    assert available_tokens(corpus("a.txt", "b.txt.gz"), tmp_path, tmp_path / "run") == Supply({"a": 4000}, False, None)


def test_the_plan_is_exact_until_a_source_is_newer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 4000)
    plan = write_plan(tmp_path, PLAN)
    counted = available_tokens(corpus("a.txt"), tmp_path, tmp_path)
    assert counted.tokens == {"a": 600, "b": 310, "c": 9} and counted.counted
    assert counted.epoch_tokens == 15 * 64  # one pass, padding included
    assert counted.fill == {("a", 64): 600 / 640, ("b", 64): 310 / 320, ("a", 128): 600 / 640}
    later = plan.stat().st_mtime + 10
    os.utime(tmp_path / "a.txt", (later, later))
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == Supply({"a": 4000}, False, 4000)


def test_a_plan_without_a_mixture_counts_the_whole(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 4000)
    stream = {"source": None, "sequence_length": 512, "row_length": 568, "samples": 7, "tokens": 3900}
    write_plan(tmp_path, {"left_out": {}, "streams": [stream]})
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == Supply({}, True, 7 * 512)


@pytest.mark.parametrize(
    "plan", ["", "{}", "[]", "null", '{"left_out": {}, "streams": []}', '{"left_out": {}, "streams": [{}]}']
)
def test_a_plan_that_is_none_is_passed_over(tmp_path: Path, plan: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 400)
    write_plan(tmp_path, plan)
    assert available_tokens(corpus("a.txt"), tmp_path, tmp_path) == Supply({"a": 400}, False, 400)


def test_nothing_is_said_about_sources_that_are_missing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 400)
    write_plan(tmp_path, PLAN)  # what it counted is perhaps not what would be read now
    assert available_tokens(corpus("a.txt", "gone.txt"), tmp_path, tmp_path) == Supply({"a": 400}, False, None)


@pytest.mark.parametrize(
    "far",
    [
        {"type": "huggingface", "path": "nobody/nothing"},
        {"type": "jsonl", "path": "https://example.invalid/a.jsonl"},
        {"type": "parquet", "path": "s3://bucket/part-*.parquet"},
    ],
)
def test_what_is_behind_a_network_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, far: dict[str, str]
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a" * 400)
    write_plan(tmp_path, PLAN)  # no plan can tell whether that text is still the same
    asked, real = [], estimate.source_files

    def files(source: Any, base: Path) -> Any:
        asked.append(source.type)
        return real(source, base)

    monkeypatch.setattr(estimate, "source_files", files)
    section = CorpusSection.model_validate({"sources": [{"type": "text", "path": "a.txt"}, far]})
    assert available_tokens(section, tmp_path, tmp_path) == Supply({"a": 400}, False, None)
    assert asked == ["text"]


def test_a_folder_with_a_dataset_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "a.jsonl").write_bytes(b"a" * 70)
    near = [{"type": "huggingface", "path": "saved"}, {"type": "text", "path": "memory://none.txt"}]
    asked = []

    def files(source: Any, base: Path) -> list[SourceFile]:
        asked.append(source.path)
        return [SourceFile("x", str(tmp_path / "saved" / "a.jsonl"), "a.jsonl", 70)]

    monkeypatch.setattr(estimate, "source_files", files)
    supply = available_tokens(CorpusSection.model_validate({"sources": near}), tmp_path, tmp_path)
    assert asked == ["saved", "memory://none.txt"] and supply.epoch_tokens == 140
