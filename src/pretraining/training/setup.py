"""Everything that the loop works with, made from a job: data, model, optimizers, schedule, metrics."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FSDPModule
from torch.utils.data import DataLoader

from pretraining.batching.loader import GlobalBatches, Samples
from pretraining.batching.plan import load_plan, make_plan
from pretraining.errors import DataError, ModelError
from pretraining.modeling.build import build_model, count_parameters, training_flops_per_token
from pretraining.modeling.isolation import require_isolation
from pretraining.modeling.loss import SummedLoss, fuses
from pretraining.objectives import make_collator
from pretraining.tokenization.store import TokenStore
from pretraining.training.distributed import check_muon
from pretraining.training.held_out import HeldOut
from pretraining.training.job import Horizon, Job
from pretraining.training.metrics import MetricsLog, matmul_peak
from pretraining.training.optimizers import make_optimizers
from pretraining.training.schedules import Schedule, make_schedule
from pretraining.training.tensors import gather, scatter
from pretraining.training.zero import configure, gather_zero, scatter_zero


@dataclass
class Setup:
    """See the fields; ``module`` and ``optimizers`` are what ``accelerator.prepare`` returned."""

    job: Job
    accelerator: Accelerator
    tokenizer: Any
    samples: Samples
    collator: Any
    module: torch.nn.Module
    optimizers: list[Any]
    horizon: Horizon
    schedule: Schedule
    held_out: HeldOut | None
    metrics: MetricsLog
    identity: dict[str, Any]
    parameters: int
    flops_per_token: float
    peak: float
    say: Callable[[str], None]

    @property
    def epoch_tokens(self) -> int:
        """Places of one pass over the rows."""
        return self.samples.size * self.samples.sequence_length

    @property
    def micro_batches(self) -> int:
        """Micro-batches of one rank in one step."""
        return self._batches(0).micro_batches

    def _batches(self, first_step: int) -> GlobalBatches:
        return GlobalBatches(
            batch=self.job.batch_samples,
            micro=self.job.training.micro_batch_size,
            rank=self.accelerator.process_index,
            ranks=self.accelerator.num_processes,
            first_step=first_step,
            last_step=self.horizon.steps,
        )

    def loader(self, *, first_step: int) -> Iterable[dict[str, torch.Tensor]]:
        """This rank's micro-batches from ``first_step`` to the end; nothing is read to get there."""
        workers = self.job.training.loader_workers
        return DataLoader(
            self.samples,  # type: ignore[arg-type]  # map-style by its methods, not by inheritance: no torch there
            batch_sampler=self._batches(first_step),
            collate_fn=self.collator,
            num_workers=workers,
            pin_memory=self.accelerator.device.type == "cuda",
            persistent_workers=workers > 0,
        )

    def no_sync(self, *, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Gradients are exchanged between ranks in the last micro-batch of a step only."""
        return contextlib.nullcontext() if last else self.accelerator.no_sync(self.module)

    @property
    def zero(self) -> bool:
        """Whether DeepSpeed runs the step."""
        return bool(self.accelerator.distributed_type == DistributedType.DEEPSPEED)

    def gather(self, *, step: int, optimizer: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
        """Full weights and optimizer state by name, on the main process; every rank must call this."""
        keep = self.accelerator.is_main_process
        if self.zero:
            return gather_zero(self.module, self.weights_module(), step=step if optimizer else 0, keep=keep)
        return gather(self.at_rest(), self.optimizers if optimizer else [], keep=keep)

    def scatter(self, weights: dict[str, Any], states: dict[str, Any], *, step: int) -> None:
        """Put what ``gather`` gave back into place, whatever mode it came from."""
        if self.zero:
            scatter_zero(self.module, self.weights_module(), weights, states, step=step)
        else:
            scatter(self.at_rest(), self.optimizers, weights, states)

    def at_rest(self) -> torch.nn.Module:
        """The transformers model with its parameters as they are stored between steps.

        FSDP2 leaves the root's parameters gathered after a forward pass without a backward one (an evaluation): the
        names then point at temporary tensors, without optimizer state and soon without memory.
        """
        for module in self.module.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        return self.weights_module()

    def weights_module(self) -> torch.nn.Module:
        """The transformers model inside the wrappers."""
        return self.accelerator.unwrap_model(self.module).model  # type: ignore[no-any-return]

    @property
    def module_is_fused(self) -> bool:
        """Whether the loss never holds all logits."""
        return bool(self.accelerator.unwrap_model(self.module).fused)

    @property
    def sequence_length(self) -> int:
        """Tokens of a row."""
        return self.samples.sequence_length

    def speed(self, steps: int, seconds: float) -> dict[str, float | None]:
        """Tokens per second over all ranks, and the share of the measured matrix-product peak."""
        rate = steps * self.job.training.batch_tokens / max(seconds, 1e-9)
        peak = self.peak * self.accelerator.num_processes
        return {"tokens_per_second": rate, "peak_share": rate * self.flops_per_token / peak if peak else None}


def make_setup(job: Job, accelerator: Accelerator, *, resumed_step: Callable[[dict[str, Any]], int]) -> Setup:
    """Load the data, build the model, prepare both for the ranks.

    Args:
        resumed_step: given the identity of the training, the step it goes on from (0 for a new one).

    Raises:
        DataError: a file of an earlier stage is missing, or the batch does not divide among the ranks.
        ModelError: the architecture would let packed documents see each other.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job.run / "tokenizer", local_files_only=True)
    store, plan = TokenStore(job.run / "tokens"), load_plan(job.run / "batches")
    check_division(job, accelerator.num_processes)
    check_muon(job.training.optimizer.type, accelerator)
    samples = Samples(store, plan, seed=job.seed)
    collator = make_collator(job.objective, tokenizer, sequence_length=job.batches.sequence_length, seed=job.seed)
    model = build_model(job.model, tokenizer, seed=job.seed)
    if job.model.attn_implementation == "flex_attention" and accelerator.device.type == "cpu":
        raise ModelError("model.attn_implementation = flex_attention has no backward pass on a CPU; use sdpa")
    require_isolation(model)
    if job.training.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    module = SummedLoss(model, fused=fuses(model))
    parameters, _ = count_parameters(model)
    flops = training_flops_per_token(model, job.batches.sequence_length)
    epoch_tokens = samples.size * samples.sequence_length
    horizon = Horizon.of(job.training, epoch_tokens=epoch_tokens, parameters=parameters)
    check_epochs(job, horizon, epoch_tokens)
    schedule = job.training.schedule
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        per_pass = job.training.micro_batch_size * accelerator.num_processes
        configure(
            accelerator,
            micro_batch_size=job.training.micro_batch_size,
            micro_batches=job.batch_samples // per_pass,
            max_grad_norm=job.training.max_grad_norm,
        )
    prepared, *optimizers = accelerator.prepare(module, *make_optimizers(job.training.optimizer, module))
    identity = job.identity(plan=plan.facts.fingerprint, tokenizer=tokenizer_fingerprint(job.run / "tokenizer"))
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision, torch.float32)
    return Setup(
        job=job,
        accelerator=accelerator,
        tokenizer=tokenizer,
        samples=samples,
        collator=collator,
        module=prepared,
        optimizers=optimizers,
        horizon=horizon,
        schedule=make_schedule(
            schedule.type, steps=horizon.steps, warmup=horizon.warmup, decay=horizon.decay, min_ratio=schedule.min_ratio
        ),
        held_out=make_held_out(job, tokenizer, collator),
        metrics=MetricsLog(accelerator, job.run / "metrics.jsonl", resumed_step=resumed_step(identity)),
        identity=identity,
        parameters=parameters,
        flops_per_token=flops,
        peak=matmul_peak(accelerator.device, dtype),
        say=lambda text: accelerator.print(text, flush=True),
    )


