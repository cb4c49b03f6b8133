"""The rules about weights to start from, each broken and kept."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from pretraining.modeling.config import ModelSection
from pretraining.modeling.start_checks import RULES
from pretraining.objectives.config import ReplacedTokenDetectionSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.section import Finding
from pretraining.tokenization.config import TokenizerSection

PRETRAINED = TokenizerSection(algorithm="pretrained", name_or_path="weights")


@pytest.fixture()
def weights(tmp_path: Path) -> Path:
    """A folder that looks like a saved BERT."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.safetensors").touch()
    return folder


def findings(rule_id: str, base: Path, name: str | None = "weights", **facts: Any) -> list[Finding]:
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    model = ModelSection(architecture=facts.pop("architecture", "bert"), name_or_path=name)
    facts = {
        **{"model": model, "base": base, "run_folder": base / "runs" / "next"},
        **{"objective": CausalLMSection(), "tokenizer": PRETRAINED},
        **facts,
    }
    return list(rule.check(**{key: facts[key] for key in inspect.signature(rule.check).parameters}))


def test_every_rule_accepts_weights_of_a_folder_of_the_hub_and_none(weights: Path) -> None:
    for rule in RULES:
        for name in ("weights", "google-bert/bert-base-uncased", "gpt2", None):
            assert findings(rule.id, weights.parent, name) == [], (rule.id, name)


def test_paths_that_lead_nowhere(weights: Path) -> None:
    (finding,) = findings("start_is_there", weights.parent, "./weigths")
    assert finding.message.startswith("there is no folder") and finding.hint == "did you mean weights?"
    (finding,) = findings("start_is_there", weights.parent, "weights/config.json")
    assert finding.message.endswith("is a file, and a model is a folder of several")
    (finding,) = findings("start_is_there", weights.parent, "")
    assert finding.path == "model.name_or_path"


def test_weights_of_another_architecture(weights: Path) -> None:
    (finding,) = findings("start_is_there", weights.parent, architecture="roberta")
    assert finding.message == "these are weights of bert, not of roberta"


def test_a_folder_without_config_or_with_a_broken_one(weights: Path) -> None:
    (weights / "config.json").write_text('{"model_type": "be')
    (finding,) = findings("start_is_there", weights.parent)
    assert "config.json is damaged or cut short" in finding.message
    (weights / "config.json").write_text("[]")
    assert "it is no map" in findings("start_is_there", weights.parent)[0].message
    (weights / "config.json").unlink()
    assert "there is no config.json" in findings("start_is_there", weights.parent)[0].message


def test_pickles_are_not_read(weights: Path) -> None:
    (weights / "model.safetensors").rename(weights / "pytorch_model.bin")
    (finding,) = findings("start_is_there", weights.parent)
    assert "has no safetensors" in finding.message and "save_pretrained" in finding.fix


def test_a_revision_of_nothing() -> None:
    model = ModelSection(architecture="bert", revision="main")
    (finding,) = findings("start_is_there", Path(), model=model)
    assert finding.path == "model.revision"


def test_a_run_does_not_start_from_itself(weights: Path) -> None:
    (finding,) = findings("start_is_another_run", weights.parent, run_folder=weights.parent)
    assert finding.fix == "give this recipe another name"


def test_a_tokenizer_that_is_trained_does_not_know_the_ids() -> None:
    (finding,) = findings("start_has_its_tokenizer", Path(), tokenizer=TokenizerSection())
    assert finding.path == "tokenizer.algorithm" and finding.fix.endswith("tokenizer.name_or_path: weights")


def test_detection_starts_anew() -> None:
    (finding,) = findings("start_fits_objective", Path(), objective=ReplacedTokenDetectionSection())
    assert "would need a generator" in finding.message
