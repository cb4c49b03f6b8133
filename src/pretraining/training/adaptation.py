"""Adaptive mixing in the loop: at its steps the shares of the sources are decided anew, the same on every rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accelerate.utils import broadcast_object_list

from pretraining.batching.adaptive import adapt, load_function
from pretraining.batching.supply import mixture_of, mixtures
from pretraining.errors import DataError
from pretraining.training.job import Every
from pretraining.training.timeline_file import write_timeline

if TYPE_CHECKING:
    from pretraining.batching.config import AdaptSection
    from pretraining.training.checkpoints import TrainingState
    from pretraining.training.job import Job
    from pretraining.training.setup import Setup


def check_functions(job: Job) -> None:
    """Find a function that cannot be imported before the training, not in the middle of it.

    Raises:
        DataError: there is no such function.
    """
    for _, mixture in mixtures(job.batches):
        if mixture.adapt is not None:
            load_function(mixture.adapt.function)


class Adaptation:
    """Decides when it is time, and goes on with the decision."""

    def __init__(self, setup: Setup) -> None:
        self._setup, timeline = setup, setup.timeline
        self._sections = [self._section(stage) for stage in range(len(timeline.stage_names))]
        self._times = [
            Every(section.every if section else None, timeline, epoch_tokens=setup.epoch_tokens)
            for section in self._sections
        ]

    def _section(self, stage: int) -> AdaptSection | None:
        mixture = mixture_of(self._setup.job.batches, stage)
        return mixture.adapt if mixture is not None else None

    def due(self, step: int) -> bool:
        """Whether the mixture is decided anew before the step that comes after ``step`` finished ones."""
        return step < self._setup.timeline.steps and self._times[self._stage(step)].due(step, 0.0)

    def _stage(self, step: int) -> int:
        return self._setup.timeline.leg(step).stage

    def decide(self, state: TrainingState) -> None:
        """Measure, ask the recipe's function for new weights, and mix by them from now on.

        The decision goes into the state, so that a resumed run follows it without asking again; the loader must be
        made anew.

        Raises:
            DataError: the function fails, or gives no usable weights.
        """
        setup, section = self._setup, self._sections[self._stage(state.step)]
        assert setup.held_out is not None and section is not None  # as due() and make_held_out() say
        losses = setup.held_out.measure_sources(setup.accelerator, setup.module)
        before = setup.data.weights(state.step)
        decided: list[Any] = [None]
        if setup.accelerator.is_main_process:
            try:
                decided = [adapt(section.function, before, losses, state.decisions)]
            except DataError as error:
                decided = [str(error)]
        (weights,) = broadcast_object_list(decided)
        if isinstance(weights, str):  # every rank must stop, or those that wait would wait for ever
            raise DataError(f"after step {state.step}: {weights}")
        state.decisions.append({"step": state.step, "weights": weights, "losses": losses})
        setup.data.follow(state.decisions)
        write_timeline(setup, state)
        setup.metrics.write(
            {"step": state.step, "tokens": state.tokens, "decision": {"weights": weights, "losses": losses}}
        )
        changes = "  ".join(f"{source} {before[source]:.4f} -> {weights[source]:.4f}" for source in weights)
        setup.say(f"step {state.step}  mixture from here on: {changes}")
        if too_often := setup.data.seen_too_often():
            setup.say(f"warning: with this mixture, {too_often}")
