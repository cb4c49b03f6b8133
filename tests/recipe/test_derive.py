"""Values that follow from others."""

from __future__ import annotations

from typing import Any

from pretraining.batching.config import BatchesSection
from pretraining.evaluation.config import EvaluationSection
from pretraining.modeling.config import ModelSection
from pretraining.recipe.derive import Derived, derive
from pretraining.section import Duration
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


def test_the_architectures_own_names_are_used() -> None:
    keys, derived = model({"architecture": "gpt2", "hidden_size": 8, "n_head": 2}, **SIZES)
    assert keys == {"n_embd": 8, "n_head": 2, "vocab_size": 300, "n_positions": 64}
    assert derived.renamed == {"model.n_embd": "model.hidden_size"}
    assert model({"architecture": "mpt"}, **SIZES)[0]["max_seq_len"] == 64
    assert set(model({"architecture": "bloom"}, **SIZES)[0]) == {"vocab_size"}  # ALiBi: no positions


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


def training(**duration: Any) -> TrainingSection:
    """1,024 tokens a step."""
    return TrainingSection(duration=Duration(**duration), batch_tokens=1024, micro_batch_size=2)


def test_steps_and_micro_batches() -> None:
    facts = derive({"training": training(tokens=10_000), **SIZES}, ranks=2).facts
    assert {name: value for name, (value, _) in facts.items()} == {
        "training.samples_per_step": 16,
        "training.micro_batches": 4,
        "training.steps": 10,
    }
    assert facts["training.micro_batches"][1].endswith("* 2 ranks)")


def test_steps_of_epochs_need_the_number_of_tokens() -> None:
    assert "training.steps" not in derive({"training": training(epochs=2), **SIZES}).facts
    assert derive({"training": training(epochs=2), **SIZES}, epoch_tokens=5120).facts["training.steps"][0] == 10
