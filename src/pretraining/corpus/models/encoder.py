"""Sequence classifiers of ``transformers``: asking one, and fine-tuning one. Imported only when a recipe has one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pretraining.corpus.models.examples import LABELS, Examples
from pretraining.corpus.sections.classifier_training import EncoderKind
from pretraining.errors import DataError
from pretraining.loading import loading

LONGEST = 512
"""Tokens that are looked at where neither model nor tokenizer says how many it takes."""


class Encoder:
    """A sequence classifier and its tokenizer."""

    def __init__(self, folder: Path, device: str) -> None:
        with loading(str(folder)):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
            self._model = model.to(device).eval()
        self._device = device
        self._length = min(self._tokenizer.model_max_length, longest(model.config))
        self.labels = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]

    def score(self, text: str, label: str) -> float:
        """The probability of a label; the output itself of a model that has one only (a regression).

        Looks at the beginning of the text: as many tokens as the model takes at once.
        """
        with torch.inference_mode():
            inputs = self._tokenizer(text, truncation=True, max_length=self._length, return_tensors="pt")
            logits = self._model(**inputs.to(self._device)).logits[0].double()
            if len(self.labels) == 1:
                return float(logits[0])
            return float(torch.softmax(logits, dim=-1)[self.labels.index(label)])


def longest(config: Any) -> int:
    """Tokens that a model takes at once."""
    return int(getattr(config, "max_position_embeddings", None) or LONGEST)


def fine_tune(kind: EncoderKind, pretrained: Path, examples: Examples, output: Path, seed: int) -> None:
    """Fine-tune an encoder with a new head for ``LABELS``, and save it with its tokenizer (safetensors).

    Both labels have the same weight in all. One step's documents are padded to the longest of them.

    Raises:
        DataError: the encoder cannot be loaded, or has no room for ``max_length`` tokens.
    """
    with torch.random.fork_rng(), loading(str(pretrained)):
        torch.manual_seed(seed)
        tokenizer: Any = AutoTokenizer.from_pretrained(pretrained, local_files_only=True)
        names = dict(enumerate(LABELS))
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            pretrained, local_files_only=True, id2label=names, label2id={name: i for i, name in names.items()}
        )
    if kind.max_length > longest(model.config):
        raise DataError(
            f"{pretrained} takes {longest(model.config)} tokens at once; lower `max_length` from {kind.max_length}"
        )
    tokenizer.model_max_length = kind.max_length
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # dropout
        _train(model.to(kind.device).train(), tokenizer, kind, examples, seed)
    model.to("cpu").save_pretrained(output)
    tokenizer.save_pretrained(output)


def _train(model: Any, tokenizer: Any, kind: EncoderKind, examples: Examples, seed: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=kind.learning_rate, weight_decay=0.01)
    steps = kind.epochs * -(-len(examples.texts) // kind.batch_size)
    warmup = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    positive = sum(examples.labels) / len(examples.labels)
    importance = torch.tensor([0.5 / (1 - positive), 0.5 / positive], device=kind.device)
    rows = [_row(tokenizer, text, kind.max_length) for text in examples.texts]
    for batch in _batches(len(rows), kind, seed):
        lengths = torch.tensor([len(rows[i]) for i in batch])
        ids = torch.nn.utils.rnn.pad_sequence(
            [rows[i] for i in batch], batch_first=True, padding_value=tokenizer.pad_token_id or 0
        )
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        labels = torch.tensor([examples.labels[i] for i in batch], device=kind.device)
        logits = model(input_ids=ids.to(kind.device).long(), attention_mask=mask.to(kind.device).long()).logits
        losses = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="none")
        (losses * importance[labels]).mean().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def _row(tokenizer: Any, text: str, length: int) -> torch.Tensor:
    """Token ids int32 [at most length]: 4 bytes a token are held."""
    return torch.tensor(tokenizer(text, truncation=True, max_length=length)["input_ids"], dtype=torch.int32)


def _batches(documents: int, kind: EncoderKind, seed: int) -> Iterator[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(kind.epochs):
        order = torch.randperm(documents, generator=generator).tolist()
        for start in range(0, documents, kind.batch_size):
            yield order[start : start + kind.batch_size]
