"""The recipe as text: effective values with their origins, what differs between two, the schema, the list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pretraining.recipe.config import Recipe
from pretraining.recipe.loading import LoadedRecipe, leaves
from pretraining.recipe.schema import all_sections, description, is_duration
from pretraining.recipe.tree import DEFAULT, Node, dotted
from pretraining.recipe.yaml_file import shown
from pretraining.section import help_texts


def explain(loaded: LoadedRecipe) -> str:
    """Every effective value, where it came from, and what the key means; figures that follow from them at the end."""
    tree = _as_tree(loaded.resolved())
    blocks = []
    section = ""
    for path, value in leaves(loaded.resolved()):
        if len(path) > 1 and path[0] != section:
            section = str(path[0])
            blocks.append(f"\n{section}: {description((section,), tree)}")
        help_text = description(path[:-1] if is_duration(path[:-1], tree) else path, tree).replace("``", "`")
        blocks.append(_line(dotted(path), value, str(loaded.origins[dotted(path)])))
        blocks.extend([f"      {help_text}"] if help_text else [])
    if loaded.facts:
        blocks.append("\nfrom these values follow:")
        blocks.extend(_line(name, value, f"= {formula}") for name, (value, formula) in loaded.facts.items())
    blocks.extend(f"\nnote: {note}" for note in loaded.notes)
    return "\n".join([f"{shown(loaded.path)}: every value, and where it comes from", *blocks])


def _line(key: str, value: object, origin: str) -> str:
    return f"  {f'{key} = {_shown(value)}':<58}  # {origin}"


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:_}"
    return json.dumps(value, ensure_ascii=False)


def _as_tree(data: object) -> Node:
    """Plain data in the form in which the schema is asked about it."""
    if isinstance(data, Mapping):
        return Node(dict, DEFAULT, {key: _as_tree(value) for key, value in data.items()})
    if isinstance(data, list):
        return Node(list, DEFAULT, {index: _as_tree(value) for index, value in enumerate(data)})
    return Node(data, DEFAULT)


def diff(a: LoadedRecipe, b: LoadedRecipe) -> str:
    """The keys whose values differ, with both values and both origins."""
    left, right = _values(a), _values(b)
    lines = []
    for key in [*left, *(key for key in right if key not in left)]:
        if left.get(key, _ABSENT) != right.get(key, _ABSENT):
            lines.append(key)
            lines.append(f"  - {_side(key, left, a)}")
            lines.append(f"  + {_side(key, right, b)}")
    names = f"- {shown(a.path)}\n+ {shown(b.path)}"
    return "\n".join([names, "", *(lines or ["the two recipes have the same values"])])


_ABSENT = object()


def _values(loaded: LoadedRecipe) -> dict[str, object]:
    return {dotted(path): value for path, value in leaves(loaded.resolved())}


def _side(key: str, values: Mapping[str, object], loaded: LoadedRecipe) -> str:
    return f"{_shown(values[key])}  # {loaded.origins[key]}" if key in values else "(not set)"


def schema() -> dict[str, Any]:
    """The JSON schema for editors.

    Nothing is required in it but the ``type`` of an item: a file that extends another leaves most keys out.
    """
    data = Recipe.model_json_schema()
    for kind in all_sections(Recipe):
        properties = (data if kind is Recipe else data["$defs"].get(kind.__name__, {})).get("properties", {})
        for key, text in help_texts(kind).items():
            if key in properties:
                properties[key]["description"] = text
    data["properties"] = {
        "extends": {
            "type": "string",
            "description": "A recipe file, relative to this one, whose keys are the defaults.",
        },
        **data["properties"],
    }
    for definition in (data, *data["$defs"].values()):
        if "type" not in definition.get("required", ()):
            definition.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **data}


def recipes(folder: Path) -> list[tuple[Path, str]]:
    """The recipes below ``folder`` with the first comment line of each; folders that begin with ``_`` are left out."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        if not any(part.startswith("_") for part in path.relative_to(folder).parts):
            first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
            found.append((path, first.lstrip("# ").rstrip() if first.startswith("#") else ""))
    return found
