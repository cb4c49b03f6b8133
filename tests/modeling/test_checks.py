"""The rules about the model, each broken and kept."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.modeling.checks import RULES
from pretraining.modeling.config import ModelSection
from pretraining.objectives.config import MaskedLMSection, MultiTaskSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.infilling import BlankInfillingSection
from pretraining.objectives.sections.pairs import SentencePairSection
from pretraining.objectives.sections.prefixes import PrefixLMSection
from pretraining.objectives.sections.spans import (
    MixtureOfDenoisersSection,
    SpanCorruptionSection,
)
from pretraining.section import Finding
from pretraining.tokenization.config import TokenizerSection

SECTIONS = {
    "tokenizer": TokenizerSection(vocab_size=512),
    "batches": BatchesSection(sequence_length=64),
    "objective": CausalLMSection(),
    "base": Path(),
    "run_folder": Path("runs/test"),
}


def findings(
    rule_id: str, architecture: str = "llama", *, objective: ObjectiveBase | None = None, **keys: Any
) -> list[Finding]:
    """What one rule says about a model."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    facts = {**SECTIONS, "model": ModelSection(architecture=architecture, **keys)}
    facts |= {"objective": objective} if objective is not None else {}
    return list(rule.check(**{name: facts[name] for name in inspect.signature(rule.check).parameters}))


def test_every_rule_accepts_a_right_model() -> None:
    for rule in RULES:
        assert findings(rule.id, hidden_size=64, num_attention_heads=4, vocab_size=512, rms_norm_eps=1e-5) == []


def test_rules_that_need_the_architecture_pass_over_an_unknown_one() -> None:
    for rule in RULES:
        if rule.id != "architecture_known":
            assert findings(rule.id, "lama", hidden_sise=3) == [], rule.id


def test_blanks_have_places() -> None:
    (finding,) = findings("blanks_have_places", "bloom", objective=BlankInfillingSection())
    assert finding.path == "objective.type" and "bloom reads no positions (ALiBi)" in finding.message
    tasks = [{"name": name, "objective": {"type": name}} for name in ("causal_lm", "blank_infilling")]
    assert findings("blanks_have_places", "mpt", objective=MultiTaskSection.model_validate({"tasks": tasks}))
    assert findings("blanks_have_places", "gpt2", objective=BlankInfillingSection()) == []
    assert findings("blanks_have_places", "bloom", objective=PrefixLMSection()) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [("lama", "llama"), ("LlamaForCausalLM", "llama"), ("gpt-2", "gpt2"), ("gemma3", "gemma3_text")],
)
def test_architecture_known(name: str, hint: str) -> None:
    (finding,) = findings("architecture_known", name)
    assert (finding.path, finding.hint) == ("model.architecture", f"did you mean {hint}?")


def test_architecture_without_a_causal_head() -> None:
    assert "no such architecture" in findings("architecture_known", "vit")[0].message
    assert "may see in a padded batch is not known here" in findings("architecture_known", "longt5")[0].message


@pytest.mark.parametrize(
    ("architecture", "key", "hint"),
    [
        ("llama", "hidden_sise", "did you mean hidden_size?"),
        ("llama", "layer_norm_eps", "did you mean rms_norm_eps?"),
        ("llama", "n_embd", ""),
        ("gpt2", "layer_norm_eps", "did you mean layer_norm_epsilon?"),
        ("gpt2", "hiden_size", "did you mean hidden_size (transformers' other name of n_embd)?"),
        ("gpt2", "rope_theta", ""),
    ],
)
def test_model_key_known(architecture: str, key: str, hint: str) -> None:
    (finding,) = findings("model_key_known", architecture, **{key: 1})
    assert (finding.path, finding.hint) == (f"model.{key}", hint)
    assert "stored and never read" in finding.message


@pytest.mark.parametrize("key", ["name_or_path", "revision", "attn_implementation"])
def test_a_misspelt_key_of_ours(key: str) -> None:
    (finding,) = findings("model_key_known", **{key[:-2] + key[-1]: "x"})
    assert finding.hint == f"did you mean {key}?"


def test_keys_by_alias_and_by_older_names_are_known() -> None:
    assert findings("model_key_known", "gpt2", hidden_size=8, n_head=2) == []
    assert findings("model_key_known", "llama", rope_theta=10_000.0) == []


def test_one_value_under_two_names() -> None:
    (finding,) = findings("model_key_known", "gpt2", hidden_size=8, n_embd=16)
    assert finding.path == "model.hidden_size"
    assert finding.fix == "keep model.n_embd and remove model.hidden_size"


