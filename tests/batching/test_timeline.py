from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.batching.config import BatchesSection, StageSection
from pretraining.batching.timeline import BatchSize, Leg, Timeline, make_timeline
from pretraining.errors import DataError
from pretraining.section import Duration


def stage(name: str, length: int | None = None, **duration: Any) -> StageSection:
    return StageSection(name=name, duration=Duration(**duration), sequence_length=length)


def test_the_pictured_example() -> None:
    batches = BatchesSection(sequence_length=4, stages=[stage("a", tokens=80), stage("b", 8, tokens=48)])
    timeline = make_timeline(batches, BatchSize(8, 24, 64), None)
    assert timeline.stage_names == ("a", "b")
    assert timeline.legs == (
        Leg(0, 0, 4, 0, 0, 2, 4),
        Leg(0, 4, 2, 8, 32, 4, 4),
        Leg(0, 6, 1, 16, 64, 6, 4),
        Leg(1, 7, 2, 22, 88, 3, 8),
    )
    assert (timeline.steps, timeline.samples, timeline.tokens) == (9, 28, 136)
    assert [len(timeline.samples_of(step)) for step in range(9)] == [2, 2, 2, 2, 4, 4, 6, 3, 3]
    assert (timeline.stage_samples(0), timeline.stage_samples(1)) == (range(22), range(22, 28))
    assert (timeline.steps_for(64), timeline.steps_for(65), timeline.steps_for(136 + 25)) == (6, 7, 11)


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Timeline, BatchesSection, BatchSize]:
    """Stages of lengths that divide the first batch, and a ramp that ends somewhere, or never."""
    lengths = draw(st.lists(st.sampled_from([2, 4, 6, 12]), min_size=1, max_size=4))
    start = 12 * draw(st.integers(1, 3))
    batch = BatchSize(start, start * draw(st.integers(1, 9)), draw(st.integers(0, 2000)))
    amounts = draw(st.lists(st.integers(1, 700), min_size=len(lengths), max_size=len(lengths)))
    units = draw(st.lists(st.sampled_from(["tokens", "steps"]), min_size=len(lengths), max_size=len(lengths)))
    stages = [
        stage(f"s{n}", length, **{unit: amount})
        for n, (length, amount, unit) in enumerate(zip(lengths, amounts, units, strict=True))
    ]
    batches = BatchesSection(sequence_length=2, stages=stages)
    return make_timeline(batches, batch, None), batches, batch


@settings(max_examples=40)
@given(timelines())
def test_steps_partition_the_samples_and_the_legs_leave_no_gap(drawn: tuple[Timeline, Any, Any]) -> None:
    timeline, _, _ = drawn
    for before, after in itertools.pairwise(timeline.legs):
        assert after.first_step == before.first_step + before.steps
        assert after.first_sample == before.first_sample + before.steps * before.batch_samples
        assert after.first_token == before.first_token + before.steps * before.batch_tokens
    end = 0
    for step in range(timeline.steps):
        samples = timeline.samples_of(step)
        assert samples.start == end == timeline.samples_before(step) and len(samples) > 0
        assert timeline.step_of(samples[0]) == timeline.step_of(samples[-1]) == step
        end = samples.stop
    assert end == timeline.samples
    stages = [timeline.stage_samples(number) for number in range(len(timeline.stage_names))]
    assert [index for samples in stages for index in (samples.start, samples.stop)] == [
        0,
        *itertools.chain(*((samples.stop, samples.stop) for samples in stages)),
    ][:-1]


@settings(max_examples=40)
@given(timelines())
def test_the_batch_is_a_multiple_of_the_first_and_linear_in_the_tokens(drawn: tuple[Timeline, Any, Any]) -> None:
    timeline, _, batch = drawn
    for step in range(timeline.steps):
        seen, size = timeline.tokens_before(step), timeline.leg(step).batch_tokens
        grown = min(1, seen / batch.over_tokens) if batch.over_tokens else 1
        straight = batch.start + (batch.end - batch.start) * grown
        assert size % batch.start == 0 and straight - batch.start < size + 1e-6 and size <= straight + 1e-6


