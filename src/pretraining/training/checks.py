"""The rules about the ``training`` section."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import math
from collections.abc import Iterator

from pretraining.batching.config import BatchesSection
from pretraining.batching.timeline import Timeline, make_timeline
from pretraining.errors import DataError
from pretraining.modeling.architectures import recomputes
from pretraining.modeling.carriers import WITHOUT_LOSS_OPTIONS, known_architectures
from pretraining.modeling.config import ModelSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.section import Duration, Finding, Rule
from pretraining.training.config import TrainingSection
from pretraining.training.job import Horizon

ESTIMATE_SLACK = 1.5
"""An estimate of the available tokens may be wrong by this factor before a rule complains."""


def _durations(training: TrainingSection) -> dict[str, Duration]:
    """Every duration of the section that is given or has a default, by its dotted key."""
    ramp = training.batch_tokens
    durations = {
        "training.duration": training.duration,
        "training.batch_tokens.over": None if isinstance(ramp, int) else ramp.over,
        "training.schedule.warmup": training.schedule.warmup,
        "training.schedule.decay": training.schedule.decay,
        "training.log_every": training.log_every,
        "training.evaluate_every": training.evaluate_every,
        "training.checkpoints.every": training.checkpoints.every,
    }
    return {path: duration for path, duration in durations.items() if duration is not None}


_LENGTHS = ("training.duration", "training.schedule.warmup", "training.schedule.decay")


def duration_given(training: TrainingSection, batches: BatchesSection) -> Iterator[Finding]:
    """The recipe says how long to train: in one piece, or stage by stage."""
    if training.duration is None and not batches.stages:
        yield Finding(
            path="training.duration",
            message="nothing says how long to train",
            fix="add `duration:` here, such as {tokens: 2_000_000}, or give batches.stages",
        )


def duration_unit(training: TrainingSection, batches: BatchesSection) -> Iterator[Finding]:
    """Lengths are not in hours, and only the training itself is counted in tokens per parameter."""
    for path, duration in _durations(training).items():
        if path in _LENGTHS and duration.unit == "hours":
            yield Finding(
                path=path,
                message="a run that stops by the clock is not the same run on another machine",
                fix="give tokens or steps",
            )
        if path != "training.duration" and duration.unit == "tokens_per_parameter":
            yield Finding(
                path=path,
                message="only training.duration can be given in tokens per parameter",
                fix="give tokens or steps",
            )
    if training.duration is not None and training.duration.unit == "epochs" and batches.mixture is not None:
        yield Finding(
            path="training.duration",
            message="a mixture goes through each of its sources at another pace, so there is no epoch of it",
            fix="give tokens or steps",
        )


def duration_positive(training: TrainingSection) -> Iterator[Finding]:
    """Every duration is a finite number above zero; only the warm-up may be zero."""
    for path, duration in _durations(training).items():
        if not math.isfinite(duration.amount) or (duration.amount == 0 and path != "training.schedule.warmup"):
            yield Finding(
                path=path, message=f"must be a finite number above 0, not {duration}", fix="give a number above 0"
            )


def _timeline(
    training: TrainingSection, batches: BatchesSection, available: tuple[int, bool] | None
) -> Timeline | None:
    """The timeline of the run; None while the data or the model must tell, or where another rule has to speak."""
    counted = available[0] if available is not None and available[1] else None
    try:
        return make_timeline(batches, training.batch, training.duration, epoch_tokens=counted)
    except (DataError, ValueError):
        return None


def _amounts(
    training: TrainingSection, batches: BatchesSection, available: tuple[int, bool] | None
) -> tuple[dict[str, float], str] | None:
    """Training, warm-up and decay in one unit, and its name; None when nothing makes them comparable."""
    schedule, counted = training.schedule, available[0] if available is not None and available[1] else None
    decays = schedule.type == "wsd" and schedule.decay is not None
    timeline = _timeline(training, batches, available)
    if timeline is not None:
        with contextlib.suppress(DataError):
            horizon = Horizon.of(training, timeline, epoch_tokens=counted)
            amounts = {"training": horizon.steps, "warm-up": horizon.warmup} | (
                {"decay": horizon.decay} if decays else {}
            )
            return dict(amounts), "steps"
    if training.duration is None:
        return None
    parts = {"training": training.duration, "warm-up": schedule.warmup}
    if decays and schedule.decay is not None:
        parts["decay"] = schedule.decay
    unit = training.duration.unit
    if {part.unit for part in parts.values() if part.amount} != {unit}:
        return None
    return {name: part.amount for name, part in parts.items()}, unit.replace("_", " ")


def warmup_and_decay_within_horizon(
    training: TrainingSection, batches: BatchesSection, available_tokens: tuple[int, bool] | None
) -> Iterator[Finding]:
    """Warm-up, and the decay of ``wsd``, fit into the training."""
    found = _amounts(training, batches, available_tokens)
    if found is None:
        return
    amounts, unit = found
    total, warmup, decay = amounts["training"], amounts["warm-up"], amounts.get("decay", 0)
    if warmup + decay <= total:
        return
    parts = f"the warm-up takes {warmup:g} {unit}"
    if decay:
        parts += f" and the decay {decay:g}, together {warmup + decay:g}"
    yield Finding(
        path="training.schedule.warmup" if warmup else "training.schedule.decay",
        message=f"{parts}, but the training has {total:g}: the schedule would never get to its end",
        fix=f"shorten {'them' if decay and warmup else 'it'} to at most {total:g} {unit}, or train longer",
    )


def batch_ramp(training: TrainingSection) -> Iterator[Finding]:
    """A batch that grows is always a multiple of the first one."""
    ramp = training.batch_tokens
    if isinstance(ramp, int):
        return
    if ramp.to % ramp.start:
        above = ramp.to + ramp.start - ramp.to % ramp.start
        below = f"{above - ramp.start:_} or " if ramp.to > ramp.start else ""
        yield Finding(
            path="training.batch_tokens.to",
            message=f"{ramp.to} is not a multiple of {ramp.start}, by which the batch grows",
            fix=f"choose {below}{above:_}",
        )
    if ramp.over.unit != "tokens":
        yield Finding(
            path="training.batch_tokens.over",
            message="the batch grows with the tokens that were seen",
            fix="give tokens, such as {tokens: 1_000_000}",
        )


def batch_divisible(training: TrainingSection, batches: BatchesSection, ranks: int) -> Iterator[Finding]:
    """A global batch is whole samples, and whole micro-batches on every rank, in every stage."""
    micro, ramp = training.micro_batch_size, training.batch_tokens
    start, path = (
        (ramp, "training.batch_tokens") if isinstance(ramp, int) else (ramp.start, "training.batch_tokens.from")
    )
    places = [(stage.name, stage.sequence_length or batches.sequence_length) for stage in batches.stages]
    places = places or [("", batches.sequence_length)]
    sizes = [(size, *places[stage]) for stage, size in _batch_sizes(training, batches, len(places))]
    wrong = next(((size, name, length) for size, name, length in sizes if size % (length * micro * ranks)), None)
    if wrong is None:
        return
    tokens, name, length = wrong
    samples, rest = divmod(tokens, length)
    where = f" in the stage {name}" if name else ""
    counted = f"{samples:,} sample{'s' if samples != 1 else ''}"
    if rest:
        message = f"{tokens:,} tokens are {counted} of {length:,} tokens and {rest:,} tokens over{where}"
    else:
        message = (
            f"{tokens:,} tokens are {counted}, which micro-batches of {micro} on {ranks} "
            f"rank{'s' if ranks > 1 else ''} ({micro * ranks} samples at a time) do not divide{where}"
        )
    unit = math.lcm(*(length for _, length in places)) * micro * ranks
    below = start - start % unit
    nearest = f"{below:_} or {below + unit:_}" if below else f"{unit:_}"
    yield Finding(
        path=path,
        message=message,
        fix=f"choose {nearest} (a multiple of sequence_length x micro_batch_size x ranks = {unit:_}), "
        "or another training.micro_batch_size",
    )


def _batch_sizes(training: TrainingSection, batches: BatchesSection, stages: int) -> list[tuple[int, int]]:
    """(stage, tokens of a batch) for all sizes of the run, in order; the first size for each stage where it is not
    known how long they last."""
    # Samples of one token divide every batch, so the sizes are there whether or not the true samples divide them.
    places = {"sequence_length": 1}
    alone = batches.model_copy(update={**places, "stages": [s.model_copy(update=places) for s in batches.stages]})
    try:
        return [(leg.stage, leg.batch_tokens) for leg in make_timeline(alone, training.batch, training.duration).legs]
    except (ValueError, DataError):  # a duration in epochs or hours, or one that other rules speak of
        ramp = training.batch_tokens
        return [(stage, ramp if isinstance(ramp, int) else ramp.start) for stage in range(stages)]


def decay_only_for_wsd(training: TrainingSection) -> Iterator[Finding]:
    """``decay`` is given for ``wsd`` alone."""
    schedule = training.schedule
    if schedule.decay is not None and schedule.type != "wsd":
        yield Finding(
            path="training.schedule.decay",
            message=f"the schedule {schedule.type} has no decay phase: this would never be read",
            fix="remove it, or set training.schedule.type to wsd",
        )


def gradient_checkpointing_known(training: TrainingSection, model: ModelSection) -> Iterator[Finding]:
    """``gradient_checkpointing`` is asked of models that have it."""
    name = model.architecture
    if training.gradient_checkpointing and name in known_architectures() and not recomputes(name):
        yield Finding(
            path="training.gradient_checkpointing",
            message=f"transformers' {name} has no gradient checkpointing",
            fix="set it to false; a smaller training.micro_batch_size saves memory too, and changes no result",
        )


def muon_keys_only_for_muon(training: TrainingSection) -> Iterator[Finding]:
    """Muon's keys are given for ``muon`` alone."""
    optimizer = training.optimizer
    for key in ("muon_learning_rate", "muon_momentum"):
        # Written out with its default, as in the resolved recipe of a run, the key says nothing.
        changed = getattr(optimizer, key) != type(optimizer).model_fields[key].default
        if optimizer.type != "muon" and key in optimizer.model_fields_set and changed:
            yield Finding(
                path=f"training.optimizer.{key}",
                message=f"the optimizer is {optimizer.type}: this would never be read",
                fix="remove it, or set training.optimizer.type to muon",
            )


