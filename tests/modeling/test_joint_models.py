"""Models with more than one loss, or one that is no language model's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from pretraining.errors import ModelError
from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.config import ModelSection
from pretraining.modeling.contrastive_model import ContrastiveModel
from pretraining.modeling.detection_model import ReplacedTokenDetectionModel, detection_logits, sample
from pretraining.modeling.families import hidden_states
from pretraining.modeling.heads import logits
from pretraining.modeling.multi_task_model import MultiTaskModel
from pretraining.modeling.pretraining_model import PretrainingModel
from pretraining.modeling.span_boundary_model import SpanBoundaryModel
from pretraining.objectives.config import MultiTaskSection
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.masked import MaskedLMSection, ReplacedTokenDetectionSection
from pretraining.objectives.sections.pairs import SentencePairSection
from pretraining.training.export import save_model
from pretraining.training.step import _with_all_negatives, means, update
from pretraining.training.tensors import gather

Batch = dict[str, torch.Tensor]
ROWS, WIDTH = 4, 12
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 8},
    "electra": {"embedding_size": 8},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
}
DETECTORS = ("electra", "deberta-v2")


@pytest.fixture(scope="module")
def build(tokenizer: Any) -> Any:
    """``build(architecture, objective, **keys)``: the module that is trained, two layers of width 16, evaluating."""

    def make(architecture: str, objective: Any, **keys: Any) -> Any:
        sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        sizes |= {"max_position_embeddings": 32, "initializer_range": 0.3, **OWN.get(architecture, {}), **keys}
        section = ModelSection(architecture=architecture, attn_implementation="eager", **sizes)  # type: ignore[arg-type]
        return make_pretraining_model(section, objective, tokenizer, seed=0).eval()

    return make


def masked_batch(seed: int = 0) -> Batch:
    """Rows of one document, the last with padding; a quarter of the tokens are targets."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 320, (ROWS, WIDTH), generator=generator)
    documents = torch.ones_like(ids)
    documents[-1, 9:] = 0
    chosen = (torch.rand(ids.shape, generator=generator) < 0.25) & (documents > 0)
    return {
        "input_ids": torch.where(chosen, 3, ids),
        "labels": torch.where(chosen, ids, -100),
        "position_ids": torch.arange(WIDTH).expand(ROWS, WIDTH).clone(),
        "document_ids": documents,
        "draws": torch.rand(ids.shape, generator=generator, dtype=torch.float64),
    }