@settings(max_examples=40)
@given(timelines())
def test_steps_for_is_the_inverse_of_tokens_before(drawn: tuple[Timeline, Any, Any]) -> None:
    timeline, _, _ = drawn
    for step in range(timeline.steps + 1):
        tokens = timeline.tokens_before(step)
        assert timeline.steps_for(tokens) == step
        assert timeline.steps_for(tokens + 1) == step + 1


@settings(max_examples=40)
@given(timelines())
def test_a_stage_lasts_as_long_as_it_says_and_less_than_a_step_more(drawn: tuple[Timeline, Any, Any]) -> None:
    timeline, batches, _ = drawn
    for number, section in enumerate(batches.stages):
        legs = [leg for leg in timeline.legs if leg.stage == number]
        if section.duration.unit == "steps":
            assert sum(leg.steps for leg in legs) == section.duration.steps
        else:
            tokens = sum(leg.steps * leg.batch_tokens for leg in legs)
            assert tokens - legs[-1].batch_tokens < section.duration.tokens <= tokens


def test_a_long_run_is_a_few_legs() -> None:
    """GPT-3: 32k to 3.2M tokens over 12 billion, 300 billion in all; and a million steps of one size."""
    ramp = BatchSize(32_768, 3_276_800, 12_000_000_000)
    timeline = make_timeline(BatchesSection(), ramp, Duration(tokens=300_000_000_000))
    in_ramp = sum(ramp.over_tokens / 99 / (level * ramp.start) for level in range(1, 100))
    after = (300_000_000_000 - ramp.over_tokens) / ramp.end
    assert len(timeline.legs) == 100 and 0 <= timeline.steps - (in_ramp + after) < 10
    assert timeline.step_of(timeline.samples - 1) == timeline.steps - 1
    constant = make_timeline(BatchesSection(), BatchSize(2048, 2048), Duration(steps=1_000_000))
    assert constant.legs == (Leg(0, 0, 1_000_000, 0, 0, 2, 1024),)


@pytest.mark.parametrize(
    ("duration", "known", "steps"),
    [
        ({"steps": 7}, {}, 7),
        ({"tokens": 2049}, {}, 2),
        ({"epochs": 1.5}, {"epoch_tokens": 10_000}, 8),
        ({"tokens_per_parameter": 20}, {"parameters": 1000}, 10),
    ],
)
def test_durations(duration: dict[str, Any], known: dict[str, int], steps: int) -> None:
    lasts = Duration(**duration)
    assert make_timeline(BatchesSection(), BatchSize(2048, 2048), lasts, **known).steps == steps


def test_what_cannot_be_a_timeline_is_said() -> None:
    batches, batch = BatchesSection(), BatchSize(2048, 2048)
    with pytest.raises(ValueError, match="2 hours cannot be turned into steps"):
        make_timeline(batches, batch, Duration(hours=2))
    with pytest.raises(ValueError, match="1 epochs cannot"):
        make_timeline(batches, batch, Duration(epochs=1))
    with pytest.raises(DataError, match=r"training\.duration or batches\.stages"):
        make_timeline(batches, batch, None)
    with pytest.raises(DataError, match="from 2,048 to 5,000, which is no whole multiple"):
        BatchSize(2048, 5000, 10_000)
    with pytest.raises(DataError, match="stage long: a batch of 2,048 tokens does not divide into samples of 4,096"):
        make_timeline(BatchesSection(stages=[stage("long", 4096, steps=2)]), batch, None)
    with pytest.raises(DataError, match="stage a lasts 0 steps"):
        make_timeline(BatchesSection(stages=[stage("a", steps=0)]), batch, None)
    with pytest.raises(IndexError, match="step 3 of a run of 3 steps"):
        make_timeline(batches, batch, Duration(steps=3)).leg(3)


def test_a_stage_may_need_a_batch_that_the_ramp_has_reached() -> None:
    """Rows of 4096 do not divide the first batch; when their stage begins, the batch is large enough."""
    stages = [stage("short", tokens=8192), stage("long", 4096, tokens=8192)]
    timeline = make_timeline(BatchesSection(stages=stages), BatchSize(1024, 4096, 4096), None)
    assert [leg.batch_samples for leg in timeline.legs if leg.stage == 1] == [1]
