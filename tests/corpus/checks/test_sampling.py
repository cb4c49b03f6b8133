from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from pretraining.corpus.checks.sampling import RULES
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.sampling import AugmentStep
from pretraining.section import Finding


def findings(rule_id: str, base: Path, **keys: Any) -> list[Finding]:
    """What one rule says about an ``augment`` step; the others must have nothing to say."""
    step = AugmentStep.model_validate({"type": "augment", **keys})
    known = {"corpus": CorpusSection.model_construct(steps=[step]), "base": base}
    found = {
        rule.id: list(rule.check(**{name: known[name] for name in inspect.signature(rule.check).parameters}))
        for rule in RULES
    }
    assert {rule for rule, said in found.items() if said} <= {rule_id}
    return found[rule_id]


def model(base: Path, **keys: Any) -> dict[str, Any]:
    (base / "model").mkdir(exist_ok=True)
    (base / "model/config.json").write_text("{}")
    return {"task": "text-generation", "model": "model", **keys}


def test_a_good_step_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").touch()
    for rule in RULES:
        assert findings(rule.id, tmp_path, callable="hooks:synonyms") == []
        assert findings(rule.id, tmp_path, pipeline=[model(tmp_path, prompt="Say it again: {text}")]) == []


def test_augment_model_exists(tmp_path: Path) -> None:
    stages = [model(tmp_path), {"task": "text2text-generation", "model": "marian-en-de"}]
    (said,) = findings("augment_model_exists", tmp_path, pipeline=stages)
    assert said.path == "corpus.steps[0].pipeline[1].model"
    assert said.message == f"there is no model at {tmp_path / 'marian-en-de'}: config.json is not there"


def test_augment_prompt_has_text(tmp_path: Path) -> None:
    (said,) = findings("augment_prompt_has_text", tmp_path, pipeline=[model(tmp_path, prompt="Say it again")])
    assert said.path == "corpus.steps[0].pipeline[0].prompt" and "the same to every line" in said.message


def test_the_rules_explain_themselves() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.isidentifier() and rule.id.islower() and rule.says and rule.why for rule in RULES)


def test_augment_module_found(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").touch()
    steps = [{"type": "augment", "callable": f"{module}:f"} for module in ("hooks", "json.decoder", "no_such.module")]
    source = {"type": "text", "path": "a.txt"}
    corpus = CorpusSection.model_validate({"sources": [source], "steps": steps})
    (found,) = next(rule for rule in RULES if rule.id == "augment_module_found").check(corpus, tmp_path)
    assert found.path == "corpus.steps[2].callable" and "'no_such.module'" in found.message
    assert str(tmp_path / "no_such/module.py") in found.fix
