"""The loss of the objective itself on all held-out rows, with the draws of epoch 0: the same at every evaluation.

    token store ──> rows of held-out text ──> data collator ──> targets ──> nats per target, perplexity, accuracy

Nothing is smoothed and nothing is added: it is the likelihood, whatever ``training.label_smoothing`` and
``training.z_loss`` were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

from pretraining.batching.loader import held_out_samples
from pretraining.evaluation.figures import Figure, exponential, figure
from pretraining.evaluation.targets import Scorer, Targets, bytes_of_tokens
from pretraining.evaluation.trained import Trained
from pretraining.modeling.families import Batch, hidden_states
from pretraining.modeling.loss import IGNORED
from pretraining.modeling.multi_task_model import by_task
from pretraining.modeling.pair_model import pair_labels, pair_logits
from pretraining.objectives import make_collator
from pretraining.tokenization.store import TokenStore

MULTIPLE = 8
"""Rows are padded to the longest of their batch and on to this; no figure depends on it."""

ALONE = ""
"""The name of the only task."""

WORDS = {"masked_lm": "masked token", "pair": "masked token", "seq2seq_lm": "target token"}
"""What a target is called, by the kind of head."""


def objective_figures(
    scorer: Scorer, tokenizer: Any, trained: Trained, head: str, *, batch_size: int, progress: bool = False
) -> list[Figure]:
    """Loss, perplexity and accuracy over the targets, for every task where there are several; those of the pairs.
    A task without targets, and pairs where there are none, have no figures.

    Args:
        head: the kind of the model's head.
        batch_size: rows of one forward pass.
    """
    model, pair, weights = scorer.model, head == "pair", trained.objective.weights()
    token_bytes = bytes_of_tokens(tokenizer) if head == "seq2seq_lm" else None
    sums, pairs = {task: Targets() for task in weights or [ALONE]}, Targets()
    with torch.inference_mode():
        for batch in _batches(model, tokenizer, trained, batch_size, progress=progress):
            for task, part in (by_task(batch) if weights else {ALONE: batch}).items():
                states = hidden_states(model, part) if pair else None
                sums[task].add(scorer(part, states), token_bytes)
                if states is not None:
                    _add_pairs(pairs, pair_logits(model, states).float(), pair_labels(part))
    about = f"all held-out rows of {trained.sequence_length} tokens, drawn once (seed {trained.seed}, epoch 0)"
    if weights:
        sums = {task: each for task, each in sums.items() if each.count}
    found = _total(trained, sums, about) if weights else []
    for task, each in sums.items():
        found += _figures(f"{task}/" if weights else "", each, WORDS.get(head, "target"), about)
    return found + (_pair_figures(pairs) if pairs.count else [])


def _batches(model: Any, tokenizer: Any, trained: Trained, size: int, *, progress: bool) -> Iterator[Batch]:
    """All held-out rows as the objective's collator makes them, on the model's device."""
    from rich.console import Console
    from rich.progress import track

    objective, length = trained.objective, trained.sequence_length
    samples = held_out_samples(
        TokenStore(trained.tokens, "validation"),
        objective.raw_length(length),
        packing=trained.packing,
        others=objective.needs_other_documents(),
    )
    collator = make_collator(
        objective,
        tokenizer,
        sequence_length=length,
        seed=trained.seed,
        pad_to_multiple_of=MULTIPLE,
        decoder_start_token_id=getattr(model.config, "decoder_start_token_id", None),
    )
    console = Console(stderr=True)
    for first in track(range(0, samples.size, size), "loss of the objective", console=console, disable=not progress):
        made = collator(samples.__getitems__(range(first, min(first + size, samples.size))))
        yield {key: value.to(model.device) for key, value in made.items()}


def _add_pairs(pairs: Targets, scores: torch.Tensor, labels: torch.Tensor) -> None:
    pairs.count += int((labels != IGNORED).sum())
    pairs.nll += float(F.cross_entropy(scores, labels, ignore_index=IGNORED, reduction="sum"))
    pairs.right += int((scores.argmax(-1) == labels).sum())


def _figures(before: str, sums: Targets, target: str, about: str) -> list[Figure]:
    """The figures of one task, with ``before`` before their names."""
    figures = [
        figure(f"{before}loss", sums.loss, f"nats per {target}; {sums.count:,} in {about}"),
        figure(f"{before}perplexity", exponential(sums.loss), f"exp of the loss; per {target}, so by the tokenizer"),
        figure(f"{before}accuracy", sums.accuracy, f"share of the {target}s that the model finds likeliest"),
    ]
    if sums.text_bytes:
        note = (
            f"over the {sums.text_bytes:,} bytes of the targets' text: ordinary tokens, given all before them, without "
            "sentinels, modes and ends; compares with the same objective on the same text only"
        )
        figures.append(figure(f"{before}bits_per_byte", sums.bits_per_byte, note))
    return figures


def _total(trained: Trained, sums: dict[str, Targets], about: str) -> list[Figure]:
    """The loss of several tasks as it is trained, over those that have targets."""
    weights = trained.objective.weights()
    if len(sums) < len(weights):
        about += f"; without {', '.join(task for task in weights if task not in sums)}, of which no row has a target"
    if getattr(trained.objective, "normalization", "task") == "tokens":
        loss = sum(each.nll for each in sums.values()) / max(1, sum(each.count for each in sums.values()))
        return [figure("loss", loss, f"nats per target of all tasks together; {about}")]
    loss = sum(weights[task] * each.loss for task, each in sums.items())
    return [figure("loss", loss, f"the weighted sum of the tasks' losses; {about}")]


def _pair_figures(pairs: Targets) -> list[Figure]:
    return [
        figure("pair_loss", pairs.loss, f"nats per pair; {pairs.count:,} pairs"),
        figure("pair_accuracy", pairs.accuracy, "share of the pairs that are told right; 0.5 by chance"),
    ]
