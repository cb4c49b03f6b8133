"""Which stream, and which draw of it, is at a global sample index.

The run is cut into segments, in each of which the sources have fixed shares: the stages, and the parts of a stage
between two decisions of an adaptive mixture. Draws are counted on from one segment to the next: no source is begun
anew, and the first epoch of a stream is over before its second begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.batching.config import BatchesSection
from pretraining.batching.mixture import normalised, row_shares, token_shares
from pretraining.batching.order import Integers
from pretraining.batching.plan import Plan
from pretraining.batching.segment import BLOCK, Segment
from pretraining.batching.supply import mixture_of
from pretraining.batching.timeline import Timeline

_KEPT = 16  # blocks that are kept, as neighbouring micro-batches ask for the same


class Schedule:
    """The segments of a run, one after the other from sample 0 on."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = tuple(segments)
        self._first = np.array([segment.first_sample for segment in self.segments], np.int64)
        self._kept: dict[tuple[int, int], tuple[Integers, Integers]] = {}
        self._of_stream: dict[int, list[tuple[int, int, int]]] = {}
        """For each stream its segments, as (drawn before, number of the segment, number of the stream in it)."""
        for number, segment in enumerate(self.segments):
            for inside, (stream, drawn) in enumerate(zip(segment.streams, segment.drawn, strict=True)):
                self._of_stream.setdefault(stream, []).append((drawn, number, inside))

    @property
    def samples(self) -> int:
        """Samples of the run."""
        return self.segments[-1].first_sample + self.segments[-1].samples

    @property
    def drawn(self) -> dict[int, int]:
        """How often each stream is drawn in the run."""
        last = {stream: parts[-1] for stream, parts in self._of_stream.items()}
        return {stream: drawn + self.segments[n].counts[inside] for stream, (drawn, n, inside) in last.items()}

    def segments_of(self, indices: npt.ArrayLike) -> Integers:
        """The number of the segment of each global sample index ``(n,)``.

        Raises:
            IndexError: the run has no such sample.
        """
        index = np.asarray(indices, np.int64)
        if index.size and not 0 <= index.min() <= index.max() < self.samples:
            raise IndexError(f"samples {index.min()} .. {index.max()} of a run of {self.samples}")
        return np.searchsorted(self._first, index, side="right") - 1

    def draws(self, indices: npt.ArrayLike) -> tuple[Integers, Integers]:
        """(stream, draw) of each global sample index ``(n,)``: it is sample number ``draw`` of that stream in the run.

        Raises:
            IndexError: the run has no such sample.
        """
        numbers = self.segments_of(indices)
        inside = np.asarray(indices, np.int64) - self._first[numbers]
        blocks = inside // BLOCK
        streams, draws = np.empty_like(inside), np.empty_like(inside)
        for number, block in set(zip(numbers.tolist(), blocks.tolist(), strict=True)):
            segment, where = self.segments[number], np.flatnonzero((numbers == number) & (blocks == block))
            if len(segment.streams) == 1:
                streams[where], draws[where] = segment.streams[0], segment.drawn[0] + inside[where]
            else:
                of_block = self._block(number, block * BLOCK)
                streams[where], draws[where] = (each[inside[where] - block * BLOCK] for each in of_block)
        return streams, draws

    def _block(self, number: int, begin: int) -> tuple[Integers, Integers]:
        if (number, begin) not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[number, begin] = self.segments[number].block(begin)
        return self._kept[number, begin]

    def index_of(self, stream: int, draw: int) -> int | None:
        """The global sample index of a draw of a stream; None when the run ends before it."""
        parts = self._of_stream.get(stream, [])
        found = bisect_right(parts, draw, key=lambda part: part[0]) - 1
        if found < 0:
            return None
        drawn, number, inside = parts[found]
        segment = self.segments[number]
        if draw - drawn >= segment.counts[inside]:
            return None
        if len(segment.streams) == 1:
            return segment.first_sample + draw - drawn
        begin = segment.block_of(inside, draw)
        streams, draws = self._block(number, begin)
        return segment.first_sample + begin + int(np.flatnonzero((streams == stream) & (draws == draw))[0])


def make_schedule(
    batches: BatchesSection, timeline: Timeline, plan: Plan, *, decisions: Sequence[Mapping[str, Any]] = ()
) -> Schedule:
    """The schedule of a run.

    Args:
        decisions: of an adaptive mixture, each ``{"step": int, "weights": {source: float}}`` and more: the shares, in
            tokens, from that step on. They hold for the stages that have the same mixture.

    Raises:
        DataError: the plan was made for other stages, or a decision is no mixture.
    """
    segments: list[Segment] = []
    drawn: dict[int, int] = {}
    for stage, samples, weights in _parts(batches, timeline, _source_tokens(plan), decisions):
        shares = _stream_shares(plan, stage, weights)
        streams = tuple(sorted(shares))
        segment = Segment(
            first_sample=samples.start,
            samples=len(samples),
            streams=streams,
            shares=tuple(shares[stream] for stream in streams),
            drawn=tuple(drawn.get(stream, 0) for stream in streams),
            stage=stage,
            stage_end=timeline.stage_samples(stage).stop,
            weights=weights,
        )
        for stream, before, count in zip(streams, segment.drawn, segment.counts, strict=True):
            drawn[stream] = before + count
        segments.append(segment)
    return Schedule(segments)


def _source_tokens(plan: Plan) -> dict[str, int]:
    """Tokens of each source; every stream of a source holds all of them."""
    return {stream.source: stream.tokens for stream in plan.streams if stream.source is not None}


def _parts(
    batches: BatchesSection, timeline: Timeline, tokens: Mapping[str, int], decisions: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, range, dict[str, float]]]:
    """(stage, its samples, shares of the sources in tokens) of every part of the run with the same shares."""
    current: dict[int, dict[str, float]] = {}  # stages without a mixture of their own share one, and what it became
    for stage in range(len(timeline.stage_names)):
        samples, mixture = timeline.stage_samples(stage), mixture_of(batches, stage)
        if mixture is None:
            yield stage, samples, {}
            continue
        owner = -1 if mixture is batches.mixture else stage
        if owner not in current:
            current[owner] = token_shares(mixture, tokens)
        first = samples.start
        for decision in sorted(decisions, key=lambda each: int(each["step"])):
            at = timeline.samples_before(decision["step"])
            if at in samples:
                if at > first:
                    yield stage, range(first, at), current[owner]
                first, current[owner] = at, normalised(decision["weights"])
        yield stage, range(first, samples.stop), current[owner]


def _stream_shares(plan: Plan, stage: int, weights: Mapping[str, float]) -> dict[int, float]:
    """The share of each stream in the rows of a part."""
    length, row_length = plan.lengths_of(stage)
    if not weights:
        return {plan.stream_of(None, length, row_length): 1.0}
    numbers = {source: plan.stream_of(source, length, row_length) for source in weights}
    means = {source: plan.streams[n].tokens / plan.streams[n].samples for source, n in numbers.items()}
    return {numbers[source]: share for source, share in row_shares(weights, means).items()}