def _asked(training: TrainingSection, batches: BatchesSection, timeline: Timeline) -> float:
    """The tokens that the durations ask for, before they are rounded up to whole steps."""
    asked = 0.0
    for number, duration in enumerate([stage.duration for stage in batches.stages] or [training.duration]):
        legs = [leg for leg in timeline.legs if leg.stage == number]
        if duration is not None and duration.unit == "tokens":
            asked += duration.amount
        else:
            asked += sum(leg.steps * leg.batch_tokens for leg in legs)
    return asked


def enough_tokens(
    training: TrainingSection, batches: BatchesSection, available_tokens: tuple[int, bool] | None
) -> Iterator[Finding]:
    """The training does not go through the data more often than ``batches.max_epochs``; with a mixture, the rules
    about the sources say so."""
    duration, allowed = training.duration, batches.max_epochs
    if batches.mixture or any(stage.mixture for stage in batches.stages):
        return
    about = ""
    if duration is not None and duration.unit == "epochs":
        epochs, slack = duration.amount, 1.0
    elif available_tokens is not None and available_tokens[0] > 0:
        timeline = _timeline(training, batches, available_tokens)
        if timeline is None:
            return
        available, counted = available_tokens
        needed = _asked(training, batches, timeline)
        epochs, slack = needed / available, 1.0 if counted else ESTIMATE_SLACK
        about = f": {needed:,.0f} tokens of {available:,}"
        about += "" if counted else ", counting every byte of the sources as one"
    else:
        return
    if epochs > allowed * slack:
        rounded = math.ceil(epochs * 100) / 100
        yield Finding(
            path="batches.stages" if batches.stages else "training.duration",
            message=f"this goes through the data {rounded:g} times, and batches.max_epochs is {allowed:g}{about}",
            fix=f"train for less, add text to the corpus, or set batches.max_epochs to {rounded:g} or more",
        )