def part(batch: Batch, rows: slice) -> Batch:
    return {key: value[rows] for key, value in batch.items()}


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Those that are not zero, by name; and nothing is left."""
    found = {n: p.grad for n, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    module.zero_grad()
    return found


# Pairs: BERT and ALBERT


@pytest.mark.parametrize(("architecture", "key"), [("bert", "next_sentence_label"), ("albert", "sentence_order_label")])
def test_pairs_have_the_loss_of_transformers(build: Any, architecture: str, key: str) -> None:
    module = build(architecture, SentencePairSection())
    batch = part(masked_batch(), slice(0, 3)) | {key: torch.tensor([0, 1, 1])}
    batch["token_type_ids"] = (batch["position_ids"] > 5).long()
    sums, counts = module(**batch), module.counts(batch)
    ours = sum(float(sums[term].detach()) / counts[term] for term in ("masked_lm", "sentence_pair"))
    theirs = module.model(
        input_ids=batch["input_ids"], token_type_ids=batch["token_type_ids"], labels=batch["labels"],
        attention_mask=torch.ones_like(batch["input_ids"]), **{key: batch[key]},
    )  # fmt: skip
    assert ours == pytest.approx(float(theirs.loss.detach()), rel=1e-5)
    logits_name = "seq_relationship_logits" if architecture == "bert" else "sop_logits"
    right = int((theirs[logits_name].argmax(-1) == batch[key]).sum())
    assert module.accuracies(batch) == {"pair_accuracy": (right, 3)}


def test_a_batch_without_any_pair(build: Any) -> None:
    module = build("bert", SentencePairSection())
    batch = masked_batch() | {"next_sentence_label": torch.full((ROWS,), -100)}
    sums = module(**batch)
    assert float(sums["sentence_pair"]) == 0 and module.counts(batch)["sentence_pair"] == 0
    sum(sums.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
    assert module.accuracies(batch) == {"pair_accuracy": (0, 0)}


# Replaced tokens: ELECTRA and DeBERTa-v3


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


# Vectors of texts: SimCSE


def texts(count: int = 8) -> Batch:
    batch = {key: value.repeat(count // ROWS + 1, 1)[:count] for key, value in masked_batch().items()}
    batch["input_ids"] = torch.randint(4, 320, (count, WIDTH), generator=torch.Generator().manual_seed(9))
    keys = ("input_ids", "position_ids", "document_ids")
    return {key: batch[key].repeat_interleave(2, dim=0) for key in keys}


def encoder(build: Any, *, fixed: bool = False, **keys: Any) -> ContrastiveModel:
    module: ContrastiveModel = build("bert", ContrastiveSection(**keys), attention_probs_dropout_prob=0.0).train()
    if fixed:
        fix_the_other_views(module)
    return module


def fix_the_other_views(module: ContrastiveModel) -> None:
    """Instead of dropout, a small change of the second view of every text, the same every time."""
    for child in module.modules():
        if isinstance(child, torch.nn.Dropout):
            child.p = 0.0

    def change(_: Any, __: Any, out: torch.Tensor) -> torch.Tensor:
        return out + 0.3 * (torch.arange(len(out)) % 2)[:, None, None] * out.roll(1, -1)

    module.model.embeddings.register_forward_hook(change)


def test_the_pool_of_simcse(build: Any) -> None:
    """Orthogonal texts whose views are the same: log(1 + exp(-20)) each at a temperature of 0.05."""
    module = encoder(build)
    vectors = torch.eye(2, 16, dtype=torch.float64).repeat_interleave(2, dim=0)
    assert float(module.pool_loss(vectors)) / 2 == pytest.approx(math.log1p(math.exp(-20)), rel=1e-6)
    vectors = F.normalize(torch.randn(10, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    scores = vectors[0::2] @ vectors[1::2].T / 0.05
    first, second = (-values.log_softmax(-1).diagonal().sum() for values in (scores, scores.T))
    torch.testing.assert_close(module.pool_loss(vectors), first)
    torch.testing.assert_close(encoder(build, symmetric=True).pool_loss(vectors), (first + second) / 2)


def test_without_dropout_there_is_nothing_to_learn(build: Any) -> None:
    with pytest.raises(ModelError, match=r"contrastive: this model has no dropout.*model.hidden_dropout_prob = 0.0"):
        build("bert", ContrastiveSection(), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    with pytest.raises(ModelError, match=r"model.mlp_dropout = 0.0"):
        build("modernbert", ContrastiveSection())
    module = encoder(build)
    assert not torch.equal(*(module.embed(texts())[view::2] for view in (0, 1)))
    assert torch.equal(*(module.eval().embed(texts())[view::2] for view in (0, 1)))


@pytest.mark.parametrize("pooler", ["cls", "mean"])
def test_padding_is_no_part_of_a_text(build: Any, pooler: str) -> None:
    module = encoder(build, pooler=pooler).eval()
    batch = texts(ROWS)
    ragged = batch["document_ids"] == 0
    before = module.embed(batch)
    torch.testing.assert_close(before.norm(dim=-1), torch.ones(2 * ROWS))
    torch.testing.assert_close(module.embed(batch | {"input_ids": batch["input_ids"].masked_fill(ragged, 7)}), before)
    assert module.counts(batch) == {"loss": ROWS} and module.accuracies(batch)["retrieval_accuracy"][1] == ROWS


def cached(setup: Any, batch: Batch, size: int) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of one step in micro-batches of that many rows."""
    micro = [part(batch, slice(first, first + size)) for first in range(0, len(batch["input_ids"]), size)]
    sums = _with_all_negatives(setup, micro, {"loss": len(batch["input_ids"]) / 2}, 3)
    return float(sums["loss"]), gradients(setup.module)


def test_caching_gradients_is_one_big_batch(build: Any, one_process: Any) -> None:
    module = encoder(build)
    setup, batch = one_process(module), texts()
    loss, found = cached(setup, batch, 4)
    parts = []
    for number in range(4):  # the same dropout, in one graph
        torch.manual_seed(hash((0, 3, 0, number)) & (2**63 - 1))
        parts.append(module.embed(part(batch, slice(4 * number, 4 * number + 4))))
    whole = module.pool_loss(torch.cat(parts))
    (whole / 8).backward()
    assert loss == pytest.approx(float(whole.detach()), rel=1e-5)
    torch.testing.assert_close(found, gradients(module), rtol=1e-4, atol=1e-6)