def make_held_out(job: Job, tokenizer: Any, collator: Any) -> HeldOut | None:
    """The held-out rows for evaluation during training; None where there are none or it is not asked for."""
    store = TokenStore(job.run / "tokens", "validation")
    if job.training.evaluate_every is None or not store.tokens:
        return None
    ledger = json.loads((job.run / "corpus" / "ledger.json").read_text("utf-8"))
    special = 2 * len(store)  # BOS and EOS of every document stand for no bytes
    return HeldOut(
        Samples(store, make_plan(job.batches, store), seed=job.seed, shuffle=False),
        collator,
        rows=job.training.evaluation_rows,
        micro_batch_size=job.training.micro_batch_size,
        bytes_per_token=ledger["splits"]["validation"]["bytes"] / max(1, store.tokens - special),
    )


def check_division(job: Job, ranks: int) -> None:
    """The global batch must be whole micro-batches on every rank: nothing is rounded."""
    per_pass = job.training.micro_batch_size * ranks
    if job.training.batch_tokens % job.batches.sequence_length or job.batch_samples % per_pass:
        raise DataError(
            f"training.batch_tokens = {job.training.batch_tokens} is "
            f"{job.training.batch_tokens / job.batches.sequence_length:g} "
            f"samples of {job.batches.sequence_length} tokens; on {ranks} ranks with training.micro_batch_size = "
            f"{job.training.micro_batch_size} it must be a multiple of {per_pass} samples. Change one of the two."
        )


def check_epochs(job: Job, horizon: Horizon, epoch_tokens: int) -> None:
    """Training must not see the data more often than the recipe allows."""
    epochs = horizon.steps * job.training.batch_tokens / epoch_tokens
    if epochs > job.batches.max_epochs * (1 + 1e-3) + job.training.batch_tokens / epoch_tokens:
        raise DataError(
            f"training.duration = {job.training.duration} is {epochs:.2f} epochs of the {epoch_tokens:,} tokens there "
            f"are, but batches.max_epochs = {job.batches.max_epochs:g}. Shorten the duration, add text, or set "
            f"batches.max_epochs={epochs:.2f} if repeating the data is meant."
        )


def tokenizer_fingerprint(folder: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of ``tokenizer.json``."""
    import hashlib

    return hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()[:16]
