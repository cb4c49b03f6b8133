"""The loss: the sum over targets of the negative log-likelihood, in nats.

The loop divides it by the number of targets of the *global* batch, whatever the model's own head would do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from pretraining.modeling.heads import transform, vocabulary

IGNORED = -100
DENSE = 0.5
"""Above this share of targets all positions go through the head: picking them out would cost more than it saves."""
LOGITS = 2**22
"""Logits that are held at once where the loss is not fused."""


@dataclass(frozen=True)
class LossOptions:
    """What is added to the likelihood of a language model.

    ``z_loss`` times ``log(Z) ** 2`` keeps the logits from drifting (PaLM, Chowdhery et al. 2022, section 5);
    ``label_smoothing`` gives that share of a target to all tokens alike (Szegedy et al. 2016).
    """

    z_loss: float = 0.0
    label_smoothing: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether there is nothing but the likelihood, so that the fused loss will do."""
        return not self.z_loss and not self.label_smoothing


def token_nll(model: Any, states: Tensor, targets: Tensor, options: LossOptions) -> Tensor:
    """The summed loss of the targets, without the logits of positions that have none.

    Args:
        states: last hidden states ``(B, S, width)``.
        targets: int64 ``(B, S)`` beside the positions that predict them, -100 is ignored.
    """
    states, targets = states.reshape(-1, states.shape[-1]), targets.reshape(-1)
    kept = targets != IGNORED
    if int(kept.sum()) < DENSE * len(targets):
        states, targets = states[kept], targets[kept]
    weight, bias = vocabulary(model)
    return vocabulary_nll(transform(model, states), weight, bias, targets, options)


def vocabulary_nll(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, options: LossOptions
) -> Tensor:
    """The summed loss of targets ``(n,)`` from states ``(n, width)`` that the vocabulary matrix takes as they are.

    Without any target it is 0, and every parameter still gets a gradient, which DDP waits for.
    """
    if not len(targets):
        return F.linear(states, weight, bias).sum().float()
    if options.plain:
        return linear_nll(states, weight, bias, targets)
    rows = max(1, LOGITS // len(weight))
    total = torch.zeros((), device=states.device)
    for part, wanted in zip(torch.split(states, rows), torch.split(targets, rows), strict=True):
        total = total + checkpoint(_part_nll, part, weight, bias, wanted, options, use_reentrant=False)
    return total


def _part_nll(states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, options: LossOptions) -> Tensor:
    return logits_nll(F.linear(states, weight.to(states.dtype), bias), targets, options)


def logits_nll(logits: Tensor, targets: Tensor, options: LossOptions) -> Tensor:
    """The summed loss from logits ``(..., vocabulary)`` and targets of the same leading shape."""
    flat, wanted = logits.reshape(-1, logits.shape[-1]).float(), targets.reshape(-1)
    loss = F.cross_entropy(flat, wanted, ignore_index=IGNORED, reduction="sum", label_smoothing=options.label_smoothing)
    if options.z_loss:
        loss = loss + options.z_loss * (flat.logsumexp(-1).square() * (wanted != IGNORED)).sum()
    return loss


def linear_nll(hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """Summed cross entropy of ``hidden @ weight.T + bias`` against ``targets``, in chunks.

    Args:
        hidden: ``(n, width)``.
        weight: ``(vocabulary, width)``.
        targets: int64 ``(n,)``, -100 is ignored.
    """
    options = nn.LinearCrossEntropyOptions(
        chunking_method=None, batch_chunk_size=chunk_rows(len(hidden), hidden.shape[-1], len(weight))
    )
    kind = hidden.device.type
    # Residual streams stay in float32 under autocast; the product with the vocabulary, the largest of all, must not.
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    hidden = hidden.to(dtype)
    with torch.autocast(kind, enabled=False):
        if dtype == torch.float32:
            return F.linear_cross_entropy(
                hidden, weight, targets, linear_bias=bias, ignore_index=IGNORED, reduction="sum", options=options
            )
        # In bfloat16 the sum itself would be rounded to three digits; the terms are rounded one by one instead,
        # without bias, and added in float32.
        nll = F.linear_cross_entropy(
            hidden,
            weight.to(dtype),
            targets,
            linear_bias=None if bias is None else bias.to(dtype),
            ignore_index=IGNORED,
            reduction="none",
            options=options,
        )
    return nll.float().sum()


def chunk_rows(rows: int, width: int, vocabulary: int) -> int:
    """Rows of one chunk of the fused loss: torch's own rule, but at least 128.

    torch takes half the power of two at which the logits of a chunk are as large as the input. For a narrow model
    that is 32 rows, and every chunk adds to the whole weight gradient: 2048 x 128 -> 4096 took 144 ms of CPU time
    so, and 83 ms with chunks of 128.
    """
    ratio = -(-vocabulary // width)
    return max(128, (1 << (-(-rows // ratio) - 1).bit_length()) // 2)
