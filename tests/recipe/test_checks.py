"""Rules in general, and the rule about run folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.errors import Problem
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.recipe.checks import RECIPE, ROOMS, as_problem, find, nearest_origin
from pretraining.recipe.loading import load_recipe
from pretraining.recipe.tree import COMMAND_LINE, DEFAULT
from pretraining.section import Duration, Finding
from pretraining.training.config import TrainingSection

FACTS = {
    *("corpus", "tokenizer", "batches", "objective", "model", "training", "evaluation", "publishing"),
    *("name", "base", "ranks", "available_tokens", "supply", "timeline", "run_folder", "recipe_path"),
}


def test_rules_ask_only_for_what_there_is() -> None:
    import inspect

    for rule in (rule for rules in ROOMS.values() for rule in rules):
        assert set(inspect.signature(rule.check).parameters) <= FACTS, rule.id


def test_rules_of_missing_sections_are_passed_over() -> None:
    assert list(find({})) == []


def test_a_finding_gets_value_and_origin() -> None:
    data = {"corpus": {"sources": [{"path": "x"}]}}
    origins = {"corpus.sources[0].path": COMMAND_LINE}
    problem = as_problem(RECIPE[0], Finding("corpus.sources[0].path", "m", "f", "h"), data, origins)
    assert (problem.value, problem.where, problem.hint) == ("x", "command line", "h")
    assert as_problem(RECIPE[0], Finding("corpus.sources[4].path", "m", "f"), data, origins).value is None


def test_nearest_origin() -> None:
    origins = {"training.duration.steps": COMMAND_LINE, "training": DEFAULT, "a[0].b": COMMAND_LINE}
    assert nearest_origin("training.duration", origins) == COMMAND_LINE  # what is inside
    assert nearest_origin("training.schedule.decay", origins) == DEFAULT  # what it would stand in
    assert nearest_origin("a[0]", origins) == COMMAND_LINE
    assert nearest_origin("b", origins) == ""


@pytest.fixture
def run(tiny: Path) -> Callable[[str], None]:
    """Write the manifest of ``runs/tiny``."""

    def write_manifest(text: str) -> None:
        Path("runs/tiny").mkdir(parents=True)
        Path("runs/tiny/manifest.json").write_text(text, encoding="utf-8")

    return write_manifest


def test_the_run_folder_of_another_recipe(
    tiny: Path, run: Callable[[str], None], problems: Callable[..., list[Problem]]
) -> None:
    Path("other.yaml").write_text("name: tiny\n", encoding="utf-8")
    run(json.dumps({"recipe": "other.yaml"}))
    (problem,) = problems(tiny)
    assert (problem.rule, problem.path, problem.value) == ("run_folder_of_another_recipe", "name", "tiny")
    assert problem.where == "tiny.yaml:1"
    assert "runs/tiny holds the run of another recipe, other.yaml" in problem.message
    assert "choose another name than tiny" in problem.fix


@pytest.mark.parametrize("manifest", ['{"recipe": "tiny.yaml"}', '{"recipe": "gone.yaml"}', "{}", "not json", "[]"])
def test_the_run_folder_of_this_recipe_or_of_none(tiny: Path, run: Callable[[str], None], manifest: str) -> None:
    run(manifest)
    assert load_recipe(tiny).recipe.name == "tiny"


STAGES = "batches.stages=[{name: a, duration: {steps: 3}}, {name: b, duration: {tokens: 5000}}]"


@pytest.mark.parametrize("duration", ["{steps: 8}", "{tokens: 8192}", "{tokens: 8_000}"])
def test_a_duration_beside_stages_agrees_with_them(tiny: Path, duration: str) -> None:
    loaded = load_recipe(tiny, [STAGES, f"training.duration={duration}"])
    assert loaded.facts["training.steps"][0] == 8  # 3, and 5,000 tokens in batches of 1,024


@pytest.mark.parametrize(
    ("duration", "message"),
    [
        ("{steps: 9}", "9 steps are 9 steps, and the stages have 8 (8,192 tokens)"),
        ("{tokens: 9000}", "9,000 tokens are 9 steps, and the stages have 8 (8,192 tokens)"),
        ("{tokens_per_parameter: 20}", "the stages say how long the training is: 8,192 tokens"),
    ],
)
def test_a_duration_that_contradicts_the_stages(
    tiny: Path, problems: Callable[..., list[Problem]], duration: str, message: str
) -> None:
    (problem,) = problems(tiny, STAGES, f"training.duration={duration}")
    assert (problem.rule, problem.path, problem.message) == ("stages_make_the_duration", "training.duration", message)


@pytest.mark.parametrize(("batch", "found"), [(32, 1), (63, 1), (64, 0)])
def test_contrastive_has_other_texts(batch: int, found: int) -> None:
    (rule,) = (rule for rule in RECIPE if rule.id == "contrastive_has_negatives")
    training = TrainingSection(duration=Duration(steps=1), batch_tokens=batch)
    batches = BatchesSection(sequence_length=32, packing="none")
    assert len(list(rule.check(objective=ContrastiveSection(), batches=batches, training=training))) == found
    assert list(rule.check(objective=CausalLMSection(), batches=batches, training=training)) == []
