"""Values that follow from others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pretraining.batching.config import BatchesSection
from pretraining.batching.supply import Supply
from pretraining.evaluation.config import EvaluationSection
from pretraining.modeling.config import ModelSection
from pretraining.recipe.derive import Derived, derive
from pretraining.tokenization.config import TokenizerSection
from pretraining.training.config import TrainingSection


def model(keys: dict[str, object], **sections: Any) -> tuple[dict[str, object], Derived]:
    """The keys of the model that come out."""
    derived = derive({"model": ModelSection.model_validate(keys), **sections})
    section = derived.sections["model"]
    assert isinstance(section, ModelSection)
    return section.config_keys, derived


SIZES = {"tokenizer": TokenizerSection(vocab_size=300), "batches": BatchesSection(sequence_length=64)}


def test_vocabulary_and_positions_follow_tokenizer_and_batches() -> None:
    keys, derived = model({"architecture": "llama", "hidden_size": 8, "attn_implementation": "eager"}, **SIZES)
    assert keys == {"hidden_size": 8, "vocab_size": 300, "max_position_embeddings": 64}
    assert derived.formulas == {
        "model.vocab_size": "tokenizer.vocab_size",
        "model.max_position_embeddings": "batches.sequence_length",
    }
    assert derived.sections["model"].attn_implementation == "eager"  # type: ignore[attr-defined]


def test_a_rounded_vocabulary_and_one_that_only_the_tokenizer_knows() -> None:
    rounded = TokenizerSection(vocab_size=300, pad_to_multiple_of=64)
    keys, derived = model({"architecture": "llama"}, tokenizer=rounded)
    assert keys == {"vocab_size": 320}
    assert derived.formulas["model.vocab_size"].startswith("tokenizer.vocab_size, up to a multiple")
    pretrained = TokenizerSection(algorithm="pretrained", name_or_path="somewhere")
    assert model({"architecture": "llama"}, tokenizer=pretrained)[0] == {}


def test_the_architectures_own_names_are_used() -> None:
    keys, derived = model({"architecture": "gpt2", "hidden_size": 8, "n_head": 2}, **SIZES)
    assert keys == {"n_embd": 8, "n_head": 2, "vocab_size": 300, "n_positions": 64}
    assert derived.renamed == {"model.n_embd": "model.hidden_size"}
    assert model({"architecture": "mpt"}, **SIZES)[0]["max_seq_len"] == 64
    assert set(model({"architecture": "bloom"}, **SIZES)[0]) == {"vocab_size"}  # ALiBi: no positions


def test_with_weights_to_start_from_what_is_left_out_is_theirs(tmp_path: Path) -> None:
    saved = {"model_type": "gpt2", "n_embd": 24, "n_positions": 256, "vocab_size": 500, "attn_pdrop": 0.0}
    (tmp_path / "config.json").write_text(json.dumps(saved))
    given = {"architecture": "gpt2", "attn_pdrop": 0.2, "name_or_path": str(tmp_path)}
    keys, derived = model(given, **SIZES | {"tokenizer": TokenizerSection(algorithm="pretrained", name_or_path="x")})
    assert keys == {"attn_pdrop": 0.2, "n_embd": 24, "n_positions": 256}  # the vocabulary, only the tokenizer tells
    assert derived.formulas == dict.fromkeys(("model.n_embd", "model.n_positions"), "config.json of model.name_or_path")
    of_the_hub = {"architecture": "gpt2", "name_or_path": "somebody/something"}
    assert "n_positions" not in model(of_the_hub, **SIZES)[0]  # those of the weights are not known yet


def test_given_values_stay() -> None:
    keys, derived = model({"architecture": "llama", "vocab_size": 320, "max_position_embeddings": 128}, **SIZES)
    assert keys == {"vocab_size": 320, "max_position_embeddings": 128}
    assert derived.formulas == {}


def test_an_unknown_architecture_and_missing_sections_are_left_alone() -> None:
    assert model({"architecture": "lama", "x": 1}, **SIZES)[0] == {"x": 1}
    assert model({"architecture": "llama"})[0] == {}


def test_window_and_stride() -> None:
    derived = derive({"evaluation": EvaluationSection(), **SIZES})
    assert derived.sections["evaluation"] == EvaluationSection(window=64, stride=32)
    assert derived.formulas["evaluation.stride"] == "evaluation.window // 2"
    derived = derive({"evaluation": EvaluationSection(window=10, stride=3), **SIZES})
    assert (derived.sections["evaluation"], derived.formulas) == (EvaluationSection(window=10, stride=3), {})


def training(duration: dict[str, Any] | None = None, batch_tokens: Any = 1024) -> TrainingSection:
    """1,024 tokens a step, micro-batches of 2."""
    keys = {"duration": duration, "batch_tokens": batch_tokens, "micro_batch_size": 2}
    return TrainingSection.model_validate(keys)


def facts(batches: dict[str, Any], training: TrainingSection, **keys: Any) -> dict[str, float]:
    section = BatchesSection.model_validate({"sequence_length": 64, **batches})
    found = derive({"training": training, "batches": section}, **keys).facts
    return {name: value for name, (value, _) in found.items()}


def test_steps_and_micro_batches() -> None:
    derived = derive({"training": training({"tokens": 10_000}), **SIZES}, ranks=2)
    assert {name: value for name, (value, _) in derived.facts.items()} == {
        "training.samples_per_step": 16,
        "training.micro_batches": 4,
        "training.steps": 10,
        "training.tokens": 10_240,
    }
    assert derived.facts["training.micro_batches"][1].endswith("* 2 ranks)")
    assert derived.facts["training.samples_per_step"][1] == "training.batch_tokens / a sample of 64"


def test_steps_of_epochs_need_the_number_of_tokens() -> None:
    epochs = training({"epochs": 2.0})
    assert "training.steps" not in facts({}, epochs)
    assert "training.steps" not in facts({}, epochs, supply=Supply({}, False, 5120))
    assert facts({}, epochs, supply=Supply({}, True, 5120))["training.steps"] == 10


def test_a_batch_that_grows_has_a_first_and_a_last_size() -> None:
    found = facts({}, training({"tokens": 100_000}, {"from": 1024, "to": 4096, "over": {"tokens": 20_000}}))
    assert found["training.samples_per_step_at_the_begin"] == 16
    assert found["training.samples_per_step_at_the_end"] == 64
    assert found["training.micro_batches_at_the_end"] == 32
    assert found["training.tokens"] >= 100_000 and found["training.steps"] < 100_000 / 1024
    unknown = facts({}, training({"tokens_per_parameter": 20.0}, {"from": 1024, "to": 4096, "over": {"tokens": 9}}))
    assert unknown["training.samples_per_step_at_the_end"] == 64 and "training.steps" not in unknown


STAGES = [
    {"name": "a", "duration": {"tokens": 8000}, "mixture": {"weights": {"web": 3, "code": 1}}},
    {"name": "b", "duration": {"steps": 2}, "sequence_length": 128, "mixture": {"weights": {"web": 0, "code": 5}}},
]


def test_stages() -> None:
    found = facts({"stages": STAGES}, training(), supply=Supply({"web": 8192, "code": 1024}, True, None))
    assert found == {
        "batches.stages[0].samples_per_step": 16,
        "batches.stages[0].micro_batches": 8,
        "batches.stages[0].steps": 8,
        "batches.stages[1].samples_per_step": 8,
        "batches.stages[1].micro_batches": 4,
        "batches.stages[1].steps": 2,
        "training.steps": 10,
        "training.tokens": 10_240,
        "batches.stages[0].mixture.shares.web": 0.75,
        "batches.stages[0].mixture.shares.code": 0.25,
        "batches.stages[1].mixture.shares.code": 1,
        "batches.stages[0].tokens.web": 6144,
        "batches.stages[0].epochs.web": 0.75,
        "batches.stages[0].tokens.code": 2048,
        "batches.stages[0].epochs.code": 2,
        "batches.stages[1].tokens.code": 2048,
        "batches.stages[1].epochs.code": 2,
    }


def test_positions_and_window_follow_the_longest_stage() -> None:
    sizes = {"batches": BatchesSection.model_validate({"sequence_length": 64, "stages": STAGES})}
    keys, derived = model({"architecture": "llama"}, **sizes, evaluation=EvaluationSection())
    assert keys["max_position_embeddings"] == 128
    assert derived.formulas["model.max_position_embeddings"] == "batches.stages[1].sequence_length"
    assert derived.sections["evaluation"] == EvaluationSection(window=128, stride=64)


def test_a_temperature_needs_the_tokens_of_all_sources() -> None:
    batches = {"mixture": {"temperature": 2.0, "cap": 400}}
    assert not any("shares" in name for name in facts(batches, training({"steps": 1})))
    found = facts(batches, training({"steps": 1}), supply=Supply({"web": 10_000, "code": 100}, False, None))
    assert found["batches.mixture.shares.web"] == round(20 / 30, 9)  # the roots of 400 and 100
    assert found["batches.tokens.code"] == 341 and found["batches.epochs.code"] == 3.413


def test_what_is_normalised_or_left_out_is_said() -> None:
    batches = BatchesSection.model_validate({"mixture": {"weights": {"web": 0.5, "code": 0.5}}, "stages": STAGES})
    assert derive({"batches": batches}).notes == [
        "batches.stages[0].mixture.weights sum to 4, not 1: each is divided by that",
        "batches.stages[1].mixture.weights sum to 5, not 1: each is divided by that",
        "web has weight 0 in batches.stages[1].mixture: nothing of it is seen there",
    ]
