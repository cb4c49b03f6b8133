"""When: which step takes which samples, through stages and a growing batch. All of it is arithmetic on a few legs.

A leg is a run of steps with one batch size inside one stage. With ``batch_tokens: {from: 8, to: 24, over: 64}`` and
a stage of 80 tokens with rows of 4, then one of 48 with rows of 8::

    step       0  1  2  3  4   5   6   | 7   8         a stage ends with a whole step
    tokens     0  8  16 24 32  48  64  | 88  112 136
    batch      8  8  8  8  16  16  24  | 24  24        multiples of `from`, linear in the tokens
    samples    2  2  2  2  4   4   6   | 3   3
    legs       0 ......... 1 ..... 2 . | 3 .....
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from pretraining.batching.config import BatchesSection
from pretraining.errors import DataError
from pretraining.section import Duration

WHOLE_RUN = "all"
"""Name of the one stage of a recipe without ``batches.stages``."""


@dataclass(frozen=True)
class BatchSize:
    """Tokens of a global batch: ``start``, rising to ``end`` over the first ``over_tokens`` tokens of the run.

    It rises in whole multiples of ``start``, linearly in the tokens seen (GPT-3, Brown et al. 2020, appendix B):
    ranks and micro-batches that divide the first batch divide every later one. ``start == end`` is a constant batch.
    """

    start: int
    end: int
    over_tokens: int = 0

    def __post_init__(self) -> None:
        if self.start < 1 or self.end % self.start or self.end < self.start:
            raise DataError(
                f"training.batch_tokens grows from {self.start:,} to {self.end:,}, which is no whole multiple of it; "
                "make `to` a multiple of `from`"
            )

    def at(self, tokens: int) -> int:
        """Tokens of the batch that starts when ``tokens`` have been seen."""
        levels = self.end // self.start
        return self.end if tokens >= self.over_tokens else self.start * (1 + (levels - 1) * tokens // self.over_tokens)

    def grows_at(self, tokens: int) -> int | None:
        """The number of tokens at which the batch is next larger than at ``tokens``; None when it stays."""
        size = self.at(tokens)
        if size == self.end:
            return None
        levels = self.end // self.start
        return -(-(size // self.start) * self.over_tokens // (levels - 1))


@dataclass(frozen=True)
class Leg:
    """``steps`` steps from ``first_step`` on, each of ``batch_samples`` samples of ``sequence_length`` tokens.

    ``first_sample`` and ``first_token`` are how many samples and tokens the run has seen before.
    """

    stage: int
    first_step: int
    steps: int
    first_sample: int
    first_token: int
    batch_samples: int
    sequence_length: int

    @property
    def batch_tokens(self) -> int:
        """Tokens of one step."""
        return self.batch_samples * self.sequence_length


@dataclass(frozen=True)
class Timeline:
    """The legs of a run in their order, without gaps. Steps, samples and tokens all count from 0.

    Tokens are places of rows: samples times the sequence length of their stage, padding included.
    """

    legs: tuple[Leg, ...]
    stage_names: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.legs[-1].first_step + self.legs[-1].steps

    @property
    def samples(self) -> int:
        """Samples of the whole run."""
        return self.samples_before(self.steps)

    @property
    def tokens(self) -> int:
        """Tokens of the whole run."""
        return self.tokens_before(self.steps)

    def leg(self, step: int) -> Leg:
        """The leg of a step.

        Raises:
            IndexError: the run has no such step.
        """
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of a run of {self.steps} steps")
        return self._leg_before(step)

    def _leg_before(self, step: int) -> Leg:
        """The leg of a step; the last one for the end of the run."""
        return self.legs[bisect_right(self.legs, step, key=lambda leg: leg.first_step) - 1]

    def samples_before(self, step: int) -> int:
        """Samples seen when ``step`` steps are done."""
        leg = self._leg_before(step)
        return leg.first_sample + (step - leg.first_step) * leg.batch_samples

    def tokens_before(self, step: int) -> int:
        """Tokens seen when ``step`` steps are done."""
        leg = self._leg_before(step)
        return leg.first_token + (step - leg.first_step) * leg.batch_tokens

    def samples_of(self, step: int) -> range:
        """The global sample indices of a step."""
        first = self.samples_before(step)
        return range(first, first + self.leg(step).batch_samples)

    def step_of(self, sample: int) -> int:
        """The step that takes the sample at a global index: the inverse of ``samples_of``."""
        leg = self.legs[bisect_right(self.legs, sample, key=lambda leg: leg.first_sample) - 1]
        return leg.first_step + (sample - leg.first_sample) // leg.batch_samples

    def steps_for(self, tokens: int) -> int:
        """The fewest steps that take at least ``tokens``; beyond the end of the run at the pace of its last step."""
        if tokens <= 0:
            return 0
        leg = self.legs[bisect_left(self.legs, tokens, key=lambda leg: leg.first_token) - 1]
        return leg.first_step - (leg.first_token - tokens) // leg.batch_tokens

    def stage_samples(self, stage: int) -> range:
        """The global sample indices of a stage."""
        legs = [leg for leg in self.legs if leg.stage == stage]
        last = legs[-1]
        return range(legs[0].first_sample, last.first_sample + last.steps * last.batch_samples)


def make_timeline(
    batches: BatchesSection,
    batch: BatchSize,
    duration: Duration | None,
    *,
    epoch_tokens: int | None = None,
    parameters: int | None = None,
) -> Timeline:
    """The timeline of a run: its stages one after the other, or one stage of ``duration`` when there are none.

    Args:
        batch: the batch of the whole run; a ramp goes on across stages.
        duration: length of a run without stages; a run with stages lasts as long as they do.
        epoch_tokens: places of one pass over the packed rows; needed for a duration in epochs.
        parameters: parameters of the model; needed for a duration in tokens per parameter.

    Raises:
        DataError: there is no duration, a stage has no steps, or its sequence length does not divide a batch.
        ValueError: a duration cannot be turned into steps (hours, or what its unit needs is not given).
    """
    stages = [(s.name, s.sequence_length or batches.sequence_length, s.duration) for s in batches.stages]
    if not stages:
        if duration is None:
            raise DataError("nothing says how long to train; give training.duration or batches.stages")
        stages = [(WHOLE_RUN, batches.sequence_length, duration)]
    legs: list[Leg] = []
    for number, (name, length, lasts) in enumerate(stages):
        amount = lasts.in_steps(step_tokens=1, epoch_tokens=epoch_tokens, parameters=parameters)
        if amount < 1:
            raise DataError(f"stage {name} lasts {lasts}, so the model would not be trained in it; give it more")
        end = _end(legs)
        goal = end[0] + amount if lasts.unit == "steps" else end[2] + amount
        legs += _stage_legs(batch, number, length, name, goal, by_steps=lasts.unit == "steps", start=end)
    return Timeline(tuple(legs), tuple(name for name, _, _ in stages))


def _end(legs: list[Leg]) -> tuple[int, int, int]:
    """(steps, samples, tokens) done at the end of the legs."""
    if not legs:
        return 0, 0, 0
    last = legs[-1]
    return (
        last.first_step + last.steps,
        last.first_sample + last.steps * last.batch_samples,
        last.first_token + last.steps * last.batch_tokens,
    )


def _stage_legs(
    batch: BatchSize, stage: int, length: int, name: str, goal: int, *, by_steps: bool, start: tuple[int, int, int]
) -> Iterator[Leg]:
    """The legs of one stage from ``start``, as (steps, samples, tokens) done, until ``goal`` steps or tokens are."""
    step, sample, token = start
    while (step if by_steps else token) < goal:
        size = batch.at(token)
        if size % length:
            raise DataError(
                f"stage {name}: a batch of {size:,} tokens does not divide into samples of {length:,} tokens; "
                f"make training.batch_tokens a multiple of {length:,}"
            )
        steps = goal - step if by_steps else -(-(goal - token) // size)
        grows = batch.grows_at(token)
        if grows is not None:
            steps = min(steps, -(-(grows - token) // size))
        yield Leg(stage, step, steps, sample, token, size // length, length)
        step, sample, token = step + steps, sample + steps * (size // length), token + steps * size
