"""Several sources of one recipe: files that extend each other, then the overrides of the command line.

Maps merge key by key; lists and scalars replace. A duration always replaces: ``{tokens: 1}`` over ``{steps: 5}``
is one unit, not two. Nothing else is special: where ``type`` or ``architecture`` changes, the keys that were
inherited stay, and those that do not fit the new one are reported as unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.config import Recipe
from pretraining.recipe.schema import child, did_you_mean, sections_in
from pretraining.recipe.tree import COMMAND_LINE, KeyPath, Node, dotted, key_path, map_node
from pretraining.recipe.yaml_file import parse_value, read_yaml, shown
from pretraining.section import Duration


def merge(base: Node, over: Node, annotation: object = Recipe) -> Node:
    """``over`` laid upon ``base``; ``annotation`` is the type that the schema asks for here."""
    if not (base.is_map and over.is_map) or sections_in(annotation) == [Duration]:
        return over
    items = dict(base.items)
    for key, node in over.items.items():
        items[key] = merge(items[key], node, child(annotation, key, over)) if key in items else node
    return replace(over, items=items)


def read_recipe(path: Path) -> tuple[Node, list[Problem]]:
    """The merged tree of a recipe and of all that it extends, and the problems that did not stop the reading.

    Raises:
        RecipeError: a file is missing or no YAML, or the files extend each other in a circle.
    """
    if not path.is_file():
        raise RecipeError([_missing(str(path), path, "")])
    return _read(path, ())


def _read(path: Path, chain: tuple[Path, ...]) -> tuple[Node, list[Problem]]:
    tree, problems = read_yaml(path)
    extends = tree.items.get("extends")
    if extends is None:
        return tree, problems
    own = replace(tree, items={key: node for key, node in tree.items.items() if key != "extends"})
    if not isinstance(extends.value, str) or not extends.value:
        fix = "write the path of one YAML file, relative to this file"
        problem = Problem("wrong_type", "extends", "expected a path", fix, extends.plain(), str(extends.origin))
        raise RecipeError([*problems, problem])
    parent = path.parent / extends.value
    chain = (*chain, path)
    if not parent.is_file():
        raise RecipeError([*problems, _missing("extends", parent, str(extends.origin), extends.value)])
    if any(parent.samefile(file) for file in chain):
        circle = " -> ".join(shown(file) for file in (*chain, parent))
        fix = "remove the `extends` of one of these files"
        problem = Problem("extends_cycle", "extends", f"files extend each other: {circle}", fix, extends.value)
        raise RecipeError([*problems, replace(problem, where=str(extends.origin))])
    base, more = _read(parent, chain)
    return merge(base, own), [*more, *problems]


def _missing(key: str, path: Path, where: str, value: object = None) -> Problem:
    what = "this is a folder, not a file" if path.is_dir() else "there is no such file"
    files = [*sorted(Path("recipes").rglob("*.yaml")), *sorted(path.parent.glob("*.yaml"))]
    hint = did_you_mean(shown(path), [shown(file) for file in files])
    return Problem("unreadable_file", key, what, "`pretrain recipes` lists the recipes", value, where, hint)


def apply_overrides(tree: Node, overrides: Sequence[str]) -> tuple[Node, list[Problem]]:
    """``tree`` with each ``a.b=c`` applied in turn, and a problem for each that cannot be."""
    problems = []
    for text in overrides:
        key, equals, value = text.partition("=")
        path = key_path(key.strip())
        if not equals or not all(part != "" for part in path) or key.startswith("-"):
            example = f"write key=value, for example {key.lstrip('-') or 'training.batch_tokens'}={value or '16_384'}"
            problems.append(_malformed(text, "this is not an override", example))
            continue
        try:
            tree = _set(tree, path, parse_value(value, COMMAND_LINE), Recipe)
        except yaml.YAMLError as error:
            reason = getattr(error, "problem", None) or str(error)
            fix = "write a number, a word, [a, b] or {a: b}; quote it for the shell"
            problems.append(_malformed(text, f"the value is not YAML: {reason}", fix))
        except IndexError as error:
            problems.append(_malformed(text, str(error), "give the index of an item that is there"))
    return tree, problems


def _malformed(text: str, message: str, fix: str) -> Problem:
    return Problem("malformed_override", text, message, fix, where=COMMAND_LINE.text)


def _set(node: Node | None, path: KeyPath, value: Node, annotation: object, done: KeyPath = ()) -> Node:
    """``node`` with ``value`` merged in at ``path``; maps on the way are made where they are missing."""
    if not path:
        return value if node is None else merge(node, value, annotation)
    key: str | int = path[0]
    if node is not None and node.is_list:
        if key not in node.items:
            raise IndexError(f"{dotted(done)} is a list of {len(node.items)}, counted from 0; it has no item {key}")
    else:
        key = str(key)
        if node is None or not node.is_map or sections_in(annotation) == [Duration]:
            node = map_node({}, COMMAND_LINE)
    below = _set(node.items.get(key), path[1:], value, child(annotation, key, node), (*done, key))
    return node.with_child(key, below)
