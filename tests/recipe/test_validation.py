"""The words for what the schema refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pretraining.errors import Problem
from pretraining.recipe.merging import apply_overrides, read_recipe
from pretraining.recipe.validation import validate


def one(path: Path, *overrides: str) -> Problem:
    """The one problem that overrides make."""
    tree, _ = apply_overrides(read_recipe(path)[0], overrides)
    recipe, _, problems = validate(tree)
    assert recipe is None
    (problem,) = problems
    return problem


def test_a_right_recipe(tiny: Path) -> None:
    recipe, sections, problems = validate(read_recipe(tiny)[0])
    assert problems == []
    assert recipe is not None
    assert sections["batches"] is recipe.batches
    assert recipe.publishing.description == ""  # sections whose keys all have defaults may be left out


@pytest.mark.parametrize(
    ("override", "rule", "path", "message", "rest"),
    [
        ("sed=3", "unknown_key", "sed", "no such key", "did you mean seed?"),
        ("batches.sequence_lenght=3", "unknown_key", "batches.sequence_lenght", "no such key", "sequence_length?"),
        ("corpus.sources[0].pth=3", "unknown_key", "corpus.sources[0].pth", "no such key", "did you mean path?"),
        ("extends=x.yaml", "unknown_key", "extends", "no such key", "remove it"),
        ("seed=1e3", "wrong_type", "seed", "expected a whole number, found a number with a point", "write 1_000"),
        ("seed=x", "wrong_type", "seed", "expected a whole number, found text", "write a whole number"),
        (
            "training.gradient_checkpointing=yes",
            "wrong_type",
            "training.gradient_checkpointing",
            "expected true or false",
            "write true",
        ),
        (
            "training.gradient_checkpointing=off",
            "wrong_type",
            "training.gradient_checkpointing",
            "expected true or false",
            "write false",
        ),
        (
            "training.gradient_checkpointing=ture",
            "wrong_type",
            "training.gradient_checkpointing",
            "found text",
            "write true or false",
        ),
        ("tokenizer.eos_token=0", "wrong_type", "tokenizer.eos_token", "expected text", 'write it in quotes: "0"'),
        ("corpus.held_out=a", "wrong_type", "corpus.held_out", "expected a number, found text", "write a number"),
        (
            "training.batch_tokens=abc",
            "wrong_type",
            "training.batch_tokens",
            "expected a whole number",
            "write a whole",
        ),
        ("training.batch_tokens=0", "wrong_value", "training.batch_tokens", "must be at least 1", "change the value"),
        (
            "training.batch_tokens={from: 1_024, to: 4_096, over: {tokens: 9}, frm: 1}",
            "unknown_key",
            "training.batch_tokens.frm",
            "no such key",
            "did you mean from?",
        ),
        (
            "training.batch_tokens={from: 1_024.0, to: 4_096, over: {tokens: 9}}",
            "wrong_type",
            "training.batch_tokens.from",
            "a number with a point",
            "write 1_024",
        ),
        (
            "training.batch_tokens={to: 4_096, over: {tokens: 9}}",
            "missing_key",
            "training.batch_tokens.from",
            "this key is required: Tokens of the first batch",
            "add `from:` here",
        ),
        ("training.trackers=wandb", "wrong_type", "training.trackers", "expected a list", "write a list"),
        ("evaluation=", "wrong_type", "evaluation", "expected a map of keys, found nothing", "a map of keys"),
        ("training.duration=10", "wrong_type", "training.duration", "found a whole number", "a map of keys"),
        ("batches.packing=bestfit", "wrong_value", "batches.packing", "not known", "did you mean best_fit?"),
        ("corpus.sources[0].type=txt", "wrong_value", "corpus.sources[0].type", "not known", "did you mean text?"),
        ("corpus.sources=[{path: x}]", "wrong_value", "corpus.sources[0].type", "required", "package, text, markdown"),
        ("corpus.sources=[]", "wrong_value", "corpus.sources", "must have at least 1 item", "change the value"),
        ("tokenizer.vocab_size=100", "wrong_value", "tokenizer.vocab_size", "must be at least 260", "change"),
        ("corpus.held_out=1", "wrong_value", "corpus.held_out", "must be less than 1.0", "change"),
        ("training.max_grad_norm=0", "wrong_value", "training.max_grad_norm", "must be more than 0", "change"),
        ("training.schedule.min_ratio=2", "wrong_value", "training.schedule.min_ratio", "must be at most 1", "change"),
        ("name=a/b", "wrong_value", "name", "must be letters, digits, '.', '_' and '-'", "change"),
        ("name=..", "wrong_value", "name", "begin with a letter or digit", "change"),
        ("training.duration={}", "wrong_value", "training.duration", "give exactly one of tokens, steps", "change"),
        ("training.duration={steps: 1, tokens: 2}", "wrong_value", "training.duration", "not tokens and steps", ""),
        ("training.duration={stps: 1}", "unknown_key", "training.duration.stps", "no such key", "did you mean steps?"),
    ],
)
def test_problems(tiny: Path, override: str, rule: str, path: str, message: str, rest: str) -> None:
    problem = one(tiny, override)
    assert (problem.rule, problem.path, problem.where) == (rule, path, "command line")
    assert message in problem.message
    assert rest in f"{problem.hint} {problem.fix}"


@pytest.mark.parametrize(
    ("denoisers", "path", "message", "rest"),
    [
        ("ul3", "", "not known", "did you mean ul2? write one of: ul2, ul2r"),
        ("3", "", "expected a list, found a whole number", "write a list"),
        ("[{rate: -1}]", "[0].rate", "must be more than 0", "change"),
        ("[{}, {type: blah}]", "[1].type", "not known", "write one of: span, prefix"),
        ("[{rat: 1}]", "[0].rat", "no such key", "did you mean rate?"),
        ("[3]", "[0]", "expected a map of keys, found a whole number", "write a map of keys"),
    ],
)
def test_problems_of_denoisers(tiny: Path, denoisers: str, path: str, message: str, rest: str) -> None:
    keys = f"{{type: mixture_of_denoisers, denoisers: {denoisers}}}"
    tasks = (
        f"{{type: multi_task, tasks: [{{name: a, objective: {keys}}}, {{name: b, objective: {{type: denoising}}}}]}}"
    )
    for objective, where in ((keys, "objective"), (tasks, "objective.tasks[0].objective")):
        problem = one(tiny, f"objective={objective}")
        assert problem.path == f"{where}.denoisers{path}"
        assert message in problem.message
        assert rest in f"{problem.hint} {problem.fix}"


def test_a_missing_key_gives_the_line_of_its_section(write: Callable[[str, str], Path], tiny: Path) -> None:
    text = tiny.read_text(encoding="utf-8").replace("  batch_tokens: 1_024\n", "")
    problem = one(write("b.yaml", text))
    assert (problem.rule, problem.path, problem.where) == ("missing_key", "training.batch_tokens", "b.yaml:11")
    assert "Tokens of the global batch" in problem.message
    assert problem.fix == "add `batch_tokens:` here"


def test_sections_that_are_right_are_kept(write: Callable[[str, str], Path], tiny: Path) -> None:
    text = tiny.read_text(encoding="utf-8").replace("vocab_size: 512", "vocab_size: x")
    recipe, sections, (problem,) = validate(read_recipe(write("b.yaml", text))[0])
    assert recipe is None
    assert problem.where == "b.yaml:3"
    assert "tokenizer" not in sections
    assert {"corpus", "batches", "model", "training", "evaluation", "publishing", "objective"} == set(sections)
