"""Packed rows: the loss of a row is that of its documents, and no document sees another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pretraining.errors import ModelError
from pretraining.modeling.build import training_flops_per_token
from pretraining.modeling.carriers import CANNOT_ISOLATE
from pretraining.modeling.isolation import leak, require_isolation
from pretraining.modeling.loss import chunk_rows, linear_nll
from pretraining.modeling.pretraining_model import PretrainingModel, aligned_labels, fuses
from pretraining.objectives import DataCollatorForCausalLM

FAMILIES = [(family, attention) for family in ("llama", "gpt2", "qwen3") for attention in ("sdpa", "eager")]
DOCUMENTS = [5, 9, 3, 7]
DEBERTA = {
    "vocab_size": 320,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
LAYER = {"attention_heads": 4, "ffn_dim": 64}
OLD = {
    "ctrl": {"vocab_size": 320, "n_embd": 16, "dff": 32, "n_layer": 1, "n_head": 2, "n_positions": 32},
    "openai-gpt": {"vocab_size": 320, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
}


def row(generator: np.random.Generator) -> dict[str, Any]:
    ids = generator.integers(3, 320, sum(DOCUMENTS)).astype(np.uint16)
    return {"input_ids": ids, "lengths": np.array(DOCUMENTS), "index": 0, "epoch": 0}


@pytest.fixture()
def batch(tokenizer: Any) -> dict[str, torch.Tensor]:
    generator = np.random.default_rng(0)
    return DataCollatorForCausalLM(tokenizer, sequence_length=28)([row(generator), row(generator)])


@pytest.mark.parametrize(("family", "attention"), FAMILIES)
@pytest.mark.parametrize("fused", [True, False])
def test_packed_loss_is_the_token_weighted_loss_of_the_documents(
    make_tiny_model: Any, batch: dict[str, torch.Tensor], family: str, attention: str, fused: bool
) -> None:
    model = make_tiny_model(family, attn_implementation=attention)
    packed = float(PretrainingModel(model, fused=fused)(**batch)["loss"])
    alone, targets = 0.0, 0
    for ids in batch["input_ids"]:
        for document in torch.split(ids[: sum(DOCUMENTS)], DOCUMENTS):
            logits = model(input_ids=document[None], use_cache=False).logits[0, :-1].double()
            alone += float(F.cross_entropy(logits, document[1:], reduction="sum"))
            targets += len(document) - 1
    assert int((batch["labels"][:, 1:] != -100).sum()) == targets
    assert packed / targets == pytest.approx(alone / targets, abs=1e-6 * abs(alone / targets) + 1e-6)


@pytest.mark.parametrize(("family", "attention"), FAMILIES)
def test_changing_one_document_changes_no_other(
    make_tiny_model: Any, batch: dict[str, torch.Tensor], family: str, attention: str
) -> None:
    model = make_tiny_model(family, attn_implementation=attention)
    inputs = {key: batch[key] for key in ("input_ids", "position_ids")}
    before = model(**inputs, use_cache=False).logits
    changed = inputs["input_ids"].clone()
    changed[:, 5:14] = (changed[:, 5:14] + 1) % 320
    after = model(input_ids=changed, position_ids=inputs["position_ids"], use_cache=False).logits
    others = torch.cat([torch.arange(5), torch.arange(14, 28)])
    assert torch.equal(before[:, others], after[:, others])
    assert not torch.allclose(before[:, 5:14], after[:, 5:14])
    assert leak(model) == 0.0


def test_the_default_of_transformers_leaks_and_is_caught(make_tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache, as a plain ``model(**batch)`` would run, documents see each other: this is what we measure for."""
    model = make_tiny_model("llama")
    forward = model.base_model.forward
    monkeypatch.setattr(model.base_model, "forward", lambda **inputs: forward(**(inputs | {"use_cache": True})))
    assert leak(model) > 0.01
    with pytest.raises(ModelError, match="lets packed documents see each other"):
        require_isolation(model)


def test_a_state_space_model_carries_one_document_into_the_next() -> None:
    import transformers

    config = transformers.AutoConfig.for_model(
        "mamba", vocab_size=320, hidden_size=16, num_hidden_layers=2, initializer_range=0.3
    )
    with pytest.raises(ModelError, match=r"mamba .* lets packed documents see each other"):
        require_isolation(transformers.AutoModelForCausalLM.from_config(config))


