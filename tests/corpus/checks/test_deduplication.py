from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.checks.deduplication import RULES, half_similarity
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.deduplication import (
    DocumentDeduplicationStep,
    ExactDeduplicationStep,
    MinhashDeduplicationStep,
)
from pretraining.corpus.sections.sources import TextSource
from pretraining.section import Finding

SOURCES = [TextSource(type="text", path=f"{name}.txt", name=name) for name in ("books", "wiki")]


def findings(rule: str, *steps: DocumentDeduplicationStep, **more: Any) -> list[Finding]:
    corpus = CorpusSection.model_construct(sources=SOURCES, steps=list(steps))
    return list(next(r for r in RULES if r.id == f"deduplication_{rule}").check(corpus, **more))


def exact(**keys: Any) -> ExactDeduplicationStep:
    return ExactDeduplicationStep(type="exact_deduplication", **keys)


def minhash(**keys: Any) -> MinhashDeduplicationStep:
    return MinhashDeduplicationStep(type="minhash_deduplication", **keys)


def test_priority_names_sources() -> None:
    assert not findings("priority_known", exact(priority=["wiki", "books"]), exact())
    (finding,) = findings("priority_known", exact(), minhash(priority=["wiki", "bokks"]))
    assert (finding.path, finding.hint) == ("corpus.steps[1].priority[1]", "did you mean 'books'?")
    assert finding.fix == "name sources of the recipe: books, wiki"


def test_priority_is_for_more_than_one_source() -> None:
    assert not findings("priority_across_sources", exact(priority=["wiki"]), exact(scope="source"))
    (finding,) = findings("priority_across_sources", exact(priority=["wiki"], scope="source"))
    assert finding.path == "corpus.steps[0].priority"


def test_against_has_signatures(tmp_path: Path) -> None:
    folder = tmp_path / "old" / "signatures" / "exact_deduplication"
    folder.mkdir(parents=True)
    (folder / "parameters.json").write_text("{}")
    assert not findings("against_signatures", exact(against=["old"]), base=tmp_path)
    (finding,) = findings("against_signatures", minhash(against=["old"]), base=tmp_path)
    assert finding.path == "corpus.steps[0].against[0]"
    assert "no signatures of minhash_deduplication" in finding.message


@pytest.mark.parametrize(
    ("bands", "rows", "found"), [(14, 8, 0), (9, 13, 0), (25, 5, 0), (14, 2, 1), (1, 1, 0), (100, 3, 1)]
)
def test_bands_and_rows_are_selective(bands: int, rows: int, found: int) -> None:
    assert len(findings("bands_selective", minhash(bands=bands, rows=rows), exact())) == found


def test_half_of_the_pairs_meet_at_this_similarity() -> None:
    similarity = half_similarity(14, 8)
    assert 1 - (1 - similarity**8) ** 14 == pytest.approx(0.5)
    assert similarity == pytest.approx(0.685, abs=0.001)
