from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from pretraining.corpus.checks.cleaning import RULES
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.cleaning import UrlFilterStep
from pretraining.section import Finding

KINDS = {"url_filter": UrlFilterStep}


def findings(rule_id: str, base: Path, *steps: dict[str, Any]) -> list[Finding]:
    """What one rule says; the others must have nothing to say."""
    sections = [KINDS[step["type"]].model_validate(step) for step in steps]
    known = {"corpus": CorpusSection.model_construct(steps=sections), "base": base}
    found = {
        rule.id: list(rule.check(**{name: known[name] for name in inspect.signature(rule.check).parameters}))
        for rule in RULES
    }
    assert {rule for rule, said in found.items() if said} <= {rule_id}
    return found[rule_id]


def test_the_defaults_have_no_findings(tmp_path: Path) -> None:
    (tmp_path / "block.txt").write_text("example.org")
    steps = [{"type": kind} for kind in KINDS]
    steps += [
        {"type": "url_filter", "block": "block.txt", "hard_words": ["bet365"]},
    ]
    for rule in RULES:
        assert findings(rule.id, tmp_path, *steps) == []


def test_url_filter_has_lists(tmp_path: Path) -> None:
    (said,) = findings(
        "url_filter_has_lists", tmp_path, {"type": "url_filter", "stock_lists": False, "allow": ["a.org"]}
    )
    assert said.path == "corpus.steps[0].stock_lists" and "removes nothing" in said.message


def test_url_lists_exist(tmp_path: Path) -> None:
    (tmp_path / "allow").mkdir()
    said = findings("url_lists_exist", tmp_path, {"type": "url_filter", "block": "block.txt", "allow": "allow"})
    assert [finding.path for finding in said] == ["corpus.steps[0].block", "corpus.steps[0].allow"]
    assert said[0].message == f"{tmp_path / 'block.txt'} does not exist, or is no file"


def test_url_words_can_match(tmp_path: Path) -> None:
    (said,) = findings("url_words_can_match", tmp_path, {"type": "url_filter", "hard_words": ["casino", "赌场"]})
    assert said.path == "corpus.steps[0].hard_words[1]" and "'赌场' has no ASCII letter or digit" in said.message


def test_the_rules_explain_themselves() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.isidentifier() and rule.id.islower() and rule.says and rule.why for rule in RULES)