def test_a_family_that_cannot_isolate_is_refused() -> None:
    import transformers

    sizes = {"vocab_size": 320, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    bart = transformers.AutoConfig.for_model("bart", **sizes)
    with pytest.raises(ModelError, match=r"bart .* its positions count from .* batches.packing: none"):
        require_isolation(transformers.AutoModelForSeq2SeqLM.from_config(bart))


@pytest.mark.parametrize(("family", "expected"), [("llama", True), ("gpt2", True), ("olmo2", True)])
def test_the_fused_loss_is_taken_where_the_head_is_a_plain_matrix(
    make_tiny_model: Any, family: str, expected: bool
) -> None:
    assert fuses(make_tiny_model(family)) is expected


def test_scaled_logits_are_not_fused() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        "granite", vocab_size=320, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, logits_scaling=8.0, initializer_range=0.3,
    )  # fmt: skip
    assert fuses(AutoModelForCausalLM.from_config(config)) is False


def test_chunks_follow_torch_but_are_never_tiny() -> None:
    assert chunk_rows(2048, 128, 4096) == 128
    assert chunk_rows(16_384, 1024, 32_768) == 256
    assert chunk_rows(65_536, 4096, 128_256) == 1024


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_linear_nll_and_its_gradients(dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    targets = torch.randint(0, 50, (300,))
    targets[::7] = -100
    values = torch.randn(300, 16), torch.randn(50, 16)
    hidden, weight = (v.clone().requires_grad_() for v in values)
    reference = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    reference.backward()
    other_hidden, other_weight = values[0].to(dtype).requires_grad_(), values[1].clone().requires_grad_()
    loss = linear_nll(other_hidden, other_weight, None, targets)
    loss.backward()
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(reference), rel=tolerance / 4)
    for ours, theirs in ((other_hidden.grad, hidden.grad), (other_weight.grad, weight.grad)):
        assert ours is not None and theirs is not None
        assert (ours.float() - theirs).norm() / theirs.norm() < tolerance


def test_what_takes_no_four_dimensional_mask_is_refused_in_words() -> None:
    import transformers

    model = transformers.AutoModelForMaskedLM.from_config(transformers.AutoConfig.for_model("deberta", **DEBERTA))
    with pytest.raises(ModelError, match=r"^deberta \(eager\) .*batches.packing: none"):
        require_isolation(model)


@pytest.mark.parametrize("name", ["ctrl", "openai-gpt"])
def test_old_decoders_predict_the_next_token(name: str) -> None:
    import transformers

    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(name, **OLD[name]))
    ids = torch.arange(3, 9)[None]
    assert aligned_labels(model, {"labels": ids}).tolist() == [[4, 5, 6, 7, 8, -100]]


def test_under_autocast_the_product_with_the_vocabulary_is_of_its_type() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(n, 16, generator=generator) for n in (40, 50))
    targets = torch.arange(40)
    with torch.autocast("cpu", torch.bfloat16):
        found = linear_nll(hidden, weight, None, targets)
    assert found.dtype == torch.float32
    assert torch.equal(found, linear_nll(hidden.bfloat16(), weight, None, targets))
    assert not torch.equal(found, linear_nll(hidden, weight, None, targets))


def test_layers_that_share_weights_are_counted_as_often_as_they_run() -> None:
    import transformers

    def operations(architecture: str, layers: int) -> float:
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": layers}
        config = transformers.AutoConfig.for_model(architecture, vocab_size=50, **sizes)
        return training_flops_per_token(transformers.AutoModelForMaskedLM.from_config(config), 8)

    more = operations("bert", 6) - operations("bert", 2)
    assert operations("albert", 6) - operations("albert", 2) == more


@pytest.mark.parametrize("name", sorted(CANNOT_ISOLATE))
def test_padding_changes_nothing_for_the_relatives_of_bart(name: str) -> None:
    import transformers

    sizes = {"vocab_size": 97, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "max_position_embeddings": 64}
    layers = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in LAYER.items()}
    config = transformers.AutoConfig.for_model(name, pad_token_id=0, eos_token_id=1, bos_token_id=2, **sizes, **layers)
    model = transformers.AutoModelForSeq2SeqLM.from_config(config).eval()
    assert fuses(model)
    generator = torch.Generator().manual_seed(0)
    ids, labels = (torch.randint(3, 97, (2, size), generator=generator) for size in (12, 6))
    lengths = torch.tensor([[12], [8]])
    before = torch.cat([torch.ones(2, 1, dtype=torch.long), labels[:, :-1]], dim=1)
    batch = {
        "input_ids": ids,
        "document_ids": (torch.arange(12) < lengths).long(),
        "decoder_input_ids": before,
        "decoder_document_ids": torch.ones_like(labels),
        "labels": labels,
    }
    alone = 0.0
    for row, size in enumerate(lengths[:, 0].tolist()):
        logits = model(input_ids=ids[row : row + 1, :size], decoder_input_ids=before[row : row + 1]).logits
        alone += float(F.cross_entropy(logits[0].detach(), labels[row], reduction="sum"))
    with torch.no_grad():
        assert float(PretrainingModel(model, fused=True)(**batch)["loss"]) == pytest.approx(alone, rel=1e-6)
