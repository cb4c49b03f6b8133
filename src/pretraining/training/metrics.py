"""What the run tells while it goes: ``metrics.jsonl``, trackers, and one clear line per log step."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from pretraining.batching.timeline import Timeline


class MetricsLog:
    """Writes ``metrics.jsonl`` (main process only) and passes the numbers on to accelerate's trackers."""

    def __init__(self, accelerator: Accelerator, path: Path, *, resumed_step: int) -> None:
        self._accelerator, self._path = accelerator, path
        if accelerator.is_main_process:
            forget_after(path, resumed_step)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; floats keep all their digits. Trackers get the numbers in it."""
        if not self._accelerator.is_main_process:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        values = {key: value for key, value in line.items() if key != "step" and isinstance(value, int | float)}
        self._accelerator.log(values, step=line["step"])


def forget_after(path: Path, step: int) -> None:
    """Drop the lines after ``step`` (they are trained again after a resume) and a half-written last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(line + "\n" for line in kept), "utf-8")
    temporary.replace(path)


def log_line(line: dict[str, Any], *, steps: int, tokens_left: int, news: str = "") -> str:
    """One line for a person: where the run stands, what changed, how fast it goes, when it is done."""
    peak, speed = line["peak_share"], line["tokens_per_second"]
    parts = [f"step {line['step']:>{len(str(steps))}}/{steps}", *([news] if news else [])]
    parts += [f"loss {line['loss']:.4f}", f"lr {line['learning_rate']:.2e}", f"grad {line['grad_norm']:.2f}"]
    parts.append(f"{speed:,.0f} tok/s" + (f" ({peak:.0%} of peak)" if peak is not None else ""))
    return "  ".join([*parts, f"{short(tokens_left)} tokens left", f"ETA {clock(tokens_left / speed)}"])


def changes(timeline: Timeline, since: int, step: int) -> str:
    """What of stage and batch is new in the steps ``since`` (how many were done at the last log line) to ``step``."""
    before, now = timeline.leg(since - 1) if since else None, timeline.leg(step - 1)
    found = []
    if len(timeline.stage_names) > 1 and (before is None or before.stage != now.stage):
        found.append(f"stage {timeline.stage_names[now.stage]}")
    if before is not None and before.batch_tokens != now.batch_tokens:
        found.append(f"batch {now.batch_tokens:,} tokens")
    return "  ".join(found)


def held_out_line(step: int, figures: dict[str, float], sources: dict[str, float]) -> str:
    """One line for a person about held-out rows: the loss, that of each source, and what else was measured."""
    by_source = ", ".join(f"{source} {loss:.4f}" for source, loss in sources.items())
    parts = [f"step {step}  held-out loss {figures['held_out_loss']:.4f}{f' ({by_source})' if by_source else ''}"]
    for name, value in figures.items():
        if name == "held_out_bits_per_byte":
            parts.append(f"{value:.4f} bits per byte")
        elif name != "held_out_loss":
            parts.append(f"{name.removeprefix('held_out_').replace('_', ' ')} {value:.4f}")
    return "  ".join(parts)


def short(count: float) -> str:
    """``1.79 M``, ``820 k``, ``96``."""
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e3 else f"{count:.0f}"


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


def matmul_peak(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.3) -> float:
    """FLOP/s of a large matrix product on this device: the peak that the throughput is compared with.

    It is measured at the start instead of read from a data sheet, so it holds for any device; the best of several
    products of 2048 x 2048 (8192 on an accelerator).
    """
    import torch

    size = 2048 if device.type == "cpu" else 8192
    a = torch.ones(size, size, device=device, dtype=dtype)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def not_finite(step: int, loss: float, norm: float) -> str:
    """The message when training has diverged."""
    return (
        f"step {step}: the loss is {loss} and the gradient norm {norm}; nothing of it is saved. "
        "Training would not recover. Lower training.optimizer.learning_rate, lengthen training.schedule.warmup, "
        "or look at the data of this step; the checkpoints before it are kept."
    )


def no_target(step: int, objective: str, length: int) -> str:
    """The message when nothing of a global batch is to be learnt."""
    return (
        f"no token of step {step} is a target of the objective {objective}, so there is nothing to learn; nothing of "
        f"the step is saved. Rows of {length:,} tokens are too short for it, or its shares are too small for so few "
        "tokens: raise batches.sequence_length or training.batch_tokens, or change the keys of objective."
    )


class Meter:
    """Seconds of training, without the pauses for evaluation and checkpoints, and the work done in them."""

    def __init__(self, step: int) -> None:
        self._start = self._lap = time.perf_counter()
        self._lap_step, self._paused, self._work = step, 0.0, 0.0

    @property
    def total(self) -> float:
        """Seconds since the start, pauses excluded."""
        return time.perf_counter() - self._start - self._paused

    def add(self, work: float) -> None:
        """Count the floating-point operations of a step."""
        self._work += work

    def lap(self, step: int) -> tuple[int, float, float]:
        """(steps done at the last lap, work and seconds since then)."""
        now = time.perf_counter()
        since, work, seconds = self._lap_step, self._work, now - self._lap
        self._lap, self._lap_step, self._work = now, step, 0.0
        return since, work, seconds

    def paused(self) -> Any:
        """A context whose time does not count."""
        return _Pause(self)


class _Pause:
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        spent = time.perf_counter() - self._begin
        self._meter._paused += spent
        self._meter._lap += spent
