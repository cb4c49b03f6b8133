"""Bits per byte and perplexity of a causal model, by sliding windows over each document.

A document is ``[BOS] t1 t2 ... tn``. A window is ``window`` input tokens, each of which predicts the next one;
the following window starts ``stride`` tokens later and scores only what was not scored yet:

    window 4, stride 2     BOS t1 t2 t3 t4 t5 t6 t7
    first window           [BOS t1 t2 t3]               scores t1 t2 t3 t4
    second window                 [t2 t3 t4 t5]         scores             t5 t6
    third window                        [t4 t5 t6]      scores                   t7

So every token is scored exactly once, with at least ``window - stride + 1`` tokens before it (or all that the
document has). A smaller stride gives more context, takes longer and gives a lower figure: always state both.

Bits per byte is the only one of the figures that models with different tokenizers can be compared by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from pretraining.errors import DataError
from pretraining.evaluation.documents import Document

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LOGIT_BYTES = 2**27
"""Most bytes of the float32 logits of one forward pass; the loss needs as much again."""

IGNORED = -100


@dataclass(frozen=True)
class Window:
    """Inputs ``ids[begin:end]`` of a document; the last ``scored`` of them predict tokens that count."""

    document: int
    begin: int
    end: int
    scored: int

    @property
    def length(self) -> int:
        """Number of input tokens."""
        return self.end - self.begin


@dataclass(frozen=True)
class HeldOutScore:
    """What a model scores on held-out documents; ``nll`` in nats, ``document_nll`` one sum per document."""

    documents: int
    bytes: int
    words: int
    tokens: int
    nll: float
    window: int
    stride: int
    document_nll: tuple[float, ...]

    @property
    def bits_per_byte(self) -> float:
        """nll / (bytes ln 2)."""
        return self.nll / (self.bytes * math.log(2))

    @property
    def token_perplexity(self) -> float:
        """exp(nll / tokens): depends on the tokenizer."""
        return _exp(self.nll / self.tokens)

    @property
    def word_perplexity(self) -> float:
        """exp(nll / words), words split at white space in the original text; infinite where no float holds it."""
        return _exp(self.nll / self.words) if self.words else math.inf


def score(
    model: PreTrainedModel,
    documents: Sequence[Document],
    *,
    window: int,
    stride: int,
    batch_size: int = 16,
    progress: bool = False,
) -> HeldOutScore:
    """Score every token of ``documents`` once.

    Args:
        model: a causal language model in evaluation mode, on its device.
        window: input tokens that the model sees at once.
        stride: new tokens per window, 1 to ``window``.
        batch_size: windows of one forward pass, at most; fewer where their logits would be too large.

    Raises:
        DataError: the documents have no token to score.
        ValueError: ``stride`` is not within 1 and ``window``.
    """
    if not 1 <= stride <= window:
        raise ValueError(f"stride {stride} is not within 1 and the window of {window}")
    tokens = sum(document.tokens for document in documents)
    if not tokens:
        raise DataError("the held-out documents have no token to score: raise corpus.held_out")
    vocabulary = int(model.config.get_text_config().vocab_size)
    most = max(1, LOGIT_BYTES // (4 * vocabulary))
    windows = [w for i, d in enumerate(documents) for w in _divide(sliding_windows(i, d.tokens, window, stride), most)]
    batches = list(_batches(windows, rows=batch_size, positions=most))
    nll = [0.0] * len(documents)
    for batch in _shown(batches, progress):
        for row, row_nll in zip(batch, _forward(model, documents, batch), strict=True):
            nll[row.document] += row_nll
    return HeldOutScore(
        documents=len(documents),
        bytes=sum(document.bytes for document in documents),
        words=sum(document.words for document in documents),
        tokens=tokens,
        nll=math.fsum(nll),
        window=window,
        stride=stride,
        document_nll=tuple(nll),
    )


def sliding_windows(document: int, tokens: int, window: int, stride: int) -> Iterator[Window]:
    """The windows of a document with ``tokens`` scored tokens: together they score each exactly once."""
    done = 0
    for begin in range(0, tokens, stride):
        end = min(begin + window, tokens)
        yield Window(document, begin, end, end - done)
        done = end
        if end == tokens:
            return


def _divide(windows: Iterable[Window], most: int) -> Iterator[Window]:
    """Windows with at most ``most`` scored tokens: a causal model gives the same when the later inputs are cut off."""
    for window in windows:
        for end in range(window.end - window.scored + most, window.end, most):
            yield Window(window.document, window.begin, end, most)
        rest = window.scored % most or min(most, window.scored)
        yield Window(window.document, window.begin, window.end, rest)


def _batches(windows: list[Window], *, rows: int, positions: int) -> Iterator[list[Window]]:
    """Windows of like shape together, so that little is padded; at most ``positions`` logit vectors a batch."""
    batch: list[Window] = []
    for window in sorted(windows, key=lambda w: (-w.scored, -w.length, w.document, w.begin)):
        if batch and (len(batch) == rows or (len(batch) + 1) * _kept([*batch, window]) > positions):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def _kept(batch: Sequence[Window]) -> int:
    """Positions, from the right end of the padded rows, that hold all the scored ones."""
    return max(w.length for w in batch) - min(w.length - w.scored for w in batch)


def _forward(model: PreTrainedModel, documents: Sequence[Document], batch: Sequence[Window]) -> list[float]:
    """Sum of -log p over the scored tokens of each window, in float64."""
    width, kept = max(w.length for w in batch), _kept(batch)
    inputs = torch.zeros(len(batch), width, dtype=torch.long)  # any id will do as padding: it is masked and comes last
    mask = torch.zeros(len(batch), width, dtype=torch.long)
    targets = torch.full((len(batch), width), IGNORED)
    for row, w in enumerate(batch):
        ids = torch.from_numpy(documents[w.document].ids[w.begin : w.end + 1])
        inputs[row, : w.length] = ids[:-1]
        mask[row, : w.length] = 1
        targets[row, w.length - w.scored : w.length] = ids[1:][w.length - w.scored :]
    with torch.inference_mode():
        logits = model(
            input_ids=inputs.to(model.device),
            attention_mask=mask.to(model.device),
            use_cache=False,
            logits_to_keep=kept,
        ).logits[:, -kept:]
        wanted = targets[:, -kept:].to(logits.device)
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(), wanted.flatten(), ignore_index=IGNORED, reduction="none"
        ).view(wanted.shape)
    sums: list[float] = losses.cpu().double().sum(1).tolist()
    return sums


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _shown(batches: list[list[Window]], progress: bool) -> Iterable[list[Window]]:
    from rich.console import Console
    from rich.progress import track

    return track(batches, "scoring held-out text", console=Console(stderr=True), disable=not progress)
