"""The rules about weights to start from, each broken and kept."""

from __future__ import annotations

import inspect
import json
import struct
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
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
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
    (finding,) = findings("start_is_there", weights.parent, "weights/nothing")  # no repository: weights is a folder
    assert finding.message.startswith("there is no folder")
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


def test_safetensors_are_looked_at(weights: Path) -> None:
    file = weights / "model.safetensors"
    whole = file.read_bytes()
    for damaged, message in (
        (whole[:-1], f"{file} has {len(whole) - 1} of {len(whole)} bytes"),
        (b"garbage, and more of it", f"{file} is damaged"),
        (b"", f"{file} is damaged"),
    ):
        file.write_bytes(damaged)
        (finding,) = findings("start_is_there", weights.parent)
        assert finding.message == message
    file.rename(weights / "other.safetensors")
    assert findings("start_is_there", weights.parent)[0].message == f"{file} is missing"
    (weights / "model.safetensors.index.json").write_text('{"weight_map": {"a": "one", "b": "two"}}')
    (weights / "one").write_bytes(whole)
    assert findings("start_is_there", weights.parent)[0].message == f"{weights / 'two'} is missing"
    (weights / "two").write_bytes(whole)
    assert findings("start_is_there", weights.parent) == []


def test_what_the_recipe_says_of_the_build_must_be_so(weights: Path) -> None:
    saved = {"model_type": "bert", "hidden_size": 16, "tie_word_embeddings": False, "hidden_dropout_prob": 0.1}
    (weights / "config.json").write_text(json.dumps(saved))

    def paths(**keys: Any) -> list[str]:
        model = ModelSection(architecture="bert", name_or_path="weights", **keys)
        return [finding.path for finding in findings("start_is_of_this_build", weights.parent, model=model)]

    assert paths(hidden_size=32, tie_word_embeddings=True) == ["model.hidden_size", "model.tie_word_embeddings"]
    assert paths(num_hidden_layers=2) == ["model.num_hidden_layers"]  # not saved: BERT's default, 12
    assert paths(hidden_size=16, hidden_dropout_prob=0.2, max_position_embeddings=64, vocab_size=99) == []


def test_the_tokenizer_is_compared_where_both_are_folders(weights: Path) -> None:
    other = weights.parent / "other"
    other.mkdir()
    tokenizer = TokenizerSection(algorithm="pretrained", name_or_path="other")
    for folder, vocabulary, found in (
        (weights, {"a": 0, "b": 1}, 0),
        (other, {"a": 0, "b": 1}, 0),
        (other, {"b": 0}, 1),
    ):
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
        assert len(findings("start_has_its_tokenizer", weights.parent, tokenizer=tokenizer)) == found


def test_a_revision_of_a_folder(weights: Path) -> None:
    model = ModelSection(architecture="bert", name_or_path="weights", revision="main")
    (finding,) = findings("start_is_there", weights.parent, model=model)
    assert finding.path == "model.revision"


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
