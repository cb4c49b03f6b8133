"""The rules about training, each broken and kept."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.modeling.config import ModelSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.masked import ReplacedTokenDetectionSection
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
    batches: dict[str, Any] | None = None,
    objective: ObjectiveBase | None = None,
    architecture: str = "llama",
) -> list[Finding]:
    """What one rule says about a training of 100 steps of 1,024 tokens in samples of 64, changed by ``keys``."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    section = {"duration": {"steps": 100}, "batch_tokens": 1024, "micro_batch_size": 2, **keys}
    facts = {
        "training": TrainingSection.model_validate(section),
        "batches": BatchesSection.model_validate({"sequence_length": 64, "max_epochs": max_epochs, **(batches or {})}),
        "objective": objective or CausalLMSection(),
        "model": ModelSection(architecture=architecture),
        "ranks": ranks,
        "available_tokens": available,
    }
    return list(rule.check(**{name: facts[name] for name in inspect.signature(rule.check).parameters}))


def test_every_rule_accepts_a_right_training() -> None:
    for rule in RULES:
        assert findings(rule.id, {"schedule": {"warmup": {"steps": 10}}}, available=(102_400, True)) == []


@pytest.mark.parametrize("objective", [ContrastiveSection(), ReplacedTokenDetectionSection()])
@pytest.mark.parametrize("key", ["z_loss", "label_smoothing"])
def test_loss_options_defined(objective: ObjectiveBase, key: str) -> None:
    (found,) = findings("loss_options_defined", {key: 0.1}, objective=objective)
    assert found.path == f"training.{key}" and f"{key} is not defined for it" in found.message
    assert findings("loss_options_defined", {key: 0.0}, objective=objective) == []
    assert findings("loss_options_defined", {key: 0.1}) == []


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
    assert finding.message == "1,000 tokens are 15 samples of 64 tokens and 40 tokens over"
    assert finding.fix.startswith("choose 896 or 1_024 (a multiple of")


def test_batch_of_whole_micro_batches_on_every_rank() -> None:
    (finding,) = findings("batch_divisible", {}, ranks=3)
    assert "1,024 tokens are 16 samples, which micro-batches of 2 on 3 ranks (6 samples at a time)" in finding.message
    assert finding.fix.startswith("choose 768 or 1_152 ")
    (finding,) = findings("batch_divisible", {"micro_batch_size": 32})
    assert finding.fix.startswith("choose 2_048 ")
    assert findings("batch_divisible", {}, ranks=4) == []


RAMP = {"from": 1024, "to": 4096, "over": {"tokens": 20_480}}
STAGES = {
    "stages": [
        {"name": "short", "duration": {"tokens": 51_200}},
        {"name": "long", "duration": {"steps": 50}, "sequence_length": 96},
    ]
}


def test_the_first_batch_of_a_ramp_divides() -> None:
    (finding,) = findings("batch_divisible", {"batch_tokens": RAMP}, ranks=3)
    assert finding.path == "training.batch_tokens.from" and finding.fix.startswith("choose 768 or 1_152 ")
    assert findings("batch_divisible", {"batch_tokens": RAMP}, ranks=4) == []


def test_a_batch_that_grew_divides_in_its_stage() -> None:
    """The second stage begins with batches of 1,024 tokens, and the next are of 1,536."""
    ramp = {"from": 512, "to": 2048, "over": {"tokens": 3072}}
    first, second = {"name": "a", "duration": {"tokens": 1024}}, {"name": "b", "duration": {"tokens": 4096}}
    keys = {"duration": None, "batch_tokens": ramp}
    (finding,) = findings("batch_divisible", keys, batches={"stages": [first, second | {"sequence_length": 384}]})
    assert finding.message == "1,024 tokens are 2 samples of 384 tokens and 256 tokens over in the stage b"
    assert finding.path == "training.batch_tokens.from"
    (finding,) = findings("batch_divisible", keys, batches={"stages": [first, second | {"sequence_length": 512}]})
    assert finding.message.startswith("1,536 tokens are 3 samples, which micro-batches of 2")
    assert finding.message.endswith("do not divide in the stage b")
    constant = keys | {
        "batch_tokens": ramp | {"to": 1024, "over": {"tokens": 1024}}
    }  # never 512 tokens in the second stage
    assert findings("batch_divisible", constant, batches={"stages": [first, second | {"sequence_length": 512}]}) == []


