"""Learning rate schedules: the share of the peak at a step, as plain functions."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def make_schedule(kind: str, *, steps: int, warmup: int, decay: int, min_ratio: float) -> Schedule:
    """The factor on the peak learning rate for the optimizer step ``0 .. steps - 1``.

    Every kind warms up linearly: step ``s < warmup`` has ``(s + 1) / warmup``. After it, with ``p`` going from 0
    (first step after the warm-up) to 1 (last step):

    - ``cosine``: ``min + (1 - min) (1 + cos(pi p)) / 2`` (Loshchilov and Hutter 2017).
    - ``linear``: ``1 - (1 - min) p``.
    - ``constant``: 1.
    - ``inverse_sqrt``: ``sqrt(warmup / (s + 1))`` (Vaswani et al. 2017); a warm-up of 0 counts as 1.
    - ``wsd``: 1 until the last ``decay`` steps, then linear to ``min`` (Hu et al. 2024, arXiv 2404.06395).
    """
    after = max(1, steps - warmup - 1)

    def cosine(step: int) -> float:
        return min_ratio + (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / after)))

    def linear(step: int) -> float:
        return 1 - (1 - min_ratio) * min(1.0, (step - warmup) / after)

    def constant(step: int) -> float:
        return 1.0

    def inverse_sqrt(step: int) -> float:
        return math.sqrt(max(1, warmup) / (step + 1))

    def wsd(step: int) -> float:
        into_decay = step - (steps - decay) + 1
        return 1.0 if into_decay <= 0 else 1 - (1 - min_ratio) * min(1.0, into_decay / max(1, decay))

    shape = {"cosine": cosine, "linear": linear, "constant": constant, "inverse_sqrt": inverse_sqrt, "wsd": wsd}[kind]
    return lambda step: (step + 1) / warmup if step < warmup else shape(step)
