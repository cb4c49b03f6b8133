"""What is read from transformers' source files, against the classes themselves."""

from __future__ import annotations

import ast
import dataclasses
import subprocess
import sys

import pytest

from pretraining.modeling.architectures import (
    MISSING,
    Field,
    _parameters,
    aliases,
    config_fields,
    divides_width_always,
    legacy_keys,
    own_name,
    positions_key,
)
from pretraining.modeling.carriers import architectures_of, head_for, known_architectures

FAMILIES = ["llama", "qwen3", "gpt2", "mistral", "gemma3_text", "olmo2", "gpt_neox", "bloom", "mpt", "falcon"]


def test_causal_architectures_are_known() -> None:
    assert set(FAMILIES) <= known_architectures()
    assert {"vit", "nonsense"}.isdisjoint(known_architectures())


def test_known_architectures_are_those_of_transformers() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    every = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) & set(CONFIG_MAPPING)
    assert architectures_of("causal_lm") < every
    left = every - architectures_of("causal_lm")
    assert {"bert", "roberta", "electra", "xlnet", "bart"} <= left  # they see both sides unless told otherwise
    assert {"llama", "qwen3", "gpt2", "bloom"}.isdisjoint(left)


def test_heads() -> None:
    assert head_for(("pair", "masked_lm"), "roberta") == "masked_lm"
    assert head_for(("pair", "masked_lm"), "bert") == "pair"
    assert head_for(("seq2seq_lm",), "llama") is None
    assert architectures_of("seq2seq_lm") >= {"t5", "umt5", "bart"}
    assert architectures_of("permutation_lm") == {"xlnet"}


@pytest.mark.parametrize("model_type", [*FAMILIES, "layoutlm", pytest.param("all", marks=pytest.mark.slow)])
def test_fields_defaults_and_aliases_are_those_of_the_class(model_type: str) -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    for name in sorted(known_architectures()) if model_type == "all" else [model_type]:
        real = {field.name: field for field in dataclasses.fields(CONFIG_MAPPING[name])}  # type: ignore[arg-type]
        found = config_fields(name)
        assert set(found) == set(real), name
        assert aliases(name) == CONFIG_MAPPING[name].attribute_map, name
        for key, field in found.items():
            if field.default is not MISSING and real[key].default is not dataclasses.MISSING:
                assert field.default == real[key].default, f"{name}.{key}"


def test_annotations_are_text() -> None:
    assert config_fields("llama")["hidden_size"] == Field("hidden_size", "int", 4096)
    assert config_fields("llama")["num_key_value_heads"] == Field("num_key_value_heads", "int | None", None)
    assert config_fields("llama")["initializer_range"].default == 0.02  # written as interval(...)(default=0.02)


def test_names() -> None:
    assert own_name("gpt2", "hidden_size") == "n_embd"
    assert own_name("llama", "hidden_size") == "hidden_size"
    assert own_name("gpt2", "nonsense") == "nonsense"


@pytest.mark.parametrize(
    ("model_type", "key"),
    [("llama", "max_position_embeddings"), ("gpt2", "n_positions"), ("mpt", "max_seq_len"), ("bloom", None)],
)
def test_positions(model_type: str, key: str | None) -> None:
    assert positions_key(model_type) == key


def test_keys_that_are_read_without_being_declared() -> None:
    assert {"rope_theta", "rope_scaling"} <= legacy_keys("llama")
    assert "rotary_pct" in legacy_keys("gpt_neox")
    assert "rope_theta" not in legacy_keys("gpt2")  # it has no rotary embeddings
    assert "hidden_size" not in legacy_keys("llama")


@pytest.mark.parametrize("model_type", ["llama", "gpt_neox"])
def test_legacy_keys_reach_the_config(model_type: str) -> None:
    from transformers import AutoConfig

    key = "rope_theta" if model_type == "llama" else "rotary_emb_base"
    config = AutoConfig.for_model(model_type, **{key: 1234.0})
    assert config.rope_parameters["rope_theta"] == 1234.0


def test_heads_that_must_divide_the_width() -> None:
    assert divides_width_always("llama")
    assert not divides_width_always("qwen3")


def test_the_parameters_of_a_hand_written_init() -> None:
    source = "def __init__(self, a, b: int = 3, *, c: str = 'x', d=f(), **kwargs): pass"
    init = ast.parse(source).body[0]
    assert isinstance(init, ast.FunctionDef)
    assert _parameters(init) == {
        "a": Field("a", "Any", MISSING),
        "b": Field("b", "int", 3),
        "c": Field("c", "str", "x"),
        "d": Field("d", "Any", MISSING),
    }


def test_an_unknown_model_type() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        config_fields("nonsense")


def test_nothing_of_transformers_is_imported() -> None:
    code = (
        "import sys; from pretraining.modeling.architectures import config_fields;"
        "from pretraining.modeling.carriers import known_architectures;"
        "config_fields('gemma3_text'); known_architectures();"
        "print([name for name in ('transformers', 'torch', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
