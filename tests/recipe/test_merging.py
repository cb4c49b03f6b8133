"""Extending files and overriding keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.merging import apply_overrides, read_recipe
from pretraining.recipe.tree import DEFAULT, map_node

Write = Callable[[str, str], Path]


def refused(path: Path) -> list[Problem]:
    """The problems for which a recipe cannot be read."""
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    return caught.value.problems


def test_maps_merge_while_lists_and_scalars_replace(write: Write) -> None:
    write(
        "_base/a.yaml",
        "name: a\nmodel: {architecture: llama, hidden_size: 8}\ncorpus: {sources: [{type: text}, {type: text}]}",
    )
    write("_base/b.yaml", "extends: a.yaml\nmodel: {hidden_size: 16}\ncorpus: {sources: [{path: x}]}\n")
    tree, problems = read_recipe(write("c.yaml", "extends: _base/b.yaml\nname: c\n"))
    assert problems == []
    assert tree.plain() == {
        "name": "c",
        "model": {"architecture": "llama", "hidden_size": 16},
        "corpus": {"sources": [{"path": "x"}]},
    }
    assert str(tree.items["model"].items["architecture"].origin) == "_base/a.yaml:2"
    assert str(tree.items["model"].items["hidden_size"].origin) == "_base/b.yaml:2"


def test_a_duration_replaces_as_a_whole(write: Write) -> None:
    write("a.yaml", "training: {duration: {steps: 5}, checkpoints: {every: {hours: 1}, keep: 3}}")
    tree, _ = read_recipe(
        write("b.yaml", "extends: a.yaml\ntraining: {duration: {tokens: 1}, checkpoints: {every: {steps: 2}}}\n")
    )
    assert tree.plain() == {"training": {"duration": {"tokens": 1}, "checkpoints": {"every": {"steps": 2}, "keep": 3}}}


def test_a_circle_shows_the_chain(write: Write) -> None:
    write("a.yaml", "extends: b.yaml\n")
    write("b.yaml", "name: b\nextends: sub/../a.yaml\n")
    Path("sub").mkdir()
    (problem,) = refused(Path("a.yaml"))
    assert (problem.rule, problem.where) == ("extends_cycle", "b.yaml:2")
    assert "a.yaml -> b.yaml -> a.yaml" in problem.message


def test_a_file_that_extends_itself(write: Write) -> None:
    (problem,) = refused(write("a.yaml", "extends: a.yaml\n"))
    assert "a.yaml -> a.yaml" in problem.message


def test_a_missing_parent_is_named_with_the_line_and_a_neighbour(write: Write) -> None:
    write("_base/llama.yaml", "name: x")
    (problem,) = refused(write("a.yaml", "name: a\nextends: _base/lama.yaml\n"))
    assert (problem.rule, problem.where, problem.value) == ("unreadable_file", "a.yaml:2", "_base/lama.yaml")
    assert problem.hint == "did you mean _base/llama.yaml?"


@pytest.mark.parametrize("value", ["[a.yaml, b.yaml]", "3", ""])
def test_extends_takes_one_path(write: Write, value: str) -> None:
    (problem,) = refused(write("a.yaml", f"extends: {value}\n"))
    assert (problem.rule, problem.path, problem.where) == ("wrong_type", "extends", "a.yaml:1")


def test_a_missing_recipe_suggests_a_known_one(write: Write) -> None:
    write("recipes/quickstart/llama.yaml", "name: x")
    (problem,) = refused(Path("recipes/quickstart/lama.yaml"))
    assert problem.message == "there is no such file"
    assert problem.hint == "did you mean recipes/quickstart/llama.yaml?"
    (problem,) = refused(Path("recipes"))
    assert problem.message == "this is a folder, not a file"


def overridden(write: Write, override: str) -> object:
    """What an override makes of a small tree."""
    text = "corpus: {sources: [{type: text, path: a}]}\ntraining: {duration: {steps: 5}, batch_tokens: 8}\n"
    tree, problems = apply_overrides(read_recipe(write("a.yaml", text))[0], [override])
    assert problems == []
    return tree.plain()


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.batch_tokens=1_6", ("training", "batch_tokens"), 16),
        ("seed=3", ("seed",), 3),
        ("corpus.sources[0].path=b=c", ("corpus", "sources", 0, "path"), "b=c"),
        ("corpus.sources.0.path=b", ("corpus", "sources", 0, "path"), "b"),
        ("corpus.sources=[]", ("corpus", "sources"), []),
        ("training.duration={tokens: 1}", ("training", "duration"), {"tokens": 1}),
        ("training.duration.tokens=1", ("training", "duration"), {"tokens": 1}),
        ("training.checkpoints.every.steps=2", ("training", "checkpoints"), {"every": {"steps": 2}}),
        ("model={hidden_size: 8}", ("model",), {"hidden_size": 8}),
        ("training={batch_tokens: 9}", ("training",), {"duration": {"steps": 5}, "batch_tokens": 9}),
    ],
)
def test_overrides(write: Write, override: str, path: tuple[str | int, ...], value: object) -> None:
    data: object = overridden(write, override)
    for key in path:
        data = data[key]  # type: ignore[index]
    assert data == value


@pytest.mark.parametrize(
    ("override", "fix"),
    [
        ("training.batch_tokens", "write key=value, for example training.batch_tokens=16_384"),
        ("--seed=3", "write key=value, for example seed=3"),
        ("a..b=3", "write key=value, for example a..b=3"),
        ("=3", "write key=value, for example training.batch_tokens=3"),
        ("a=[1", "write a number, a word, [a, b] or {a: b}; quote it for the shell"),
    ],
)
def test_an_override_that_cannot_be_read(override: str, fix: str) -> None:
    _, (problem,) = apply_overrides(map_node({}, DEFAULT), [override])
    assert (problem.rule, problem.path, problem.where, problem.fix) == (
        "malformed_override",
        override,
        "command line",
        fix,
    )


@pytest.mark.parametrize("index", ["3", "x"])
def test_an_index_outside_the_list(write: Write, index: str) -> None:
    tree, _ = read_recipe(write("a.yaml", "corpus: {sources: [{type: text}]}\n"))
    _, (problem,) = apply_overrides(tree, [f"corpus.sources.{index}.path=x"])
    assert problem.message == f"corpus.sources is a list of 1, counted from 0; it has no item {index}"
