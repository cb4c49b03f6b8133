"""The training loop: step, maybe log, maybe evaluate, maybe save, maybe stop."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.tensor import DTensor

from pretraining.errors import Interrupted, TrainingError
from pretraining.training.checkpoints import TrainingState, prune, write_checkpoint
from pretraining.training.job import Every
from pretraining.training.metrics import Meter, log_line, not_finite
from pretraining.training.optimizers import set_learning_rate
from pretraining.training.setup import Setup
from pretraining.training.signals import StopRequest
from pretraining.training.zero import backward

IGNORED = -100


def train(setup: Setup, state: TrainingState) -> TrainingState:
    """Train from ``state.step`` to the end of ``setup.horizon``; returns the final state, which is also saved.

    Raises:
        Interrupted: a signal arrived; a checkpoint was saved first.
        TrainingError: the loss or the gradient is not finite.
    """
    job, steps = setup.job, setup.horizon.steps
    due = {
        name: Every(duration, step_tokens=job.training.batch_tokens, epoch_tokens=setup.epoch_tokens)
        for name, duration in {
            "log": job.training.log_every,
            "evaluate": job.training.evaluate_every,
            "save": job.training.checkpoints.every,
        }.items()
    }
    batches = iter(setup.loader(first_step=state.step))
    before, meter = state.seconds, Meter(state.step)
    setup.module.train()
    with StopRequest() as stop:
        for step in range(state.step, steps):
            micro_batches = [next(batches) for _ in range(setup.micro_batches)]
            now_due = {name: due[name].due(step + 1, meter.total) for name in due}
            targets, flags = agree(setup, micro_batches, stop.signal, now_due)
            rate = set_learning_rate(setup.optimizers, setup.schedule(step))
            loss, norm = update(setup, micro_batches, targets, step)
            if not torch.isfinite(torch.tensor([loss, norm])).all():
                raise TrainingError(not_finite(step + 1, loss, norm))

            state.step, state.seconds = step + 1, before + meter.total
            state.samples += job.batch_samples
            state.tokens += job.training.batch_tokens
            last = state.step == steps
            if flags["log"] or last:
                line: dict[str, Any] = {
                    "step": state.step,
                    "tokens": state.tokens,
                    "seconds": round(state.seconds, 3),
                    "loss": loss,
                }
                line |= {"learning_rate": rate, "grad_norm": norm} | setup.speed(*meter.lap(state.step))
                setup.metrics.write(line)
                left = (steps - state.step) * job.training.batch_tokens
                setup.say(log_line(line, steps=steps, tokens_left=left))
            if flags["evaluate"] or (last and due["evaluate"].active):
                with meter.paused():
                    evaluate(setup, state)
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


def agree(
    setup: Setup, micro_batches: list[dict[str, torch.Tensor]], signal: int, due: dict[str, bool]
) -> tuple[float, dict[str, int]]:
    """What all ranks must know alike: the targets of the global batch, the signal to stop, and what is due now.

    A signal reaches ranks at different times, and hours pass differently on their clocks; one rank saving alone
    would wait for the others for ever. The clock of the main process counts.
    """
    accelerator = setup.accelerator
    targets = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in micro_batches)
    facts = [targets, *(float(flag and accelerator.is_main_process) for flag in due.values())]
    total, *flags = accelerator.reduce(
        torch.tensor(facts, dtype=torch.float64, device=accelerator.device), "sum"
    ).tolist()
    signals = accelerator.gather(torch.tensor([signal], device=accelerator.device))
    return total, {"signal": int(signals.max())} | {name: int(flag) for name, flag in zip(due, flags, strict=True)}


def update(
    setup: Setup, micro_batches: list[dict[str, torch.Tensor]], targets: float, step: int
) -> tuple[float, float]:
    """One optimizer step on the global batch; returns its mean loss per target and the gradient norm before clipping.

    The summed loss is divided by the targets of the *global* batch and multiplied by the number of ranks, because
    DDP and FSDP average gradients over ranks: the result is the gradient of the global mean, for any split.
    """
    accelerator = setup.accelerator
    # Dropout depends on the step and the rank alone, so a resumed run draws what the uninterrupted one drew.
    torch.manual_seed(hash((setup.job.seed, step, accelerator.process_index)) & (2**63 - 1))
    loss_sum = torch.zeros((), dtype=torch.float64, device=accelerator.device)
    for number, micro_batch in enumerate(micro_batches):
        batch = {key: value.to(accelerator.device, non_blocking=True) for key, value in micro_batch.items()}
        last, scale = number == len(micro_batches) - 1, accelerator.num_processes / max(1.0, targets)
        with setup.no_sync(last=last):
            with accelerator.autocast():
                loss = setup.module(**batch)
            if setup.zero:
                backward(setup.module, loss * scale, last=last)
            else:
                accelerator.backward(loss * scale)
        loss_sum += loss.detach()
    norm = accelerator.clip_grad_norm_(setup.module.parameters(), setup.job.training.max_grad_norm)
    norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
    mean = float(accelerator.reduce(loss_sum, "sum")) / max(1.0, targets)
    if torch.isfinite(torch.as_tensor(float(norm))):
        for optimizer in setup.optimizers:
            optimizer.step()
    for optimizer in setup.optimizers:
        optimizer.zero_grad()
    return mean, float(norm)


def evaluate(setup: Setup, state: TrainingState) -> None:
    """Held-out loss, logged beside the training loss."""
    if setup.held_out is None:
        return
    figures = setup.held_out.measure(setup.accelerator, setup.module)
    setup.metrics.write({"step": state.step, "tokens": state.tokens} | figures)
    setup.say(
        f"step {state.step}  held-out loss {figures['held_out_loss']:.4f}  "
        f"{figures['held_out_bits_per_byte']:.4f} bits per byte"
    )


def save(setup: Setup, state: TrainingState) -> None:
    """Write a checkpoint: every rank gathers, the main process writes, all wait until it is complete."""
    weights, states = setup.gather(step=state.step)
    if setup.accelerator.is_main_process:
        folder = setup.job.run / "checkpoints"
        write_checkpoint(folder, state, weights, states)
        prune(folder, setup.job.training.checkpoints.keep)
    setup.accelerator.wait_for_everyone()
