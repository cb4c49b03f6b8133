"""The rules about training, each broken and kept."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.section import Finding
from pretraining.training.checks import RULES
from pretraining.training.config import TrainingSection


def findings(
    rule_id: str,
    keys: dict[str, Any],
    *,
    ranks: int = 1,
    available: tuple[int, bool] | None = None,
    max_epochs: float = 1.0,
) -> list[Finding]:
    """What one rule says about a training of 100 steps of 1,024 tokens in samples of 64, changed by ``keys``."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    section = {"duration": {"steps": 100}, "batch_tokens": 1024, "micro_batch_size": 2, **keys}
    facts = {
        "training": TrainingSection.model_validate(section),
        "batches": BatchesSection(sequence_length=64, max_epochs=max_epochs),
        "ranks": ranks,
        "available_tokens": available,
    }
    return list(rule.check(**{name: facts[name] for name in inspect.signature(rule.check).parameters}))


def test_every_rule_accepts_a_right_training() -> None:
    for rule in RULES:
        assert findings(rule.id, {"schedule": {"warmup": {"steps": 10}}}, available=(102_400, True)) == []


def schedule(**keys: Any) -> dict[str, Any]:
    """The keys of a schedule."""
    return {"schedule": keys}


def test_warmup_within_horizon() -> None:
    rule = "warmup_and_decay_within_horizon"
    (finding,) = findings(rule, schedule(warmup={"steps": 101}))
    assert finding.path == "training.schedule.warmup"
    assert "the warm-up takes 101 steps, but the training has 100" in finding.message
    assert finding.fix == "shorten it to at most 100 steps, or train longer"
    assert findings(rule, schedule(warmup={"steps": 100})) == []
    assert findings(rule, schedule(warmup={"tokens": 102_401}))  # tokens against steps: 101 steps
    assert findings(rule, schedule(warmup={"tokens": 102_400})) == []


def test_warmup_and_decay_together() -> None:
    rule = "warmup_and_decay_within_horizon"
    (finding,) = findings(rule, schedule(type="wsd", warmup={"steps": 60}, decay={"steps": 41}))
    assert "60 steps and the decay 41, together 101" in finding.message
    assert findings(rule, schedule(type="wsd", warmup={"steps": 60}, decay={"steps": 40})) == []
    (finding,) = findings(rule, schedule(type="wsd", decay={"steps": 101}))
    assert finding.path == "training.schedule.decay"


def test_horizon_in_epochs() -> None:
    rule, keys = "warmup_and_decay_within_horizon", {"duration": {"epochs": 1}, **schedule(warmup={"steps": 11})}
    assert findings(rule, keys, available=(10_240, True))  # ten steps
    assert findings(rule, keys, available=(11_264, True)) == []
    assert findings(rule, keys, available=(10_240, False)) == []  # an estimate proves nothing
    epochs = {"duration": {"epochs": 1}, **schedule(warmup={"epochs": 1.5})}
    (finding,) = findings(rule, epochs)
    assert "takes 1.5 epochs, but the training has 1" in finding.message
    assert findings(rule, {"duration": {"tokens_per_parameter": 20}, **schedule(warmup={"steps": 9})}) == []


def test_batch_of_whole_samples() -> None:
    (finding,) = findings("batch_divisible", {"batch_tokens": 1000})
    assert finding.message == "1000 tokens are 15 samples of 64 tokens and 40 tokens over"
    assert finding.fix.startswith("choose 896 or 1_024 (a multiple of")


def test_batch_of_whole_micro_batches_on_every_rank() -> None:
    (finding,) = findings("batch_divisible", {}, ranks=3)
    assert "1024 tokens are 16 samples, which micro-batches of 2 on 3 ranks (6 samples at a time)" in finding.message
    assert finding.fix.startswith("choose 768 or 1_152 ")
    (finding,) = findings("batch_divisible", {"micro_batch_size": 32})
    assert finding.fix.startswith("choose 2_048 ")
    assert findings("batch_divisible", {}, ranks=4) == []


