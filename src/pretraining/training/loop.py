"""The training loop: step, maybe log, maybe evaluate, maybe save, maybe stop."""

from __future__ import annotations

from typing import Any

import torch

from pretraining.errors import Interrupted, TrainingError
from pretraining.training.adaptation import Adaptation
from pretraining.training.checkpoints import TrainingState, prune, write_checkpoint
from pretraining.training.job import Every
from pretraining.training.metrics import Meter, changes, held_out_line, log_line, no_target, not_finite
from pretraining.training.optimizers import set_learning_rate
from pretraining.training.setup import Setup
from pretraining.training.signals import StopRequest
from pretraining.training.step import update
from pretraining.training.timeline_file import write_timeline


def train(setup: Setup, state: TrainingState) -> TrainingState:
    """Train from ``state.step`` to the end of ``setup.timeline``; returns the final state, which is also saved.

    Raises:
        Interrupted: a signal arrived; a checkpoint was saved first.
        TrainingError: the loss or the gradient is not finite, or nothing of the first global batch is a target.
    """
    steps, due, adaptation = setup.timeline.steps, times(setup), Adaptation(setup)
    setup.data.follow(state.decisions)
    write_timeline(setup, state)
    batches = setup.loader(first_step=state.step)
    before, meter = state.seconds, Meter(state.step)
    setup.module.train()
    with StopRequest() as stop:
        for step in range(state.step, steps):
            micro_batches = [next(batches) for _ in range(setup.micro_batches(step))]
            now_due = {name: due[name].due(step + 1, meter.total) for name in due}
            targets, work, flags = agree(setup, micro_batches, stop.signal, now_due)
            if step == 0 and not any(targets.values()):  # later a small batch may have none by chance
                length = setup.timeline.leg(step).sequence_length
                raise TrainingError(no_target(step + 1, setup.job.objective.type, length))
            rate = set_learning_rate(setup.optimizers, setup.schedule(step))
            losses, norm = update(setup, micro_batches, targets, step)
            if not torch.isfinite(torch.tensor([losses["loss"], norm])).all():
                raise TrainingError(not_finite(step + 1, losses["loss"], norm))

            meter.add(work)
            state.count(setup.timeline.leg(step), before + meter.total)
            last = state.step == steps
            if flags["log"] or last:
                log(setup, state, meter, {**losses, "learning_rate": rate, "grad_norm": norm})
            if flags["evaluate"] or (last and due["evaluate"].active):
                with meter.paused():
                    evaluate(setup, state)
            if adaptation.due(state.step):
                with meter.paused():
                    adaptation.decide(state)
                    batches = setup.loader(first_step=state.step)
            if flags["save"] or flags["signal"] or last:
                with meter.paused():
                    save(setup, state)
            if flags["signal"] and not last:
                raise Interrupted(
                    f"stopped by signal {flags['signal']} after step {state.step} of {steps}; the checkpoint is saved, "
                    "the same command goes on from there",
                    flags["signal"],
                )
    return state


def times(setup: Setup) -> dict[str, Every]:
    """When what the loop does beside training is due."""
    training = setup.job.training
    durations = {"log": training.log_every, "evaluate": training.evaluate_every, "save": training.checkpoints.every}
    return {
        name: Every(duration, setup.timeline, epoch_tokens=setup.epoch_tokens) for name, duration in durations.items()
    }


def log(setup: Setup, state: TrainingState, meter: Meter, figures: dict[str, float]) -> None:
    """A line for ``metrics.jsonl`` and one for a person, about the steps since the last one."""
    timeline = setup.timeline
    since, work, seconds = meter.lap(state.step)
    tokens, leg = timeline.tokens_before(state.step) - timeline.tokens_before(since), timeline.leg(state.step - 1)
    line: dict[str, Any] = {"step": state.step, "tokens": state.tokens, "seconds": round(state.seconds, 3)}
    line |= {**figures, **setup.speed(tokens, work, seconds), "batch_tokens": leg.batch_tokens}
    line |= {"stage": timeline.stage_names[leg.stage]} if len(timeline.stage_names) > 1 else {}
    setup.metrics.write(line)
    left = timeline.tokens - timeline.tokens_before(state.step)
    news = changes(timeline, since, state.step)
    setup.say(log_line(line, steps=timeline.steps, tokens_left=left, news=news))


def agree(
    setup: Setup, micro_batches: list[dict[str, torch.Tensor]], signal: int, due: dict[str, bool]
) -> tuple[dict[str, float], float, dict[str, int]]:
    """What all ranks must know alike: the targets of each term in the global batch, the floating-point operations
    that it takes, the signal to stop, and what is due now.

    A signal reaches ranks at different times, and hours pass differently on their clocks; one rank saving alone
    would wait for the others for ever. The clock of the main process counts.
    """
    accelerator, terms = setup.accelerator, list(setup.inner.weights)
    counted = [setup.inner.counts(batch) for batch in micro_batches]
    targets = [sum(counts[term] for counts in counted) for term in terms]
    work = sum(setup.work(batch) for batch in micro_batches)
    facts = [*targets, work, *(float(flag and accelerator.is_main_process) for flag in due.values())]
    total = accelerator.reduce(torch.tensor(facts, dtype=torch.float64, device=accelerator.device), "sum").tolist()
    signals = accelerator.gather(torch.tensor([signal], device=accelerator.device))
    flags = total[len(terms) + 1 :]
    now = {"signal": int(signals.max())} | {name: int(flag) for name, flag in zip(due, flags, strict=True)}
    return dict(zip(terms, total, strict=False)), total[len(terms)], now


def evaluate(setup: Setup, state: TrainingState) -> None:
    """Held-out loss, and that of each source of a mixture, logged beside the training loss."""
    if setup.held_out is None:
        return
    figures = setup.held_out.measure(setup.accelerator, setup.module)
    sources = setup.held_out.measure_sources(setup.accelerator, setup.module)
    by_source = {f"held_out_loss/{source}": loss for source, loss in sources.items()}
    setup.metrics.write({"step": state.step, "tokens": state.tokens} | figures | by_source)
    setup.say(held_out_line(state.step, figures, sources))


def save(setup: Setup, state: TrainingState) -> None:
    """Write a checkpoint: every rank gathers, the main process writes, all wait until it is complete."""
    weights, states = setup.gather(step=state.step)
    if setup.accelerator.is_main_process:
        folder = setup.job.run / "checkpoints"
        write_checkpoint(folder, state, weights, states)
        prune(folder, setup.job.training.checkpoints.keep)
    setup.accelerator.wait_for_everyone()
