"""A recipe key that no code reads is a bug: it would be set with care and change nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pretraining
from pretraining.recipe.config import SECTIONS, Recipe
from pretraining.recipe.schema import sections_in
from pretraining.section import Duration, Section

SOURCE = Path(pretraining.__file__).parent
CODE = "\n".join(
    path.read_text("utf-8")
    for path in sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("*.j2")])
    if path.name not in ("config.py", "checks.py", "section.py") and path.parent.name != "recipe"
)


def keys() -> list[tuple[str, str]]:
    """(section class, key) of everything that a recipe may hold."""
    found: dict[tuple[str, str], None] = {}
    waiting: list[type[Section]] = [
        each for name in SECTIONS for each in sections_in(Recipe.model_fields[name].annotation)
    ]
    while waiting:
        kind = waiting.pop()
        for name, field in kind.model_fields.items():
            if (kind.__name__, name) not in found:
                found[(kind.__name__, name)] = None
                inner = field.annotation
                for candidate in (inner, *getattr(inner, "__args__", ())):
                    waiting += [each for each in sections_in(candidate) if each is not Duration]
    return list(found)


def test_there_are_keys_of_every_section() -> None:
    assert len(keys()) > 60 and {"OptimizerSection", "JsonlSource", "GopherQualityStep"} <= {kind for kind, _ in keys()}


@pytest.mark.parametrize(("kind", "key"), keys())
def test_every_key_is_read(kind: str, key: str) -> None:
    read = re.search(rf"\.{key}\b|\"{key}\"", CODE)
    assert read, f"{kind}.{key} is never read"
