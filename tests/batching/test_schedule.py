from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.batching.config import BatchesSection, MixtureSection, StageSection
from pretraining.batching.plan import Plan
from pretraining.batching.schedule import Schedule, make_schedule
from pretraining.batching.segment import Segment
from pretraining.batching.timeline import BatchSize, Timeline, make_timeline
from pretraining.errors import DataError
from pretraining.section import Duration

LLAMA = {"arxiv": 2.5, "books": 4.5, "c4": 15.0, "cc": 67.0, "github": 4.5, "stack": 2.0, "wiki": 4.5}
FILLS = dict(zip(LLAMA, [0.999, 1.0, 0.97, 0.995, 0.8, 0.3, 0.99], strict=True))
MakePlan = Callable[..., Plan]


def timeline_of(batches: BatchesSection, steps: int, samples: int = 4) -> Timeline:
    size = batches.sequence_length * samples
    return make_timeline(batches, BatchSize(size, size), None if batches.stages else Duration(steps=steps))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Segments of any length, each with some of five streams in some shares, some of them zero or nearly."""
    segments: list[Segment] = []
    drawn = dict.fromkeys(range(5), 0)
    first = 0
    for _ in range(draw(st.integers(1, 4))):
        streams = tuple(sorted(draw(st.sets(st.integers(0, 4), min_size=1))))
        weights = [draw(st.one_of(st.floats(1e-12, 1), st.sampled_from([0.0, 0.5, 1.0]))) for _ in streams]
        weights[draw(st.integers(0, len(streams) - 1))] = 1.0
        shares = tuple(weight / math.fsum(weights) for weight in weights)
        size = draw(st.sampled_from([1, 7, 1023, 1024, 1025, 3000]))
        end = first + size + draw(st.sampled_from([0, 1, 2000]))  # beyond the segment: a decision cuts it
        segments.append(Segment(first, size, streams, shares, tuple(drawn[s] for s in streams), 0, end))
        drawn |= {s: drawn[s] + n for s, n in zip(streams, segments[-1].counts, strict=True)}
        first += size
    return Schedule(segments)


@settings(max_examples=40)
@given(schedules(), st.data())
def test_every_stream_is_drawn_in_turn_and_index_of_is_the_inverse(schedule: Schedule, data: st.DataObject) -> None:
    streams, draws = schedule.draws(np.arange(schedule.samples))
    for stream, count in schedule.drawn.items():
        assert sorted(draws[streams == stream].tolist()) == list(range(count))
        assert schedule.index_of(stream, count) is None
    index = data.draw(st.integers(0, schedule.samples - 1))
    assert schedule.index_of(int(streams[index]), int(draws[index])) == index
    alone = schedule.draws([index])
    assert (alone[0][0], alone[1][0]) == (streams[index], draws[index])


@settings(max_examples=40)
@given(schedules())
def test_a_segment_has_its_shares_to_within_a_few_rows(schedule: Schedule) -> None:
    for segment in schedule.segments:
        exact = segment.first_sample + segment.samples == segment.stage_end
        for share, count in zip(segment.shares, segment.counts, strict=True):
            # in a block that a decision cuts: 16 rows are the deviation of 1024 independent draws
            assert abs(count - share * segment.samples) < 0.5 * len(segment.shares) + 0.5 + (0 if exact else 5 * 16)


def test_one_stream_is_drawn_in_its_own_order_for_ever() -> None:
    schedule = Schedule([Segment(0, 10**12, (0,), (1.0,), (0,), 0, 10**12)])
    indices = [0, 5, 1023, 1024, 10**11 + 7, 10**12 - 1]
    streams, draws = schedule.draws(indices)
    assert streams.tolist() == [0] * 6 and draws.tolist() == indices
    assert schedule.index_of(0, 10**11 + 7) == 10**11 + 7
    with pytest.raises(IndexError, match="of a run of 1000000000000"):
        schedule.draws([10**12])


def test_a_long_mixture_is_exact_at_its_end() -> None:
    """No rounding error grows with the run: after 10^12 samples each count is within a few rows of the share."""
    shares = tuple(weight / 100 for weight in LLAMA.values())
    schedule = Schedule([Segment(0, 10**12, tuple(range(7)), shares, (0,) * 7, 0, 10**12)])
    for stream, share in enumerate(shares):
        assert abs(schedule.drawn[stream] - share * 10**12) < 500  # shares are kept to 2^-32
    last = np.arange(10**12 - 3000, 10**12)
    streams, draws = schedule.draws(last)
    assert [schedule.index_of(int(s), int(d)) for s, d in zip(streams, draws, strict=True)] == last.tolist()


def test_the_llama_table_in_tokens(make_stub_plan: MakePlan) -> None:
    """Realised token shares over the run, and in windows of 1,000 samples against what independent draws would do."""
    rows = 100_000
    plan = make_stub_plan([(name, 1024, rows, round(rows * 1024 * FILLS[name])) for name in LLAMA])
    batches = BatchesSection(mixture=MixtureSection(weights=LLAMA))
    schedule = make_schedule(batches, timeline_of(batches, 50_000), plan)
    streams, _ = schedule.draws(np.arange(200_000))
    means = np.array([FILLS[name] * 1024 for name in LLAMA])
    tokens = np.bincount(streams, minlength=7) * means
    asked = np.array(list(LLAMA.values())) / 100
    assert np.abs(tokens / tokens.sum() - asked).max() < 1e-4

    of_rows = asked / means / (asked / means).sum()
    chance = np.sqrt(1000 * of_rows * (1 - of_rows))
    seen = np.stack([np.cumsum(streams == stream) for stream in range(7)])
    windows = seen[:, 1000:] - seen[:, :-1000]
    deviation = np.abs(windows - 1000 * of_rows[:, None]) / chance[:, None]
    assert deviation.max() < 4.5  # of 1.4 million windows
    assert (np.sqrt((deviation**2).mean(axis=1)) < 0.8).all()  # independent draws: 1


def test_neighbours_come_in_no_pattern() -> None:
    schedule = Schedule([Segment(0, 100_000, (0, 1), (0.5, 0.5), (0, 0), 0, 100_000)])
    streams, _ = schedule.draws(np.arange(100_000))
    same = (streams[1:] == streams[:-1]).mean()
    assert abs(same - 0.5) < 0.01


def test_stages_count_the_draws_of_a_stream_on(make_stub_plan: MakePlan) -> None:
    """general -> annealing on code -> long context, with a stream for each (source, length)."""
    stages = [
        StageSection(name="general", duration=Duration(steps=30)),
        StageSection(name="annealing", duration=Duration(steps=20), mixture=MixtureSection(weights={"code": 1.0})),
        StageSection(name="long", duration=Duration(steps=10), sequence_length=16),
    ]
    batches = BatchesSection(
        sequence_length=8, mixture=MixtureSection(weights={"web": 3.0, "code": 1.0}), stages=stages
    )
    plan = make_stub_plan(
        [("code", 8, 50, 400), ("web", 8, 50, 400), ("code", 16, 25, 400), ("web", 16, 25, 400)],
        stages=[(0, 1), (0,), (2, 3)],
    )
    schedule = make_schedule(batches, timeline_of(batches, 0), plan)
    assert [(s.stage, s.first_sample, s.samples, s.streams, s.drawn) for s in schedule.segments] == [
        (0, 0, 120, (0, 1), (0, 0)),
        (1, 120, 80, (0,), (30,)),
        (2, 200, 20, (2, 3), (0, 0)),
    ]
    assert schedule.drawn == {0: 110, 1: 90, 2: 5, 3: 15}
    assert schedule.segments[2].weights == {"web": 0.75, "code": 0.25}
    streams, draws = schedule.draws(np.arange(120, 200))
    assert set(streams.tolist()) == {0} and draws.tolist() == list(range(30, 110))


def test_decisions_hold_from_their_step_on_for_all_stages_with_that_mixture(make_stub_plan: MakePlan) -> None:
    own = MixtureSection(weights={"a": 1.0, "b": 1.0})
    stages = [
        StageSection(name="one", duration=Duration(steps=10)),
        StageSection(name="two", duration=Duration(steps=10), mixture=own),
        StageSection(name="three", duration=Duration(steps=10)),
    ]
    batches = BatchesSection(sequence_length=8, mixture=MixtureSection(weights={"a": 9.0, "b": 1.0}), stages=stages)
    plan = make_stub_plan([("a", 8, 50, 400), ("b", 8, 50, 400)], stages=[(0, 1)] * 3)
    decisions: list[dict[str, Any]] = [
        {"step": 15, "weights": {"b": 0.9, "a": 0.1}},
        {"step": 4, "weights": {"a": 3, "b": 1}, "losses": {"a": 2.0, "b": 3.0}},
        {"step": 20, "weights": {"a": 0.0, "b": 1.0}},
        {"step": 30, "weights": {"a": 1.0, "b": 0.0}},
    ]
    schedule = make_schedule(batches, timeline_of(batches, 0), plan, decisions=decisions)
    assert [(s.first_sample // 4, s.stage, s.shares) for s in schedule.segments] == [
        (0, 0, pytest.approx((0.9, 0.1))),
        (4, 0, (0.75, 0.25)),
        (10, 1, (0.5, 0.5)),
        (15, 1, pytest.approx((0.1, 0.9))),
        (20, 2, (0.0, 1.0)),
    ]
    without_last = make_schedule(batches, timeline_of(batches, 0), plan, decisions=decisions[:2])
    assert without_last.segments[-1].shares == (0.75, 0.25)
    before = np.arange(20 * 4)
    assert np.array_equal(schedule.draws(before), without_last.draws(before))


def test_the_order_in_which_weights_are_written_changes_nothing(make_stub_plan: MakePlan) -> None:
    plan = make_stub_plan([(name, 8, 50, 400) for name in "abc"])
    drawn = []
    for names in ("abc", "cab"):
        batches = BatchesSection(
            sequence_length=8, mixture=MixtureSection(weights={name: float("abc".index(name) + 1) for name in names})
        )
        drawn.append(make_schedule(batches, timeline_of(batches, 100), plan).draws(np.arange(400)))
    assert np.array_equal(*drawn)


def test_a_plan_for_other_stages_is_refused(make_stub_plan: MakePlan) -> None:
    plan = make_stub_plan([("a", 8, 50, 400)])
    batches = BatchesSection(sequence_length=8, mixture=MixtureSection(weights={"a": 1.0, "b": 1.0}))
    with pytest.raises(DataError, match="no rows of 8 tokens of b; run `pretrain tokens` again"):
        make_schedule(batches, timeline_of(batches, 1), plan)


def test_the_order_never_changes_between_versions() -> None:
    """A new release must not mix the data of a run that is under way in another way."""
    schedule = Schedule([Segment(0, 5000, (0, 1, 2), (0.5, 0.3, 0.2), (0, 0, 0), 0, 5000)])
    streams, draws = schedule.draws([0, 1, 2, 3, 1023, 1024, 4095, 4096, 4999])
    assert streams.tolist() == [0, 2, 0, 1, 1, 0, 1, 1, 1]
    assert draws.tolist() == [0, 0, 1, 0, 306, 512, 1228, 1229, 1499]
