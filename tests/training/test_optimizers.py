from __future__ import annotations

from typing import Any

import pytest
import torch

from pretraining.modeling.pretraining_model import PretrainingModel
from pretraining.training.config import OptimizerSection
from pretraining.training.optimizers import make_optimizers, set_learning_rate


def test_only_matrices_decay_and_adamw_is_fused(make_tiny_model: Any) -> None:
    module = PretrainingModel(make_tiny_model("llama"), fused=True)
    (adamw,) = make_optimizers(OptimizerSection(weight_decay=0.3), module)
    decays = {id(p): group["weight_decay"] for group in adamw.param_groups for p in group["params"]}
    assert {name for name, p in module.named_parameters() if decays[id(p)] == 0.0} == {
        name for name, _ in module.named_parameters() if "norm" in name
    }
    assert len(decays) == len(list(module.parameters()))
    assert adamw.defaults["fused"] is True


def test_muon_takes_the_matrices_of_the_layers_only(make_tiny_model: Any) -> None:
    module = PretrainingModel(make_tiny_model("llama"), fused=True)
    muon, adamw = make_optimizers(OptimizerSection(type="muon"), module)
    assert isinstance(muon, torch.optim.Muon) and isinstance(adamw, torch.optim.AdamW)
    names = {id(p): name for name, p in module.named_parameters()}
    taken = [names[id(p)] for group in muon.param_groups for p in group["params"]]
    assert taken and all(".layers." in name and name.endswith("proj.weight") for name in taken)
    rest = [names[id(p)] for group in adamw.param_groups for p in group["params"]]
    assert sorted(taken + rest) == sorted(names.values())


def test_the_embedding_may_learn_faster(make_tiny_model: Any) -> None:
    module = PretrainingModel(make_tiny_model("llama"), fused=True)
    (adamw,) = make_optimizers(OptimizerSection(learning_rate=1e-3, embedding_learning_rate=4e-2), module)
    names = {id(p): name for name, p in module.named_parameters()}
    rates = {names[id(p)]: group["peak"] for group in adamw.param_groups for p in group["params"]}
    assert {name for name, rate in rates.items() if rate == 4e-2} == {"model.model.embed_tokens.weight"}
    assert set_learning_rate([adamw], 1.0) == 1e-3


def test_the_schedule_scales_every_peak(make_tiny_model: Any) -> None:
    module = PretrainingModel(make_tiny_model("llama"), fused=True)
    section = OptimizerSection(type="muon", learning_rate=1e-3, muon_learning_rate=0.02)
    assert make_optimizers(OptimizerSection(type="muon", learning_rate=1e-3), module)[0].defaults["lr"] == 1e-3
    optimizers = make_optimizers(section, module)
    assert set_learning_rate(optimizers, 0.5) == pytest.approx(5e-4)
    assert optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01)
    assert set_learning_rate(optimizers, 1.0) == pytest.approx(1e-3)


def test_biases_of_two_dimensions_and_heads_of_one_output_are_no_layer_matrices() -> None:
    import transformers

    sizes = {"vocab_size": 50, "d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}
    xlnet = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model("xlnet", **sizes))
    config = transformers.AutoConfig.for_model(
        "electra", vocab_size=50, hidden_size=16, embedding_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    electra = transformers.ElectraForPreTraining(config)
    for model, parts in ((xlnet, ("r_w_bias", "r_r_bias", "r_s_bias")), (electra, ("dense_prediction.weight",))):
        muon, adamw = make_optimizers(OptimizerSection(type="muon", weight_decay=0.3), PretrainingModel(model))
        taken = {id(p) for group in muon.param_groups for p in group["params"]}
        decays = {id(p): group["weight_decay"] for group in adamw.param_groups for p in group["params"]}
        for part in parts:
            (parameter,) = (p for name, p in model.named_parameters() if name.endswith(part))
            assert id(parameter) not in taken
            assert decays[id(parameter)] == (0.0 if part.endswith("bias") else 0.3)
