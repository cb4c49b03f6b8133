"""The rules about the ``training`` section."""

from __future__ import annotations

import difflib
import importlib.util
import math
from collections.abc import Iterator

from pretraining.batching.config import BatchesSection
from pretraining.section import Duration, Finding, Rule
from pretraining.training.config import TrainingSection

ESTIMATE_SLACK = 1.5
"""An estimate of the available tokens may be wrong by this factor before a rule complains."""


def _durations(training: TrainingSection) -> dict[str, Duration]:
    """Every duration of the section that is given or has a default, by its dotted key."""
    durations = {
        "training.duration": training.duration,
        "training.schedule.warmup": training.schedule.warmup,
        "training.schedule.decay": training.schedule.decay,
        "training.log_every": training.log_every,
        "training.evaluate_every": training.evaluate_every,
        "training.checkpoints.every": training.checkpoints.every,
    }
    return {path: duration for path, duration in durations.items() if duration is not None}


_LENGTHS = ("training.duration", "training.schedule.warmup", "training.schedule.decay")


def duration_unit(training: TrainingSection) -> Iterator[Finding]:
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


def duration_positive(training: TrainingSection) -> Iterator[Finding]:
    """Every duration is a finite number above zero; only the warm-up may be zero."""
    for path, duration in _durations(training).items():
        if not math.isfinite(duration.amount) or (duration.amount == 0 and path != "training.schedule.warmup"):
            yield Finding(
                path=path, message=f"must be a finite number above 0, not {duration}", fix="give a number above 0"
            )


def _amounts(training: TrainingSection, available: tuple[int, bool] | None) -> tuple[dict[str, float], str] | None:
    """Training, warm-up and decay in one unit, and its name; None when nothing makes them comparable."""
    parts = {"training": training.duration, "warm-up": training.schedule.warmup}
    if training.schedule.type == "wsd" and training.schedule.decay is not None:
        parts["decay"] = training.schedule.decay
    if not all(math.isfinite(part.amount) for part in parts.values()):
        return None
    counted = available[0] if available is not None and available[1] else None
    try:
        steps = {n: d.in_steps(step_tokens=training.batch_tokens, epoch_tokens=counted) for n, d in parts.items()}
        return dict(steps), "steps"
    except ValueError:
        units = {part.unit for part in parts.values() if part.amount}
        unit = training.duration.unit
        return ({n: d.amount for n, d in parts.items()}, unit.replace("_", " ")) if units == {unit} else None


def warmup_and_decay_within_horizon(
    training: TrainingSection, available_tokens: tuple[int, bool] | None
) -> Iterator[Finding]:
    """Warm-up, and the decay of ``wsd``, fit into the training."""
    found = _amounts(training, available_tokens)
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


def batch_divisible(training: TrainingSection, batches: BatchesSection, ranks: int) -> Iterator[Finding]:
    """A global batch is whole samples, and whole micro-batches on every rank."""
    length, micro = batches.sequence_length, training.micro_batch_size
    unit = length * micro * ranks
    tokens = training.batch_tokens
    if tokens % unit == 0:
        return
    samples, rest = divmod(tokens, length)
    if rest:
        message = f"{tokens} tokens are {samples} samples of {length} tokens and {rest} tokens over"
    else:
        message = (
            f"{tokens} tokens are {samples} samples, which micro-batches of {micro} on {ranks} "
            f"rank{'s' if ranks > 1 else ''} ({micro * ranks} samples at a time) do not divide"
        )
    below = tokens - tokens % unit
    nearest = f"{below:_} or {below + unit:_}" if below else f"{unit:_}"
    yield Finding(
        path="training.batch_tokens",
        message=message,
        fix=f"choose {nearest} (a multiple of sequence_length x micro_batch_size x ranks = {unit:_}), "
        "or another training.micro_batch_size",
    )


def decay_only_for_wsd(training: TrainingSection) -> Iterator[Finding]:
    """``decay`` is given for ``wsd`` alone."""
    schedule = training.schedule
    if schedule.decay is not None and schedule.type != "wsd":
        yield Finding(
            path="training.schedule.decay",
            message=f"the schedule {schedule.type} has no decay phase: this would never be read",
            fix="remove it, or set training.schedule.type to wsd",
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


def enough_tokens(
    training: TrainingSection, batches: BatchesSection, available_tokens: tuple[int, bool] | None
) -> Iterator[Finding]:
    """The training does not go through the data more often than ``batches.max_epochs``."""
    duration, allowed = training.duration, batches.max_epochs
    if not math.isfinite(duration.amount):
        return
    about = ""
    if duration.unit == "epochs":
        epochs, slack = duration.amount, 1.0
    elif duration.unit in ("tokens", "steps") and available_tokens is not None and available_tokens[0] > 0:
        available, counted = available_tokens
        needed = duration.amount * (training.batch_tokens if duration.unit == "steps" else 1)
        epochs, slack = needed / available, 1.0 if counted else ESTIMATE_SLACK
        about = f": {needed:,.0f} tokens of {available:,}"
        about += "" if counted else ", counting every byte of the sources as one"
    else:
        return
    if epochs > allowed * slack:
        rounded = math.ceil(epochs * 100) / 100
        yield Finding(
            path="training.duration",
            message=f"this goes through the data {rounded:g} times, and batches.max_epochs is {allowed:g}{about}",
            fix=f"train for less, add text to the corpus, or set batches.max_epochs to {rounded:g} or more",
        )


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
        id="warmup_and_decay_within_horizon",
        says="Warm-up and decay together are not longer than the training.",
        why="A schedule that is cut off never reaches its peak or its end, and trains at another rate.",
        check=warmup_and_decay_within_horizon,
    ),
    Rule(
        id="batch_divisible",
        says="`batch_tokens` is a multiple of sequence length x micro-batch size x ranks.",
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
        id="muon_keys_only_for_muon",
        says="`muon_learning_rate` and `muon_momentum` are given with `type: muon` only.",
        why="AdamW does not read them; whoever set them believes that Muon is at work.",
        check=muon_keys_only_for_muon,
    ),
    Rule(
        id="duration_unit",
        says="Training, warm-up and decay are not measured in hours; tokens per parameter only measure the training.",
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