def test_decay_only_for_wsd() -> None:
    (finding,) = findings("decay_only_for_wsd", schedule(type="cosine", decay={"steps": 1}))
    assert (finding.path, "cosine has no decay phase" in finding.message) == ("training.schedule.decay", True)
    assert findings("decay_only_for_wsd", schedule(type="wsd", decay={"steps": 1})) == []


@pytest.mark.parametrize(("key", "value"), [("muon_learning_rate", 0.01), ("muon_momentum", 0.9)])
def test_muon_keys_only_for_muon(key: str, value: float) -> None:
    (finding,) = findings("muon_keys_only_for_muon", {"optimizer": {key: value}})
    assert finding.path == f"training.optimizer.{key}"
    assert findings("muon_keys_only_for_muon", {"optimizer": {"type": "muon", key: value}}) == []


def test_muon_keys_with_their_defaults_say_nothing() -> None:
    assert findings("muon_keys_only_for_muon", {"optimizer": {"muon_momentum": 0.95}}) == []


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"duration": {"hours": 1}}, "training.duration"),
        (schedule(warmup={"hours": 1}), "training.schedule.warmup"),
        (schedule(type="wsd", decay={"hours": 1}), "training.schedule.decay"),
        (schedule(warmup={"tokens_per_parameter": 1}), "training.schedule.warmup"),
        ({"log_every": {"tokens_per_parameter": 1}}, "training.log_every"),
    ],
)
def test_duration_unit(keys: dict[str, Any], path: str) -> None:
    (finding,) = findings("duration_unit", keys)
    assert (finding.path, finding.fix) == (path, "give tokens or steps")


def test_units_that_are_right() -> None:
    keys = {"duration": {"tokens_per_parameter": 20}, "checkpoints": {"every": {"hours": 1}}}
    assert findings("duration_unit", keys) == []


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"duration": {"steps": 0}}, "training.duration"),
        ({"log_every": {"steps": 0}}, "training.log_every"),
        ({"evaluate_every": {"tokens": 0}}, "training.evaluate_every"),
        ({"checkpoints": {"every": {"hours": 0.0}}}, "training.checkpoints.every"),
    ],
)
def test_duration_positive(keys: dict[str, Any], path: str) -> None:
    (finding,) = findings("duration_positive", keys)
    assert finding.path == path
    assert "finite number above 0" in finding.message
    for rule in RULES:  # and no other rule stumbles over it
        findings(rule.id, keys, available=(1000, True))


def test_enough_tokens_of_a_counted_corpus() -> None:
    (finding,) = findings("enough_tokens", {}, available=(40_000, True))
    assert "through the data 2.56 times, and batches.max_epochs is 1: 102,400 tokens of 40,000" in finding.message
    assert finding.fix == "train for less, add text to the corpus, or set batches.max_epochs to 2.56 or more"
    assert findings("enough_tokens", {}, available=(40_000, True), max_epochs=2.56) == []


def test_a_bound_may_be_passed_by_half() -> None:
    (finding,) = findings("enough_tokens", {}, available=(68_000, False))
    assert "counting every byte of the sources as one" in finding.message
    assert findings("enough_tokens", {}, available=(69_000, False)) == []
    assert findings("enough_tokens", {}, available=(69_000, True))
    assert findings("enough_tokens", {}) == []  # nothing is known
    assert findings("enough_tokens", {}, available=(0, False)) == []


def test_enough_tokens_for_epochs() -> None:
    (finding,) = findings("enough_tokens", {"duration": {"epochs": 3}})
    assert "through the data 3 times" in finding.message
    assert findings("enough_tokens", {"duration": {"epochs": 3}}, max_epochs=3) == []
    assert findings("enough_tokens", {"duration": {"tokens": 100}}, available=(100, True)) == []


def test_trackers_are_known_and_installed() -> None:
    (finding,) = findings("trackers_usable", {"trackers": ["wandbb"]})
    assert finding.path == "training.trackers[0]" and finding.hint == "did you mean wandb?"
    (finding,) = findings("trackers_usable", {"trackers": ["swanlab"]})
    assert "not installed" in finding.message and finding.fix == "pip install swanlab"
    assert findings("trackers_usable", {}) == []