def loss_options_defined(training: TrainingSection, objective: ObjectiveBase) -> Iterator[Finding]:
    """z-loss and label smoothing where the loss is one over the vocabulary."""
    if not set(objective.heads()) & set(WITHOUT_LOSS_OPTIONS):
        return
    for key in ("z_loss", "label_smoothing"):
        if getattr(training, key):
            message = f"{objective.type} has no loss of a vocabulary alone: {key} is not defined for it"
            yield Finding(f"training.{key}", message, "remove it, or set it to 0.0")


TRACKERS = {
    **{name: name for name in ("aim", "wandb", "trackio", "comet_ml", "mlflow", "clearml", "dvclive", "swanlab")},
    "tensorboard": "tensorboard",
}
"""Name of each tracker of accelerate 1.15 and the module that it needs."""


def trackers_usable(training: TrainingSection) -> Iterator[Finding]:
    """Every tracker is one that accelerate knows, and installed."""
    for number, name in enumerate(training.trackers):
        path = f"training.trackers[{number}]"
        if name not in TRACKERS:
            near = difflib.get_close_matches(name, TRACKERS, n=1)
            yield Finding(
                path,
                "accelerate has no such tracker",
                f"choose among {', '.join(sorted(TRACKERS))}",
                f"did you mean {near[0]}?" if near else "",
            )
        elif importlib.util.find_spec(TRACKERS[name]) is None:
            yield Finding(path, "this tracker is not installed: nothing would be tracked", f"pip install {name}")


