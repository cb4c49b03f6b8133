"""The rules about perplexity and classifier steps."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.checks.models import RULES
from pretraining.corpus.config import CorpusSection
from pretraining.section import Finding

TRAIN = {"type": "train", "source": "trusted"}


def found(rule: str, folder: Path, *steps: dict[str, Any]) -> list[Finding]:
    """What one rule has to say about these steps in a corpus with the source ``trusted``."""
    (folder / "trusted.txt").write_text("text")
    sources = [{"type": "text", "path": "trusted.txt", "name": name} for name in ("trusted", "web")]
    corpus = CorpusSection.model_validate({"sources": sources, "steps": list(steps)})
    check = next(each.check for each in RULES if each.id == rule)
    given = {"corpus": corpus, "base": folder}
    return list(check(**{name: given[name] for name in inspect.signature(check).parameters}))


def perplexity(**keys: Any) -> dict[str, Any]:
    return {"type": "perplexity", "model": TRAIN, "sources": ["web"], **keys}


def classifier(**keys: Any) -> dict[str, Any]:
    return {"type": "classifier", "models": ["trusted.txt"], **keys}


def test_a_recipe_without_mistakes_has_no_findings(tmp_path: Path) -> None:
    steps = [perplexity(head=3, tail=4), {"type": "perplexity_buckets"}, classifier(), classifier(field="other")]
    assert [finding for rule in RULES for finding in found(rule.id, tmp_path, *steps)] == []


def test_a_trusted_source_that_no_source_is(tmp_path: Path) -> None:
    (finding,) = found("perplexity_source_there", tmp_path, perplexity(model={**TRAIN, "source": "trustd"}))
    assert finding.path == "corpus.steps[0].model.source" and finding.hint == "did you mean 'trusted'?"


@pytest.mark.parametrize("sources", [None, ["web", "trusted"]])
def test_a_model_that_measures_what_it_learns_from(tmp_path: Path, sources: list[str] | None) -> None:
    (finding,) = found("perplexity_spares_its_source", tmp_path, perplexity(sources=sources))
    assert finding.path == "corpus.steps[0].sources" and finding.fix.endswith("`sources: [web]`")


def test_a_trusted_source_of_its_own_that_is_not_there(tmp_path: Path) -> None:
    source = {"type": "text", "path": "nowhere.txt"}
    (finding,) = found("perplexity_source_there", tmp_path, perplexity(model={**TRAIN, "source": source}))
    assert finding.path == "corpus.steps[0].model.source.path" and "nowhere.txt does not exist" in finding.message


@pytest.mark.parametrize(
    ("step", "path", "message"),
    [
        (perplexity(model={"type": "kenlm", "path": "no.bin"}), "model.path", "there is no file"),
        (perplexity(model={**TRAIN, "tokenizer": "tokenizer.json"}), "model.tokenizer", "there is no file"),
        (classifier(models=["trusted.txt", "no"]), "models[1]", "there is no classifier"),
    ],
)
def test_files_that_are_not_there(tmp_path: Path, step: dict[str, Any], path: str, message: str) -> None:
    (finding,) = found("model_files_there", tmp_path, step)
    assert finding.path == f"corpus.steps[0].{path}" and finding.message.startswith(message) and finding.fix


@pytest.mark.parametrize(
    ("step", "key"),
    [
        (perplexity(min_perplexity=9, max_perplexity=8), "min_perplexity"),
        (perplexity(head=9, tail=8), "head"),
        ({"type": "perplexity_buckets", "head": 0.7}, "head"),
        (classifier(min_score=0.6, max_score=0.5), "min_score"),
    ],
)
def test_limits_that_cross(tmp_path: Path, step: dict[str, Any], key: str) -> None:
    (finding,) = found("model_limits_in_order", tmp_path, step)
    assert finding.path == f"corpus.steps[0].{key}" and "is more than" in finding.message


def test_the_sum_of_score_and_draw_may_be_above_the_largest_score(tmp_path: Path) -> None:
    assert found("model_limits_in_order", tmp_path, classifier(select="pareto", max_score=0.9)) == []


def test_buckets_before_any_perplexity(tmp_path: Path) -> None:
    (finding,) = found("buckets_after_perplexity", tmp_path, {"type": "perplexity_buckets"}, perplexity())
    assert finding.path == "corpus.steps[0]"


def test_two_classifiers_with_one_field(tmp_path: Path) -> None:
    (finding,) = found("classifier_fields_unique", tmp_path, classifier(), classifier())
    assert finding.path == "corpus.steps[1].field" and "corpus.steps[0] writes 'quality_score' too" in finding.message
