"""Models with more than one loss: pairs, several objectives, span boundaries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from pretraining.errors import ModelError
from pretraining.modeling.families import hidden_states
from pretraining.modeling.multi_task_model import MultiTaskModel
from pretraining.modeling.pretraining_model import PretrainingModel
from pretraining.modeling.span_boundary_model import SpanBoundaryModel
from pretraining.objectives.config import MultiTaskSection
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.masked import MaskedLMSection
from pretraining.objectives.sections.pairs import SentencePairSection
from pretraining.training.step import means, update
from pretraining.training.tensors import gather

sys.path.insert(0, str(Path(__file__).parent))
from joint import ROWS, Batch, masked_batch, part

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
    absent = means(module, {"next": 3.0, "prefix": 0.0}, {"next": 6.0, "prefix": 0.0})
    assert absent == {"next": 0.5, "loss": 1.0 if normalization == "task" else 0.5}


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
