"""Questions about the schema."""

from __future__ import annotations

from typing import Any

import pytest

from pretraining.corpus.sections.heuristics import LengthStep
from pretraining.corpus.sections.sources import TextSource
from pretraining.recipe.config import Recipe
from pretraining.recipe.schema import (
    choices,
    description,
    did_you_mean,
    is_duration,
    plain_path,
    sections_in,
    type_at,
    valid_keys,
)
from pretraining.recipe.tree import DEFAULT, KeyPath, Node, list_node, map_node
from pretraining.section import fields, help_texts


def source(**keys: object) -> Node:
    """A tree with one source."""
    item = map_node({key: Node(value, DEFAULT) for key, value in keys.items()}, DEFAULT)
    return map_node({"corpus": map_node({"sources": list_node([item], DEFAULT)}, DEFAULT)}, DEFAULT)


EMPTY = map_node({}, DEFAULT)


@pytest.mark.parametrize("path", ["training.duration", "training.schedule.decay", "training.checkpoints.every"])
def test_durations_are_known(path: str) -> None:
    assert is_duration(tuple(path.split(".")), EMPTY)


@pytest.mark.parametrize("path", [(), ("training",), ("training", "batch_tokens"), ("model", "x"), ("corpus", "steps")])
def test_other_things_are_no_durations(path: KeyPath) -> None:
    assert not is_duration(path, EMPTY)


def test_the_type_of_a_union_follows_its_tag() -> None:
    path = ("corpus", "sources", 0)
    assert valid_keys(path, source(type="text"))[-3:] == list(TextSource.model_fields)[-3:]
    assert "text" not in valid_keys(path, source(type="text"))
    assert "text" in valid_keys(path, source(type="jsonl"))
    assert valid_keys(path, source(type="nonsense")) == []
    assert choices(type_at(path, source()))[:4] == ["package", "text", "markdown", "html"]


def test_choices_of_a_literal() -> None:
    assert choices(type_at(("batches", "packing"), EMPTY)) == ["best_fit", "concatenate", "none"]


@pytest.mark.parametrize(
    ("location", "tree", "path"),
    [
        (("corpus", "sources", 0, "package", "version"), source(type="package", package="x"), ("version",)),
        (("corpus", "sources", 0, "text", "text"), source(type="text", text="x"), ("text",)),
        (("corpus", "sources", 0, "text", "path"), source(type="text"), ("path",)),
        (("corpus", "sources", 0), source(), ()),
    ],
)
def test_tags_are_taken_out_of_locations(location: KeyPath, tree: Node, path: KeyPath) -> None:
    assert plain_path(location, tree) == ("corpus", "sources", 0, *path)


def test_help_is_the_docstring_beside_the_key() -> None:
    assert description(("batches", "sequence_length"), EMPTY) == "Tokens of one sample."
    assert description(("model", "hidden_size"), EMPTY) == ""


def test_did_you_mean() -> None:
    assert did_you_mean("lerning_rate", ["learning_rate", "beta1"]) == "did you mean learning_rate?"
    assert did_you_mean("BPE", ["bpe", "wordpiece"]) == "did you mean bpe?"
    assert did_you_mean("zzz", ["learning_rate"]) == ""


def keys_without_help(section: Any, path: str = "") -> list[str]:
    """Keys without a docstring, tags of unions apart."""
    missing = []
    for name, field in fields(section).items():
        if not help_texts(section).get(name) and not (name == "type" and field.is_required()):
            missing.append(f"{path}{name}")
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for kind in {kind for each in inner for kind in sections_in(each)}:
            if kind.__name__ != "Duration":
                missing += keys_without_help(kind, f"{path}{name}.")
    return missing


def test_every_key_of_the_recipe_has_a_help_text() -> None:
    assert keys_without_help(Recipe) == []
    assert help_texts(LengthStep)["min_characters"] == "Fewer characters: removed."
    assert help_texts(LengthStep)["sources"].startswith("Only documents of these sources")
