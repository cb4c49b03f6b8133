"""The page of rules."""

from __future__ import annotations

import re
from pathlib import Path

from pretraining.recipe.checks import ROOMS
from pretraining.recipe.rules import render_rules

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_code_says() -> None:
    page = (ROOT / "recipes" / "RULES.md").read_text(encoding="utf-8")
    assert page == render_rules(), "write recipes/RULES.md anew with pretraining.recipe.rules.render_rules"


def test_ids_are_unique_and_every_rule_is_on_the_page() -> None:
    ids = [rule.id for rules in ROOMS.values() for rule in rules]
    assert len(ids) == len(set(ids))
    assert re.findall(r"^\| `([^`]+)` \|", render_rules(), re.MULTILINE) == ids


def test_every_room_with_checks_is_asked() -> None:
    source = ROOT / "src" / "pretraining"
    rooms = {path.parent.name for path in source.glob("*/checks.py")} | {p.parent.name for p in source.glob("*/checks")}
    assert rooms == set(ROOMS) - {"loading"}


def test_the_loaders_rules_are_the_ones_it_reports() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src" / "pretraining" / "recipe").glob("*.py")]
    for rule in ROOMS["loading"]:
        uses = sum(source.count(f'"{rule.id}"') for source in sources)
        assert uses > 1, f"{rule.id} is documented and never reported"
