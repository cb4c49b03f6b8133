"""The loss on held-out rows during training: the same rows every time, each token counted once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

    from pretraining.batching.loader import Samples


class HeldOut:
    """Mean loss (nats per target) over the first ``rows`` packed held-out rows, summed over ranks.

    Args:
        samples: the held-out rows, not shuffled.
        bytes_per_token: of the held-out text, to give bits per byte.
    """

    def __init__(
        self, samples: Samples, collator: Any, *, rows: int, micro_batch_size: int, bytes_per_token: float
    ) -> None:
        self._samples, self._collator = samples, collator
        self._rows, self._micro = min(rows, samples.size), micro_batch_size
        self._bytes_per_token = bytes_per_token

    @torch.no_grad()
    def measure(self, accelerator: Accelerator, module: torch.nn.Module) -> dict[str, float]:
        """``held_out_loss`` and ``held_out_bits_per_byte``.

        Every rank makes the same number of forward passes, because sharded modes communicate in each; a rank
        that has no rows left computes on the first ones and counts nothing.
        """
        module.eval()
        sums = torch.zeros(2, dtype=torch.float64)
        per_rank = self._micro * accelerator.num_processes
        for first in range(0, self._rows, per_rank):
            mine = range(first + accelerator.process_index * self._micro, self._rows)[: self._micro]
            batch = self._collator(self._samples.__getitems__(list(mine) or [0]))
            loss = module(**{key: value.to(accelerator.device) for key, value in batch.items()})
            if mine:
                sums += torch.tensor([float(loss), int((batch["labels"][:, 1:] != -100).sum())], dtype=torch.float64)
        module.train()
        total, targets = accelerator.reduce(sums.to(accelerator.device), "sum").tolist()
        loss = total / max(1.0, targets)
        return {"held_out_loss": loss, "held_out_bits_per_byte": loss / math.log(2) / self._bytes_per_token}
