"""The tree against the schema, with pydantic's errors in plain words and with the line they are about."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.config import SECTIONS, Recipe
from pretraining.recipe.schema import choices, choose, description, did_you_mean, plain_path, type_at, valid_keys
from pretraining.recipe.tree import KeyPath, Node, dotted
from pretraining.recipe.yaml_file import read_yaml
from pretraining.section import Section

Kind = TypeVar("Kind", bound=Section)


def validate(tree: Node) -> tuple[Recipe | None, dict[str, Section], list[Problem]]:
    """The recipe (None when something is wrong), the sections that are valid by themselves, and all the problems."""
    data = tree.plain()
    try:
        recipe = Recipe.model_validate(data)
        return recipe, {name: getattr(recipe, name) for name in SECTIONS}, []
    except ValidationError as error:
        problems = [_problem(each, tree) for each in error.errors(include_url=False)]
    sections = {}
    for name in SECTIONS:
        field = Recipe.model_fields[name]
        if name not in tree.items:
            sections[name] = field.get_default()
            continue
        kind = choose(field.annotation, tree.items[name])
        if kind is None:  # its `type` is wrong, which is among the problems
            continue
        given = data.get(name) if isinstance(data, dict) else None
        try:
            sections[name] = kind.model_validate(given)
        except ValidationError as error:
            if name == "corpus":  # whether its sources exist has nothing to do with a wrong key elsewhere in it
                sections[name] = _without_mistakes(kind, given, error, tree)
    return None, {name: section for name, section in sections.items() if isinstance(section, Section)}, problems


def validate_file(kind: type[Kind], path: Path) -> Kind:
    """A YAML file that is one section and no recipe.

    Raises:
        RecipeError: with all the problems, as those of a recipe.
    """
    tree, problems = read_yaml(path)
    tree = replace(tree, schema=kind)
    try:
        section = kind.model_validate(tree.plain())
    except ValidationError as error:
        raise RecipeError([*problems, *(_problem(each, tree) for each in error.errors(include_url=False))]) from None
    if problems:
        raise RecipeError(problems)
    return section


def _without_mistakes(kind: type[Section], given: Any, error: ValidationError, tree: Node) -> Section | None:
    """The section without the keys that are wrong, where that leaves a valid one."""
    data = copy.deepcopy(given)
    for each in reversed(error.errors(include_url=False)):
        *parents, last = plain_path(("corpus", *each["loc"]), tree)[1:] or ("",)
        try:
            place = functools.reduce(lambda value, key: value[key], parents, data)
            del place[last]
        except (KeyError, IndexError, TypeError):
            return None
    try:
        return kind.model_validate(data)
    except ValidationError:
        return None


def _problem(error: Any, tree: Node) -> Problem:
    path = plain_path(error["loc"], tree)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return _missing(path, tree)
    if kind == "extra_forbidden":
        return _unknown(path, tree)
    node, there = tree.nearest(path)
    value = node.plain() if there else None
    where = str(node.origin)
    if kind in ("literal_error", "union_tag_invalid", "union_tag_not_found"):
        return _choice(path, value, where, tree)
    if kind in _EXPECTED:
        message, fix = _wrong_type(kind, value)
        return Problem("wrong_type", dotted(path), message, fix, value, where)
    if kind in _BOUNDS:
        message = _BOUNDS[kind](context)
        return Problem("wrong_value", dotted(path), message, "change the value", value, where)
    message = str(context["error"]) if kind == "value_error" else error["msg"]
    return Problem("wrong_value", dotted(path), message, "change the value", value, where)


def _missing(path: KeyPath, tree: Node) -> Problem:
    node, _ = tree.nearest(path)
    about = description(path, tree).rstrip(".")
    message = "this key is required" + (f": {about}" if about else "")
    return Problem("missing_key", dotted(path), message, f"add `{path[-1]}:` here", where=str(node.origin))


def _unknown(path: KeyPath, tree: Node) -> Problem:
    node, _ = tree.nearest(path)
    keys = valid_keys(path[:-1], tree)
    fix = f"remove it, or use one of: {', '.join(sorted(keys))}"
    hint = did_you_mean(path[-1], keys)
    return Problem("unknown_key", dotted(path), "no such key", fix, node.plain(), str(node.origin), hint)


def _choice(path: KeyPath, value: object, where: str, tree: Node) -> Problem:
    allowed = choices(type_at(path, tree))
    if isinstance(value, dict):  # the `type` of a union: the value to show is what stands there
        path, value = (*path, "type"), value.get("type")
        found, there = tree.nearest(path)
        where = str(found.origin) if there else where
    message = "this key is required" if value is None else "this value is not known"
    hint = did_you_mean(value, allowed)
    return Problem("wrong_value", dotted(path), message, f"write one of: {', '.join(allowed)}", value, where, hint)


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map of keys",
    "model_attributes_type": "a map of keys",
    "finite_number": "a finite number",
}


def _wrong_type(kind: str, value: object) -> tuple[str, str]:
    """What was expected and what stands there; what to write instead, when that can be guessed."""
    message = f"expected {_EXPECTED[kind]}, found {_named(value)}"
    if isinstance(value, float) and value.is_integer() and _EXPECTED[kind] == "a whole number":
        return message, f"write {int(value):_}"
    if kind == "bool_type" and str(value).lower() in ("yes", "on", "no", "off", "1", "0", "true", "false"):
        return message, f"write {'true' if str(value).lower() in ('yes', 'on', '1', 'true') else 'false'}"
    if kind == "string_type" and isinstance(value, (int, float)):
        return message, f'write it in quotes: "{value}"'
    return message, f"write {_EXPECTED[kind]}"


def _named(value: object) -> str:
    names = {type(None): "nothing", bool: "true or false", int: "a whole number", float: "a number with a point"}
    if isinstance(value, float) and not math.isfinite(value):
        return "infinity" if math.isinf(value) else "not a number"
    return {**names, str: "text", list: "a list", dict: "a map"}.get(type(value), type(value).__name__)


_BOUNDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda c: f"must be more than {c['gt']:_}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']:_}",
    "less_than": lambda c: f"must be less than {c['lt']:_}",
    "less_than_equal": lambda c: f"must be at most {c['le']:_}",
    "too_short": lambda c: f"must have at least {c['min_length']} item{'s' if c['min_length'] > 1 else ''}",
    "string_pattern_mismatch": lambda _: "must be letters, digits, '.', '_' and '-', and begin with a letter or digit",
}
