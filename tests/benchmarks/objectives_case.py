"""What a benchmark of an objective is; each ``objectives_<group>.py`` has a list ``CASES`` of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Our collator and a reference on the same samples; each is called without arguments and makes one batch."""

    name: str
    ours: Callable[[], object]
    reference: Callable[[], object]
    tokens: int
    """Raw tokens of a batch."""
