"""A run of samples with fixed shares of several streams.

Its samples are dealt to the streams, and the dealing is shuffled in blocks of 1024, so that the sources come in no
pattern; a stream is drawn in turn wherever it comes::

    dealt       a b a b c a b a c a      shares 0.5, 0.3, 0.2
    shuffled    b a a c a b a a b c      within the block
    draws       0 0 1 0 2 1 3 4 2 1      of a, of b, of c

So a segment has its shares to within a row or two, any window of it as chance would have it or closer, and a decision
that ends it changes nothing before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pretraining.batching.deal import Deal
from pretraining.batching.order import Integers, permute

BLOCK = 1024
"""Samples that are shuffled together."""
_PATTERN = 0  # sources come in the same order for every seed; which of their rows they bring, does not


@dataclass(frozen=True)
class Segment:
    """``samples`` samples from ``first_sample`` on, of which stream ``streams[k]`` has the share ``shares[k]``."""

    first_sample: int
    samples: int
    streams: tuple[int, ...]
    shares: tuple[float, ...]
    drawn: tuple[int, ...]
    """How often each stream was drawn before."""
    stage: int
    stage_end: int
    """The global sample index at which the stage ends: the segment itself, if no decision follows."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """The shares of the sources in tokens, from which those of the rows follow; empty without a mixture."""

    @cached_property
    def _deal(self) -> Deal:
        return Deal(self.shares)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """How often each stream is drawn in the segment."""
        if len(self.streams) == 1:
            return (self.samples,)
        begin = (self.samples - 1) // BLOCK * BLOCK
        in_last = np.bincount(self._shuffled(begin)[: self.samples - begin], minlength=len(self.streams))
        return tuple(n + m for n, m in zip(self._deal.counts(begin), in_last.tolist(), strict=True))

    def _shuffled(self, begin: int) -> Integers:
        """The number of the stream at each sample of the block that begins at sample ``begin`` of the segment.

        The last block of a stage is shorter, so that its shares are exact. One that a decision cuts short is shuffled
        as if it went on: what comes before the decision must not depend on it.
        """
        first = self.first_sample + begin
        size = min(BLOCK, self.stage_end - first)
        return self._deal.streams(begin + permute(np.arange(size), first, size=size, seed=_PATTERN))

    def block(self, begin: int) -> tuple[Integers, Integers]:
        """(stream, draw) of the samples of the block that begins at sample ``begin`` of the segment."""
        numbers = self._shuffled(begin)
        draws = np.empty_like(numbers)
        for number, (drawn, before) in enumerate(zip(self.drawn, self._deal.counts(begin), strict=True)):
            mine = np.flatnonzero(numbers == number)
            draws[mine] = drawn + before + np.arange(len(mine))
        return np.array(self.streams)[numbers], draws

    def block_of(self, number: int, draw: int) -> int:
        """Where the block begins in which the stream ``streams[number]`` is drawn for the ``draw``-th time."""
        return self._deal.slot_of(number, draw - self.drawn[number]) // BLOCK * BLOCK