def test_the_pool_is_the_global_batch_however_it_is_cut(build: Any, one_process: Any) -> None:
    module = encoder(build, fixed=True)
    setup, batch = one_process(module), texts()
    loss, found = cached(setup, batch, 16)
    assert loss == pytest.approx(float(module(**batch)["loss"].detach()), rel=1e-5)
    for size in (2, 8):
        other, others = cached(setup, batch, size)
        assert other == pytest.approx(loss, rel=1e-5)
        torch.testing.assert_close(others, found, rtol=1e-4, atol=1e-6)
    pairs = [part(batch, slice(first, first + 4)) for first in range(0, 16, 4)]
    assert sum(float(module(**pair)["loss"].detach()) for pair in pairs) < 0.7 * loss  # pools of two are easier


def test_helpers_beside_the_model_follow_the_seed_and_stay_unpublished(build: Any) -> None:
    for objective in (ContrastiveSection(), MaskedLMSection(unit="span", span_boundary=True)):
        torch.manual_seed(7)
        first = build("bert", objective)
        torch.manual_seed(8)
        second = build("bert", objective)
        for (name, a), b in zip(first.named_parameters(), second.parameters(), strict=True):
            assert torch.equal(a, b), name
        weights, _ = gather(first, [], keep=True)
        assert len(first.published(weights)) < len(weights)
        assert {f"model.{name}" for name in first.published(weights)} == {
            name for name, _ in first.named_parameters() if name.startswith("model.")
        }


# Several objectives


TASKS = {
    "type": "multi_task",
    "tasks": [
        {"name": "next", "objective": {"type": "causal_lm"}, "weight": 2.0},
        {"name": "prefix", "objective": {"type": "prefix_lm"}, "weight": 0.5},
    ],
}


def several(build: Any, **keys: Any) -> tuple[MultiTaskModel, list[Batch], dict[str, list[Batch]]]:
    """The model; micro-batches with both tasks, and with one; the batches of each task."""
    module: MultiTaskModel = build("llama", MultiTaskSection.model_validate({**TASKS, **keys}))
    plain, prefix = masked_batch(0), masked_batch(1)
    for batch in (plain, prefix):
        batch["labels"] = torch.where(batch["document_ids"] > 0, batch["input_ids"], -100)
        del batch["draws"]
    prefix["prefix_mask"] = prefix["position_ids"] < 5
    prefix["labels"][:, :5] = -100
    rows: dict[str, list[Batch]] = {"next": [part(plain, slice(0, 1)), part(plain, slice(1, 4))], "prefix": [prefix]}
    names = [("next", rows["next"][0]), ("prefix", prefix)], [("next", rows["next"][1])]
    micro = [{f"{task}/{key}": value for task, one in each for key, value in one.items()} for each in names]
    return module, micro, rows


def test_the_terms_of_a_mixture_are_those_of_its_tasks(build: Any) -> None:
    module, micro, rows = several(build)
    alone = PretrainingModel(module.model)
    assert module.weights == {"next": 2.0, "prefix": 0.5}
    assert set(module(**micro[1])) == {"next"}
    assert [module.counts(one) for one in micro] == [{"next": 11, "prefix": 25}, {"next": 30, "prefix": 0}]
    found = module(**micro[0])
    for task in ("next", "prefix"):
        torch.testing.assert_close(found[task], alone(**rows[task][0])["loss"])