def test_a_batch_divides_in_every_stage() -> None:
    (finding,) = findings("batch_divisible", {}, batches=STAGES)
    assert "1,024 tokens are 10 samples of 96 tokens and 64 tokens over in the stage long" in finding.message
    assert finding.fix.startswith("choose 768 or 1_152 (a multiple of")
    (finding,) = findings("batch_divisible", {"batch_tokens": 576}, batches=STAGES)
    assert "576 tokens are 9 samples, which micro-batches of 2 on 1 rank" in finding.message
    assert (
        "in the stage short" in finding.message
        and findings("batch_divisible", {"batch_tokens": 768}, batches=STAGES) == []
    )


def test_batch_ramp() -> None:
    assert findings("batch_ramp", {"batch_tokens": RAMP}) == [] == findings("batch_ramp", {})
    (finding,) = findings("batch_ramp", {"batch_tokens": RAMP | {"to": 4000}})
    assert finding.path == "training.batch_tokens.to" and finding.message.startswith("4000 is not a multiple of 1024")
    assert finding.fix == "choose 3_072 or 4_096"
    (finding,) = findings("batch_ramp", {"batch_tokens": RAMP | {"to": 512}})
    assert finding.fix == "choose 1_024"
    (finding,) = findings("batch_ramp", {"batch_tokens": RAMP | {"over": {"steps": 5}}})
    assert finding.path == "training.batch_tokens.over" and finding.fix.startswith("give tokens")
    for rule in RULES:  # and no other rule stumbles over it
        findings(rule.id, {"batch_tokens": RAMP | {"to": 4000}}, available=(1000, True))


def test_a_duration_or_stages() -> None:
    (finding,) = findings("duration_given", {"duration": None})
    assert finding.path == "training.duration" and "nothing says how long" in finding.message
    assert findings("duration_given", {"duration": None}, batches=STAGES) == []
    for rule in RULES:
        findings(rule.id, {"duration": None}, available=(1000, True))


def test_warmup_within_a_ramp_and_stages() -> None:
    """7 steps of 1,024 tokens, 4 of 2,048, 2 of 3,072 and 20 of 4,096."""
    rule, tokens = "warmup_and_decay_within_horizon", {"duration": {"tokens": 102_400}, "batch_tokens": RAMP}
    (finding,) = findings(rule, tokens | schedule(warmup={"steps": 50}))
    assert finding.message.startswith("the warm-up takes 50 steps, but the training has 33")
    assert findings(rule, tokens | schedule(warmup={"tokens": 102_400})) == []
    assert findings(rule, tokens | schedule(warmup={"tokens": 110_000}))
    staged = {"duration": None, "batch_tokens": 768}  # 67 steps, then 50
    assert findings(rule, staged | schedule(warmup={"steps": 117}), batches=STAGES) == []
    (finding,) = findings(rule, staged | schedule(warmup={"steps": 118}), batches=STAGES)
    assert "the training has 117" in finding.message


def test_enough_tokens_for_stages() -> None:
    staged = {"duration": None, "batch_tokens": 768}
    (finding,) = findings("enough_tokens", staged, batches=STAGES, available=(44_800, True))
    assert finding.path == "batches.stages" and "2 times" in finding.message  # 51,200 asked and 50 steps
    assert findings("enough_tokens", staged, batches=STAGES, available=(44_800, True), max_epochs=2.0) == []
    mixed = STAGES | {"mixture": {"temperature": 1.0}}  # the rules about sources speak of it
    assert findings("enough_tokens", staged, batches=mixed, available=(44_800, True)) == []


def test_a_mixture_has_no_epochs() -> None:
    mixed = {"mixture": {"temperature": 1.0}}
    (finding,) = findings("duration_unit", {"duration": {"epochs": 1.0}}, batches=mixed)
    assert finding.path == "training.duration" and "there is no epoch of it" in finding.message
    assert findings("duration_unit", {"duration": {"epochs": 1.0}}) == []


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
        (
            {"batch_tokens": {"from": 1024, "to": 4096, "over": {"tokens": 0}}},
            "training.batch_tokens.over",
        ),
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


def test_gradient_checkpointing_known() -> None:
    (found,) = findings("gradient_checkpointing_known", {"gradient_checkpointing": True}, architecture="xlnet")
    assert found.path == "training.gradient_checkpointing" and "xlnet has no gradient checkpointing" in found.message
    assert findings("gradient_checkpointing_known", {"gradient_checkpointing": True}) == []
    assert findings("gradient_checkpointing_known", {}, architecture="xlnet") == []
