"""Replaced token detection: who gets whose gradient, what is proposed, and what is published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from pretraining.modeling.detection_model import ReplacedTokenDetectionModel, detection_logits, sample
from pretraining.modeling.families import hidden_states
from pretraining.modeling.heads import logits
from pretraining.objectives.sections.masked import ReplacedTokenDetectionSection
from pretraining.training.export import save_model
from pretraining.training.tensors import gather

sys.path.insert(0, str(Path(__file__).parent))
from joint import ROWS, WIDTH, gradients, masked_batch, part

DETECTORS = ("electra", "deberta-v2")


def detector(build: Any, architecture: str, **keys: Any) -> ReplacedTokenDetectionModel:
    module: ReplacedTokenDetectionModel = build(architecture, ReplacedTokenDetectionSection(**keys))
    with torch.no_grad():  # a new generator has no preference for any token
        module.generator.base_model.encoder.layer[-1].output.LayerNorm.weight.fill_(4.0)
    return module


@pytest.mark.parametrize("architecture", DETECTORS)
def test_the_discriminator_reaches_the_generator_through_shared_embeddings_only(build: Any, architecture: str) -> None:
    module, batch = detector(build, architecture, generator_hidden_size_ratio=0.5), masked_batch()
    shared = {id(p) for p in module.model.parameters()} & {id(p) for p in module.generator.parameters()}
    mine = {name for name, p in module.named_parameters() if id(p) in shared}
    assert mine and all("embeddings" in name for name in mine)
    module(**batch)["discriminator"].backward()
    touched = gradients(module)
    assert not any(name.startswith("generator.") for name in touched)
    assert any("word_embeddings" in name for name in touched)
    module(**batch)["generator"].backward()
    assert {name for name in gradients(module) if name.startswith("model.")} <= mine


@pytest.mark.parametrize("architecture", DETECTORS)
def test_disentangled_embeddings_keep_the_discriminator_away(build: Any, architecture: str) -> None:
    module = detector(build, architecture, embedding_sharing="gradient_disentangled")
    module(**masked_batch())["discriminator"].backward()
    touched = gradients(module)
    assert all(name.startswith("model.") for name in touched)
    assert any(name.endswith("word_embeddings.weight") for name in touched)
    module(**masked_batch())["generator"].backward()
    assert all(name.startswith("generator.") for name in gradients(module))


@pytest.mark.parametrize("architecture", DETECTORS)
def test_an_adversarial_generator_follows_reinforce(build: Any, architecture: str) -> None:
    module, batch = detector(build, architecture, adversarial=True), masked_batch()
    with torch.no_grad():
        assert module.baseline is not None
        module.baseline.weight.normal_(0, 0.2, generator=torch.Generator().manual_seed(2))
    sums = module(**batch)
    assert list(module.counts(batch)) == list(module.weights) == ["generator", "discriminator", "baseline"]
    sums["generator"].backward(retain_graph=True)
    found = gradients(module)
    assert not any(name.startswith("model.") and "embeddings" not in name for name in found)

    masked = batch["labels"] != -100
    with torch.no_grad():
        states = hidden_states(module.generator, batch)
        inputs, replaced = module.corrupted(batch, states)
        own = detection_logits(module.model, {**batch, "input_ids": inputs})
        loss = F.binary_cross_entropy_with_logits(own, replaced.float(), reduction="none")[masked]
        guess = module.baseline(states[masked])[:, 0].double()
        chances = logits(module.generator, states[masked]).softmax(-1)
        picked = F.one_hot(inputs[masked], 320)
        advantage = loss + guess.sigmoid().log()
        expected = (advantage[:, None] * (chances - picked)).sum(0).float()  # of d(-A log p) / d(logits)
        fit = -((-loss).exp() * guess.sigmoid().log() + (1 - (-loss).exp()) * (-guess).sigmoid().log()).sum().float()
    name = "generator.generator_lm_head.bias" if architecture == "electra" else "generator.cls.predictions.bias"
    torch.testing.assert_close(found[name], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(sums["baseline"].detach(), fit)
    sums["baseline"].backward()
    assert set(gradients(module)) == {"baseline.weight"}


def test_a_token_is_replaced_where_the_proposal_is_another(build: Any) -> None:
    module, batch = detector(build, "electra"), masked_batch()
    masked = batch["labels"] != -100
    states = hidden_states(module.generator, batch).detach()
    chances = logits(module.generator, states[masked]).double().softmax(-1).cumsum(-1)
    lucky = torch.arange(len(chances)) % 2 == 0  # draws that hit the original token
    place = batch["labels"][masked]
    middle = (chances.gather(1, place[:, None]) + chances.gather(1, place[:, None] - 1))[:, 0] / 2
    batch["draws"][masked] = torch.where(lucky, middle, batch["draws"][masked]).detach()
    inputs, replaced = module.corrupted(batch, states)
    original = torch.where(masked, batch["labels"], batch["input_ids"])
    assert torch.equal(replaced, inputs != original)
    assert not replaced[masked][lucky].any() and replaced[masked][~lucky].any()
    assert not replaced[~masked].any()
    own = detection_logits(module.model, {**batch, "input_ids": inputs})
    real = batch["document_ids"] > 0
    expected = F.binary_cross_entropy_with_logits(own[real], (inputs != original)[real].float(), reduction="sum")
    torch.testing.assert_close(module(**batch)["discriminator"], expected)
    said = own > 0
    assert module.accuracies(batch) == {
        "detection_accuracy": (int((said == replaced)[real].sum()), int(real.sum())),
        "sampled_masked_lm_accuracy": (int((inputs == batch["labels"]).sum()), int((batch["labels"] != -100).sum())),
        "replaced_found": (int((said & replaced).sum()), int(replaced.sum())),
    }


def test_draws_are_those_of_the_softmax() -> None:
    scores = torch.tensor([0.1, 0.2, 0.0, 0.7]).log()
    draws = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    assert torch.bincount(sample(scores.expand(1000, 4), draws), minlength=4).tolist() == [100, 200, 0, 700]
    edges = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert sample(torch.zeros(2, 30_000), edges).tolist() == [0, 29_999]


@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("architecture", DETECTORS)
def test_a_proposal_depends_on_its_draw_alone(build: Any, architecture: str, adversarial: bool) -> None:
    module, batch = detector(build, architecture, adversarial=adversarial), masked_batch()
    whole, proposed = module(**batch), module.corrupted(batch, hidden_states(module.generator, batch))[0]
    rows = [part(batch, slice(row, row + 1)) for row in range(ROWS)]
    apart = [module.corrupted(one, hidden_states(module.generator, one))[0] for one in rows]
    assert torch.equal(torch.cat(apart), proposed)
    sums = [module(**one) for one in rows]
    for term, value in whole.items():
        torch.testing.assert_close(sum(one[term] for one in sums), value, rtol=1e-5, atol=1e-5)
    masked = batch["labels"] != -100
    moved = dict(batch, draws=torch.where(masked & (torch.arange(ROWS) == 1)[:, None], 0.5, batch["draws"]))
    others = torch.arange(ROWS) != 1
    assert torch.equal(module.corrupted(moved, hidden_states(module.generator, moved))[0][others], proposed[others])


def test_the_temperature_sharpens_the_proposals(build: Any) -> None:
    module, batch = detector(build, "electra", temperature=1e-4), masked_batch()
    states = hidden_states(module.generator, batch)
    best = logits(module.generator, states[batch["labels"] != -100]).argmax(-1)
    assert torch.equal(module.corrupted(batch, states)[0][batch["labels"] != -100], best)


def test_the_policy_is_the_one_that_was_drawn_from(build: Any) -> None:
    """A temperature is the same as a head that is divided by it."""
    batch, sums = masked_batch(), []
    for temperature in (1.0, 0.5):
        module = detector(build, "electra", adversarial=True, temperature=temperature)
        with torch.no_grad():
            for parameter in (module.generator.generator_predictions.LayerNorm, module.generator.generator_lm_head):
                parameter.bias.mul_(2.0 * temperature)
            module.generator.generator_predictions.LayerNorm.weight.mul_(2.0 * temperature)
        sums.append(module(**batch)["generator"])
    torch.testing.assert_close(sums[0], sums[1])


@pytest.mark.parametrize("sharing", ["shared", "gradient_disentangled"])
@pytest.mark.parametrize("architecture", DETECTORS)
def test_the_published_discriminator(
    build: Any, tokenizer: Any, tmp_path: Path, architecture: str, sharing: str
) -> None:
    import transformers

    module, batch = detector(build, architecture, embedding_sharing=sharing), masked_batch()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    weights, _ = gather(module, [], keep=True)
    tables = [name for name in weights if name.endswith("word_embeddings.weight")]
    assert len(tables) == (1 if sharing == "shared" else 2)  # the generator's and a difference
    assert not any("lm_head.weight" in name or "decoder.weight" in name for name in weights)  # tied
    save_model(module.model, module.published(weights), tokenizer, tmp_path, sequence_length=WIDTH)
    kind = "ElectraForPreTraining" if architecture == "electra" else "DebertaV2ForTokenClassification"
    loaded, report = getattr(transformers, kind).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    rows = part(batch, slice(0, 3))
    own = loaded.eval()(input_ids=rows["input_ids"], attention_mask=torch.ones_like(rows["input_ids"])).logits
    torch.testing.assert_close(own.reshape(3, WIDTH), detection_logits(module.model, rows), atol=1e-5, rtol=1e-5)