@pytest.mark.parametrize("normalization", ["task", "tokens"])
def test_tasks_are_normalised_over_the_whole_step(build: Any, one_process: Any, normalization: str) -> None:
    module, micro, rows = several(build, normalization=normalization)
    alone = PretrainingModel(module.model)
    sums = {task: sum(alone(**one)["loss"] for one in batches) for task, batches in rows.items()}
    counts = {"next": 41.0, "prefix": 25.0}
    total = sums["next"] / 41 * 2 + sums["prefix"] / 25 / 2
    if normalization == "tokens":
        total = (sums["next"] + sums["prefix"]) / 66
    total.backward()
    expected = torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None]).norm()
    module.zero_grad()
    figures, norm = update(one_process(module), micro, counts, 0)
    assert norm == pytest.approx(float(expected), rel=1e-5)
    assert figures["loss"] == pytest.approx(float(total.detach()), rel=1e-5)
    assert figures["prefix"] == pytest.approx(float(sums["prefix"].detach()) / 25, rel=1e-5)
    absent = means(module, {"next": 3.0, "prefix": 0.0}, {"next": 3.0, "prefix": 0.0})
    assert absent["prefix"] == 0.0 and math.isfinite(absent["loss"])


# Span boundaries: SpanBERT


def boundary_batch() -> Batch:
    """Row 0: a span of three at 4..6; row 2: one of a single token at 1."""
    batch = masked_batch()
    shape = batch["input_ids"].shape
    labels, offsets = torch.full(shape, -100), torch.zeros(shape, dtype=torch.long)
    pairs = torch.zeros((*shape, 2), dtype=torch.long)
    labels[0, 4:7], offsets[0, 4:7], pairs[0, 4:7] = torch.tensor([50, 60, 70]), torch.arange(3), torch.tensor([3, 7])
    labels[2, 1], pairs[2, 1] = 80, torch.tensor([0, 2])
    return batch | {"span_labels": labels, "span_pairs": pairs, "span_offsets": offsets}


@pytest.mark.parametrize("architecture", ["bert", "albert"])
def test_a_span_is_told_from_its_boundaries(build: Any, architecture: str) -> None:
    module: SpanBoundaryModel = build(
        architecture, MaskedLMSection(unit="span", span_boundary=True, max_pair_targets=3)
    )
    with torch.no_grad():
        module.boundary.bias.normal_()
    batch, model, head = boundary_batch(), module.model, module.boundary
    states, table = hidden_states(model, batch), model.get_input_embeddings().weight
    assert head.position_embeddings.weight.shape == (3, 200)
    nll = []
    for row, left, right, place, token in ((0, 3, 7, 0, 50), (0, 3, 7, 1, 60), (0, 3, 7, 2, 70), (2, 0, 2, 0, 80)):
        vector = torch.cat([states[row, left], states[row, right], head.position_embeddings.weight[place]])
        for linear, norm in ((head.layers[0], head.layers[2]), (head.layers[3], head.layers[5])):
            vector = F.layer_norm(F.gelu(linear(vector)), vector.new_empty(linear.out_features).shape) * norm.weight
        nll.append(-(table @ vector + head.bias).log_softmax(0)[token])
    sums = module(**batch)
    torch.testing.assert_close(sums["span_boundary"], torch.stack(nll).sum())
    torch.testing.assert_close(sums["masked_lm"], PretrainingModel(model)(**batch)["loss"])
    assert module.counts(batch) == {"masked_lm": int((batch["labels"] != -100).sum()), "span_boundary": 4}
    assert module.weights == {"masked_lm": 1.0, "span_boundary": 1.0}


def test_a_batch_without_spans_has_no_loss_and_keeps_gradients(build: Any) -> None:
    module = build("bert", MaskedLMSection(unit="span", span_boundary=True))
    batch = boundary_batch()
    batch["span_labels"] = batch["labels"] = torch.full_like(batch["labels"], -100)
    sums = module(**batch)
    sum(sums.values()).backward()
    assert all(float(value.detach()) == 0 for value in sums.values())
    assert all(p.grad is not None and not p.grad.any() for p in module.parameters())


@pytest.mark.parametrize("architecture", ["fnet", "convbert"])
def test_a_head_that_cannot_be_taken_apart_is_refused(build: Any, architecture: str) -> None:
    with pytest.raises(ModelError, match=f"span_boundary = true: the head of {architecture}"):
        build(architecture, MaskedLMSection(unit="span", span_boundary=True))


def test_tasks_do_not_share_the_boundary_head() -> None:
    span = {"name": "span", "objective": {"type": "masked_lm", "unit": "span", "span_boundary": True}}
    with pytest.raises(ValidationError, match="span_boundary needs a head of its own"):
        MultiTaskSection.model_validate({"tasks": [span, {"name": "word", "objective": {"type": "masked_lm"}}]})
