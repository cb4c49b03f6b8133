"""Dealing slots to streams in fixed shares, without a table and without chance.

A chain of splits: of ``n`` slots the first stream has ``round(share * n)``, the second its share of the rest, and so
on. So every stream is due at fixed slots, and how many slots it had before any slot is arithmetic::

    shares      a 0.5, b 0.3, c 0.2
    slots       0 1 2 3 4 5 6 7 8 9
    a           * . * . * . * . * .     round(0.5 n)
    the rest      0   1   2   3   4
    b             .   *   *   .   *     round(0.6 n) of the rest
    c             *   .   .   *   .

All numbers are integers of at most 64 bits: nothing depends on how a machine rounds, and no error grows with the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pretraining.batching.order import Integers

_ONE, _HALF = 1 << 32, 1 << 31  # fractions are whole numbers of 2^-32


class Deal:
    """Slots ``0, 1, 2, ...`` dealt to streams ``0 .. len(shares) - 1``.

    Args:
        shares: of each stream; they sum to 1, some may be 0.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        tails = [sum(shares[number:]) for number in range(len(shares))]
        # of what the streams before it leave; the last one has all of that
        self._fractions = [round(_ONE * share / tail) if tail else 0 for share, tail in zip(shares, tails, strict=True)]

    def counts(self, slots: int) -> list[int]:
        """How many of the first ``slots`` slots each stream has."""
        counts = []
        for fraction in self._fractions:
            counts.append(_taken(slots, fraction))
            slots -= counts[-1]
        return counts

    def streams(self, slots: Integers) -> Integers:
        """The stream of each slot."""
        rest, free = slots.astype(np.uint64), np.ones(slots.shape, np.bool_)
        streams = np.zeros(slots.shape, np.int64)
        for number, fraction in enumerate(self._fractions):
            before = _taken(rest, fraction)
            mine = free & (_taken(rest + np.uint64(1), fraction) > before)
            streams[mine] = number
            free, rest = free & ~mine, rest - before
        return streams

    def slot_of(self, stream: int, turn: int) -> int:
        """The slot at which a stream has its turn number ``turn``, from 0."""
        # the first n with round(fraction * n) == turn + 1 is one after the slot
        slot = -(-(turn * _ONE + _HALF) // self._fractions[stream]) - 1
        for fraction in reversed(self._fractions[:stream]):
            slot = (slot * _ONE + _HALF) // (_ONE - fraction)  # likewise, of what the fraction leaves
        return slot


def _taken(slots: Any, fraction: int) -> Any:
    """``round(fraction * slots)``, exactly, for a number or an array of numbers below 2^63."""
    return (slots >> 32) * fraction + (((slots & (_ONE - 1)) * fraction + _HALF) >> 32)