RULES = [
    Rule(
        id="loss_options_defined",
        says="`z_loss` and `label_smoothing` are not given with `contrastive` or `replaced_token_detection`.",
        why="They are about the probabilities of a vocabulary; the model refuses them when it is built.",
        check=loss_options_defined,
    ),
    Rule(
        id="duration_given",
        says="`training.duration` is given, or `batches.stages`.",
        why="There is no length of a training that would be right for every recipe.",
        check=duration_given,
    ),
    Rule(
        id="warmup_and_decay_within_horizon",
        says="Warm-up and decay together are not longer than the training.",
        why="A schedule that is cut off never reaches its peak or its end, and trains at another rate.",
        check=warmup_and_decay_within_horizon,
    ),
    Rule(
        id="batch_ramp",
        says="A batch that grows ends at a multiple of its start, and grows over a number of tokens.",
        why="It grows in whole multiples of the start, so that whatever divides the first batch divides all.",
        check=batch_ramp,
    ),
    Rule(
        id="batch_divisible",
        says="`batch_tokens` is a multiple of sequence length x micro-batch size x ranks, in every stage.",
        why="A batch that is rounded in silence has another size than the recipe says, on some machines only.",
        check=batch_divisible,
    ),
    Rule(
        id="decay_only_for_wsd",
        says="`schedule.decay` is given with `type: wsd` only.",
        why="No other schedule has a decay phase, so the key would be ignored.",
        check=decay_only_for_wsd,
    ),
    Rule(
        id="gradient_checkpointing_known",
        says="`training.gradient_checkpointing` is true only where transformers' model knows it.",
        why="The model would refuse it only when training starts, after corpus and tokenizer.",
        check=gradient_checkpointing_known,
    ),
    Rule(
        id="muon_keys_only_for_muon",
        says="`muon_learning_rate` and `muon_momentum` are given with `type: muon` only.",
        why="AdamW does not read them; whoever set them believes that Muon is at work.",
        check=muon_keys_only_for_muon,
    ),
    Rule(
        id="duration_unit",
        says="Training, warm-up and decay are not measured in hours; tokens per parameter only measure the training, "
        "and epochs no mixture.",
        why="A run that stops by the clock is not the same run on another machine.",
        check=duration_unit,
    ),
    Rule(
        id="duration_positive",
        says="Durations are finite and above zero; the warm-up may be zero.",
        why="A training of no steps yields no model, and an interval of zero never comes.",
        check=duration_positive,
    ),
    Rule(
        id="enough_tokens",
        says="The training does not see the data more often than `batches.max_epochs`.",
        why="Repeating a small corpus many times is memorising it, and should be a decision.",
        check=enough_tokens,
    ),
    Rule(
        id="trackers_usable",
        says="Every tracker is one of accelerate's and is installed.",
        why="accelerate only warns, and days later there is nothing to look at.",
        check=trackers_usable,
    ),
]