@pytest.mark.parametrize(
    ("key", "value", "fix"),
    [
        ("hidden_size", 64.0, "write 64"),
        ("hidden_size", "64", "write a whole number"),
        ("hidden_size", True, "write a whole number"),
        ("rms_norm_eps", 1, "write 1.0"),
        ("hidden_act", 3, "write text"),
        ("mlp_bias", "no", "write true or false"),
        ("vocab_size", None, "write a whole number"),
    ],
)
def test_model_key_type(key: str, value: object, fix: str) -> None:
    (finding,) = findings("model_key_type", **{key: value})
    assert (finding.path, finding.fix) == (f"model.{key}", fix)


def test_transformers_refuses_what_the_rule_refuses() -> None:
    from huggingface_hub.errors import StrictDataclassFieldValidationError
    from transformers import LlamaConfig

    for keys in ({"hidden_size": 64.0}, {"rms_norm_eps": 1}, {"mlp_bias": 0}, {"hidden_size": True}):
        assert findings("model_key_type", **keys)
        with pytest.raises(StrictDataclassFieldValidationError):
            LlamaConfig(**keys)


@pytest.mark.parametrize(
    ("key", "value"), [("num_key_value_heads", None), ("attention_dropout", 0), ("rope_parameters", {"a": 1})]
)
def test_unions_and_types_that_are_not_plain(key: str, value: object) -> None:
    assert findings("model_key_type", **{key: value}) == []


@pytest.mark.parametrize(
    ("architecture", "key"),
    [
        ("llama", "hidden_size"),
        ("llama", "vocab_size"),
        ("gpt2", "n_layer"),
        ("gpt2", "hidden_size"),
        ("mpt", "max_seq_len"),
    ],
)
def test_model_sizes_positive(architecture: str, key: str) -> None:
    (finding,) = findings("model_sizes_positive", architecture, **{key: 0})
    assert (finding.path, finding.fix) == (f"model.{key}", "write a whole number above 0")
    assert findings("model_sizes_positive", architecture, **{key: 1}) == []


def test_heads_divide_width() -> None:
    (finding,) = findings("heads_divide_width", hidden_size=250, num_attention_heads=4)
    assert finding.message == "num_attention_heads = 4 does not divide hidden_size = 250"
    assert finding.fix == "set hidden_size to 248 or 256, or num_attention_heads to a divisor of 250"


def test_heads_divide_width_by_the_architectures_names() -> None:
    for keys in ({"n_embd": 250, "n_head": 4}, {"hidden_size": 250, "n_head": 4}):
        (finding,) = findings("heads_divide_width", "gpt2", **keys)
        assert (finding.path, finding.message) == ("model.n_embd", "n_head = 4 does not divide n_embd = 250")


def test_a_head_size_of_its_own_frees_the_width_where_the_config_allows_it() -> None:
    assert findings("heads_divide_width", "qwen3", hidden_size=250, num_attention_heads=32) == []
    assert findings("heads_divide_width", "llama", hidden_size=250, num_attention_heads=4, head_dim=64)


def test_key_value_heads_divide_heads() -> None:
    (finding,) = findings("heads_divide_width", hidden_size=64, num_attention_heads=4, num_key_value_heads=3)
    assert (finding.path, finding.fix) == ("model.num_key_value_heads", "choose one of 1, 2, 4")
    (finding,) = findings("heads_divide_width", "qwen3", num_attention_heads=4)
    assert "num_key_value_heads = 32, the default of qwen3, does not divide" in finding.message


def test_sequence_fits_positions() -> None:
    (finding,) = findings("sequence_fits_positions", max_position_embeddings=32)
    assert finding.message == "samples have 64 tokens, the model has 32 positions"
    (finding,) = findings("sequence_fits_positions", "gpt2", n_positions=63)
    assert finding.path == "model.n_positions"
    assert findings("sequence_fits_positions", max_position_embeddings=64) == []


def test_vocabulary_covers_tokenizer() -> None:
    (finding,) = findings("vocabulary_covers_tokenizer", vocab_size=511)
    assert finding.message == "the tokenizer has 512 tokens, the model's vocabulary only 511"
    assert findings("vocabulary_covers_tokenizer", vocab_size=600) == []


@pytest.mark.parametrize("key", ["bos_token_id", "eos_token_id", "pad_token_id"])
def test_special_ids_from_tokenizer(key: str) -> None:
    assert findings("special_ids_from_tokenizer", **{key: 1}) == [
        Finding(f"model.{key}", "the id comes from the tokenizer", "remove it")
    ]


