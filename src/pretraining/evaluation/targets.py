"""The targets of a batch as the model scores them: the same for every head, and never all logits at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from pretraining.modeling.families import Batch, hidden_states, own_logits
from pretraining.modeling.heads import logits
from pretraining.modeling.loss import IGNORED
from pretraining.modeling.pretraining_model import aligned_labels, fuses
from pretraining.objectives.vocabulary import Vocabulary
from pretraining.tokenization.round_trip import byte_strings

Integers = npt.NDArray[np.int64]

LOGIT_BYTES = 2**27
"""Most bytes of the float32 logits that are held at once, where the model's head can be taken apart."""


class Scorer:
    """``scorer(batch)`` gives the logits of a batch's targets, a part at a time.

    Args:
        model: a transformers model with a head over the vocabulary, in evaluation mode, on its device.
        fused: whether its logits are ``modeling.heads.logits`` of its last hidden states; measured when left out.
    """

    def __init__(self, model: Any, *, fused: bool | None = None) -> None:
        self.model = model
        self._fused = fuses(model) if fused is None else fused
        self._most = max(1, LOGIT_BYTES // (4 * int(model.config.get_text_config().vocab_size)))

    def __call__(self, batch: Batch, states: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Targets int64 ``(n,)`` and their float32 logits ``(n, vocabulary)``, in the order of the places.

        Args:
            states: the last hidden states of the batch, where they are known already.
        """
        wanted = aligned_labels(self.model, batch)
        kept = wanted != IGNORED
        if not self._fused:
            yield wanted[kept], own_logits(self.model, batch)[kept].float()
            return
        states = hidden_states(self.model, batch) if states is None else states
        parts = zip(torch.split(wanted[kept], self._most), torch.split(states[kept], self._most), strict=True)
        for targets, part in parts:
            yield targets, logits(self.model, part).float()


@dataclass
class Targets:
    """Sums over targets; nll in nats. ``text_nll`` is that of ordinary tokens, which stand for ``text_bytes``."""

    count: int = 0
    nll: float = 0.0
    right: int = 0
    text_nll: float = 0.0
    text_bytes: int = 0

    def add(self, parts: Iterable[tuple[Tensor, Tensor]], token_bytes: Integers | None = None) -> None:
        """Count the targets of a batch, as a ``Scorer`` gives them; their text too where ``token_bytes`` is given."""
        for targets, scores in parts:
            nll = F.cross_entropy(scores, targets, reduction="none").double().cpu().numpy()
            self.count += len(nll)
            self.nll += float(nll.sum())
            self.right += int((scores.argmax(-1) == targets).sum())
            if token_bytes is not None:
                size = token_bytes[targets.cpu().numpy()]
                self.text_nll += float(nll[size > 0].sum())
                self.text_bytes += int(size.sum())

    @property
    def loss(self) -> float:
        """Nats per target; 0 where there is none."""
        return self.nll / max(1, self.count)

    @property
    def accuracy(self) -> float:
        """Share of the targets that are the likeliest; 0 where there is none."""
        return self.right / max(1, self.count)

    @property
    def bits_per_byte(self) -> float:
        """Of the ordinary tokens; infinite where they stand for no text."""
        return self.text_nll / (self.text_bytes * math.log(2)) if self.text_bytes else math.inf


def bytes_of_tokens(tokenizer: Any) -> Integers | None:
    """UTF-8 bytes that each token stands for, int64 (V,), 0 for special ones; None where tokens are no strings of
    bytes (WordPiece), so that some tokens without the others have no defined text."""
    strings = byte_strings(tokenizer)
    if strings is None:
        return None
    special = Vocabulary(tokenizer).special
    lengths = np.array([len(each) for each in strings.table.to_pylist()[: len(special)]], np.int64)
    return np.where(special, 0, lengths)
