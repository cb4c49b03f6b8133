from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pretraining.batching.loader import held_out_samples
from pretraining.evaluation.documents import held_out_texts
from pretraining.evaluation.objective_loss import objective_figures
from pretraining.evaluation.targets import Scorer
from pretraining.evaluation.trained import Trained
from pretraining.objectives import make_collator
from pretraining.tokenization.store import TokenStore

TASKS: list[dict[str, Any]] = [
    {"name": "spans", "objective": {"type": "span_corruption"}, "weight": 2.0},
    {"name": "rest", "objective": {"type": "prefix_lm", "form": "encoder_decoder"}},
]
HEADS = {"bert": "masked_lm", "t5": "seq2seq_lm", "xlnet": "permutation_lm", "llama": "causal_lm"}


def values(figures: list[dict[str, Any]]) -> dict[str, float]:
    return {each["name"]: each["value"] for each in figures}


def one_batch(trained: Trained, tokenizer: Any, start: int | None) -> dict[str, torch.Tensor]:
    """All held-out rows at full width, as the training makes them."""
    objective = trained.objective
    samples = held_out_samples(
        TokenStore(trained.tokens, "validation"),
        objective.raw_length(48),
        packing=trained.packing,
        others=objective.needs_other_documents(),
    )
    collator = make_collator(objective, tokenizer, sequence_length=48, seed=trained.seed, decoder_start_token_id=start)
    made: dict[str, torch.Tensor] = collator(samples.__getitems__(range(samples.size)))
    return made


@pytest.mark.parametrize(
    ("architecture", "objective"),
    [
        ("bert", {"type": "masked_lm", "mlm_probability": 0.3}),
        ("t5", {"type": "span_corruption"}),
        ("xlnet", {"type": "permutation_lm"}),
        ("llama", {"type": "prefix_lm"}),
    ],
)
def test_the_loss_is_that_of_the_training_whatever_the_batch_size(
    trained: Callable[..., Trained], full_tokenizer: Any, helpers: Any, architecture: str, objective: dict[str, Any]
) -> None:
    about = trained(**objective)
    inner = helpers.pretraining_model(architecture, about.objective, full_tokenizer)
    batch = one_batch(about, full_tokenizer, getattr(inner.config, "decoder_start_token_id", None))
    with torch.no_grad():
        wanted = float(inner(**batch)["loss"]) / inner.counts(batch)["loss"]
    for size in (1, 16):
        scorer = Scorer(inner.model)
        found = objective_figures(scorer, full_tokenizer, about, HEADS[architecture], batch_size=size)
        assert values(found)["loss"] == pytest.approx(wanted, rel=1e-6)
        assert values(found)["perplexity"] == pytest.approx(math.exp(wanted), rel=1e-5)
        assert f"{inner.counts(batch)['loss']:,} in all held-out rows of 48 tokens" in found[0]["note"]


def test_pairs_are_those_of_the_training(trained: Callable[..., Trained], full_tokenizer: Any, helpers: Any) -> None:
    about = trained(type="sentence_pair")
    inner = helpers.pretraining_model("bert", about.objective, full_tokenizer)
    batch = one_batch(about, full_tokenizer, None)
    with torch.no_grad():
        sums, counts = inner(**batch), inner.counts(batch)
    right, pairs = inner.accuracies(batch)["pair_accuracy"]
    assert pairs > 4
    found = values(objective_figures(Scorer(inner.model, fused=True), full_tokenizer, about, "pair", batch_size=4))
    assert found["loss"] == pytest.approx(float(sums["masked_lm"]) / counts["masked_lm"], rel=1e-6)
    assert found["pair_loss"] == pytest.approx(float(sums["sentence_pair"]) / pairs, rel=1e-6)
    assert found["pair_accuracy"] == right / pairs


@pytest.mark.parametrize("normalization", ["task", "tokens"])
def test_the_total_of_several_tasks_is_as_it_is_trained(
    trained: Callable[..., Trained], full_tokenizer: Any, helpers: Any, normalization: str
) -> None:
    about = trained(type="multi_task", tasks=TASKS, normalization=normalization)
    inner = helpers.pretraining_model("t5", about.objective, full_tokenizer)
    batch = one_batch(about, full_tokenizer, inner.config.decoder_start_token_id)
    with torch.no_grad():
        sums, counts = inner(**batch), inner.counts(batch)
    found = values(objective_figures(Scorer(inner.model), full_tokenizer, about, "seq2seq_lm", batch_size=4))
    means = {task: float(sums[task]) / counts[task] for task in ("spans", "rest")}
    assert {task: found[f"{task}/loss"] for task in means} == pytest.approx(means, rel=1e-6)
    pooled = (float(sums["spans"]) + float(sums["rest"])) / (counts["spans"] + counts["rest"])
    assert found["loss"] == pytest.approx(
        2 * means["spans"] + means["rest"] if normalization == "task" else pooled, rel=1e-6
    )
    assert "spans/bits_per_byte" in found


def test_a_task_without_targets_has_no_figures(
    trained: Callable[..., Trained], full_tokenizer: Any, helpers: Any
) -> None:
    about = trained(type="multi_task", tasks=[TASKS[0], {**TASKS[1], "rate": 1e-12}])
    inner = helpers.pretraining_model("t5", about.objective, full_tokenizer)
    found = objective_figures(Scorer(inner.model), full_tokenizer, about, "seq2seq_lm", batch_size=4)
    assert not any(each["name"].startswith("rest/") for each in found)
    assert values(found)["loss"] == 2 * values(found)["spans/loss"] > 0
    assert found[0]["note"].endswith("; without rest, of which no row has a target")


def test_bits_per_byte_of_an_autoencoder_are_over_the_bytes_of_the_documents(
    store: Path, trained: Callable[..., Trained], full_tokenizer: Any, helpers: Any
) -> None:
    about = replace(trained(type="denoising", permute_sentences=0.0, mask=0.0), sequence_length=40)
    inner = helpers.pretraining_model("t5", about.objective, full_tokenizer)
    found = objective_figures(Scorer(inner.model), full_tokenizer, about, "seq2seq_lm", batch_size=4)
    size = sum(len(text.encode()) for text in held_out_texts(store / "corpus"))
    assert found[-1]["name"] == "bits_per_byte" and f"over the {size:,} bytes" in found[-1]["note"]
    # nearly all targets are ordinary tokens here, so the two figures must nearly agree
    tokens = int(found[0]["note"].split("; ")[1].split()[0].replace(",", ""))
    assert found[-1]["value"] == pytest.approx(found[0]["value"] * tokens / size / math.log(2), rel=0.05)