def test_model_key_reserved() -> None:
    (finding,) = findings("model_key_reserved", use_cache=True)
    assert "never uses a cache" in finding.message
    assert [f.path for f in findings("model_key_reserved", dtype="bfloat16")] == ["model.dtype"]


@pytest.mark.parametrize(
    ("architecture", "objective", "needs"),
    [
        ("bert", CausalLMSection(), "a causal decoder"),
        ("llama", MaskedLMSection(), "an encoder with a masked language-modeling head"),
        ("gpt2", SpanCorruptionSection(), "an encoder-decoder"),
    ],
)
def test_objective_fits_architecture(architecture: str, objective: ObjectiveBase, needs: str) -> None:
    (found,) = findings("objective_fits_architecture", architecture, objective=objective)
    assert found.path == "objective.type"
    assert found.message == f"{objective.type} needs {needs}, which {architecture} is not"
    assert "recipes/README.md has the table" in found.fix


@pytest.mark.parametrize(
    ("architecture", "objective"),
    [("bert", MaskedLMSection()), ("t5", SpanCorruptionSection()), ("roberta", ContrastiveSection())],
)
def test_pairs_that_fit(architecture: str, objective: ObjectiveBase) -> None:
    assert findings("objective_fits_architecture", architecture, objective=objective) == []


@pytest.mark.parametrize(
    ("architecture", "objective", "had", "cure"),
    [
        ("t5", PrefixLMSection(), "decoder", "encoder_decoder"),
        ("llama", MixtureOfDenoisersSection(), "encoder_decoder", "decoder"),
    ],
)
def test_another_form_of_the_objective_is_named(
    architecture: str, objective: ObjectiveBase, had: str, cure: str
) -> None:
    (found,) = findings("objective_fits_architecture", architecture, objective=objective)
    assert found.message.startswith(f"{objective.type} with form: {had} needs ")
    assert found.fix.startswith(f"set objective.form: {cure}, or choose an architecture such as ")
    cured = objective.model_copy(update={"form": cure})
    assert findings("objective_fits_architecture", architecture, objective=cured) == []
    (found,) = findings("objective_fits_architecture", "bert", objective=objective)
    assert found.fix.startswith("choose an architecture")  # no form would help


BERT_LAYERS = ("hidden_dropout_prob", "attention_probs_dropout_prob")


def test_views_differ() -> None:
    rule, contrastive = "views_differ", ContrastiveSection()
    (found,) = findings(rule, "bert", objective=contrastive, **dict.fromkeys(BERT_LAYERS, 0.0))
    assert found.path == "model.hidden_dropout_prob" and "every dropout of this bert is 0" in found.message
    assert found.fix == "set one of them to 0.1, such as model.hidden_dropout_prob: 0.1"
    (found,) = findings(rule, "modernbert", objective=contrastive, classifier_dropout=0.1)  # a head that is not built
    assert found.path == "model.architecture" and "attention_dropout, embedding_dropout, mlp_dropout" in found.message
    assert findings(rule, "modernbert", objective=contrastive, mlp_dropout=0.1) == []
    assert findings(rule, "bert", objective=contrastive, hidden_dropout_prob=0.0) == []
    assert findings(rule, "modernbert", objective=MaskedLMSection()) == []


def test_a_pair_has_two_segments() -> None:
    rule = "pair_has_two_segments"
    (found,) = findings(rule, "bert", objective=SentencePairSection(), type_vocab_size=1)
    assert (found.path, found.fix) == ("model.type_vocab_size", "remove it, or set it to 2")
    assert findings(rule, "bert", objective=SentencePairSection(), type_vocab_size=2) == []
    assert findings(rule, "bert", objective=SentencePairSection()) == []
    assert findings(rule, "bert", objective=MaskedLMSection(), type_vocab_size=1) == []


def test_packing_can_isolate() -> None:
    (found,) = findings("packing_can_isolate", "bart")
    assert found.path == "batches.packing" and "cannot keep documents apart" in found.message
    (found,) = findings("packing_can_isolate", "bert", objective=ContrastiveSection())
    assert "contrastive compares texts" in found.message
    (found,) = findings("packing_can_isolate", "bert", objective=SentencePairSection())
    assert found.message == (
        "sentence_pair makes one pair of a row, out of one of its documents: the text of the others would not be read"
    )
    assert found.fix == "set batches.packing: none (one document a row)"
