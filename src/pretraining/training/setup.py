"""Everything that the loop works with, made from a job: data, model, optimizers, schedule, metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch.distributed.fsdp import FSDPModule

from pretraining.batching.plan import Plan, load_plan
from pretraining.batching.timeline import Timeline
from pretraining.errors import DataError, ModelError
from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.build import count_parameters, training_flops_per_token
from pretraining.modeling.detection_model import ReplacedTokenDetectionModel
from pretraining.modeling.isolation import require_isolation
from pretraining.modeling.loss import LossOptions
from pretraining.modeling.pretraining_model import PretrainingModel
from pretraining.tokenization.store import TokenStore
from pretraining.training.adaptation import check_functions
from pretraining.training.config import TrainingSection
from pretraining.training.data import TrainingData, stage_collators
from pretraining.training.distributed import check_muon, check_tasks
from pretraining.training.held_out import HeldOut, make_held_out
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
    data: TrainingData
    module: torch.nn.Module
    optimizers: list[Any]
    timeline: Timeline
    schedule: Schedule
    held_out: HeldOut | None
    metrics: MetricsLog
    identity: dict[str, Any]
    parameters: int
    epoch_tokens: int
    flops_per_token: Callable[[int], float]
    peak: float
    say: Callable[[str], None]

    def micro_batches(self, step: int) -> int:
        """Micro-batches of one rank in a step."""
        per_pass: int = self.job.training.micro_batch_size * self.accelerator.num_processes
        return self.timeline.leg(step).batch_samples // per_pass

    def loader(self, *, first_step: int) -> Iterator[dict[str, torch.Tensor]]:
        """This rank's micro-batches from ``first_step`` to the end."""
        return iter(
            self.data.loader(
                first_step=first_step,
                rank=self.accelerator.process_index,
                ranks=self.accelerator.num_processes,
                pin_memory=self.accelerator.device.type == "cuda",
            )
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
            return gather_zero(self.module, self.inner, step=step if optimizer else 0, keep=keep)
        return gather(self.at_rest(), self.optimizers if optimizer else [], keep=keep)

    def scatter(self, weights: dict[str, Any], states: dict[str, Any], *, step: int) -> None:
        """Put what ``gather`` gave back into place, whatever mode it came from."""
        if self.zero:
            scatter_zero(self.module, self.inner, weights, states, step=step)
        else:
            scatter(self.at_rest(), self.optimizers, weights, states)

    def at_rest(self) -> PretrainingModel:
        """The model with its parameters as they are stored between steps.

        FSDP2 leaves the root's parameters gathered after a forward pass without a backward one (an evaluation): the
        names then point at temporary tensors, without optimizer state and soon without memory.
        """
        for module in self.module.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        return self.inner

    @property
    def inner(self) -> PretrainingModel:
        """The model with its losses, inside the wrappers."""
        found: PretrainingModel = self.accelerator.unwrap_model(self.module)
        return found

    def work(self, batch: Mapping[str, torch.Tensor]) -> float:
        """Floating-point operations of the forward and backward passes for a micro-batch, about."""
        rows = [ids for key, ids in batch.items() if key.rpartition("/")[2] == "input_ids"]
        return sum(ids.numel() * self.flops_per_token(ids.shape[1]) for ids in rows)

    @property
    def sequence_length(self) -> int:
        """Tokens of the longest rows."""
        return max(leg.sequence_length for leg in self.timeline.legs)

    def speed(self, tokens: int, work: float, seconds: float) -> dict[str, float | None]:
        """Tokens per second over all ranks, and the share of the measured matrix-product peak.

        Args:
            work: floating-point operations of all ranks together.
        """
        seconds, peak = max(seconds, 1e-9), self.peak * self.accelerator.num_processes
        return {"tokens_per_second": tokens / seconds, "peak_share": work / seconds / peak if peak else None}


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
    plan = load_plan(job.run / "batches")
    check_muon(job.training.optimizer.type, accelerator)
    check_tasks(job.objective.type, accelerator)
    check_functions(job)
    module = make_pretraining_model(
        job.model,
        job.objective,
        tokenizer,
        seed=job.seed,
        options=loss_options(job),
        base=job.base,
        say=accelerator.print,
    )
    model = module.model
    models = [model, *([module.generator] if isinstance(module, ReplacedTokenDetectionModel) else [])]
    if job.model.attn_implementation == "flex_attention" and accelerator.device.type == "cpu":
        raise ModelError("model.attn_implementation = flex_attention has no backward pass on a CPU; use sdpa")
    if job.batches.packing != "none":
        require_isolation(model)
    if job.training.gradient_checkpointing:
        for each in models:
            each.gradient_checkpointing_enable()
    parameters, _ = count_parameters(model)
    epoch_tokens = places_of_one_pass(plan)
    timeline = job.timeline(epoch_tokens=epoch_tokens, parameters=parameters)
    check_division(job, timeline, accelerator.num_processes)
    collators = stage_collators(job, tokenizer, getattr(model.config, "decoder_start_token_id", None))
    data = TrainingData(job, TokenStore(job.run / "tokens"), plan, timeline, collators)
    if too_often := data.seen_too_often():
        raise DataError(too_often)
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        configure(
            accelerator,
            micro_batch_size=job.training.micro_batch_size,
            micro_batches=timeline.legs[0].batch_samples // (job.training.micro_batch_size * accelerator.num_processes),
            max_grad_norm=job.training.max_grad_norm,
        )
    fixed, with_one_place = (sum(training_flops_per_token(each, length) for each in models) for length in (0, 1))
    prepared, *optimizers = accelerator.prepare(module, *make_optimizers(job.training.optimizer, module))
    identity = job.identity(plan=plan.fingerprint, tokenizer=tokenizer_fingerprint(job.run / "tokenizer"))
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision, torch.float32)
    return Setup(
        job=job,
        accelerator=accelerator,
        tokenizer=tokenizer,
        data=data,
        module=prepared,
        optimizers=optimizers,
        timeline=timeline,
        schedule=learning_rates(job.training, timeline, epoch_tokens),
        held_out=make_held_out(job, tokenizer, plan, collators[0]),
        metrics=MetricsLog(accelerator, job.run / "metrics.jsonl", resumed_step=resumed_step(identity)),
        identity=identity,
        parameters=parameters,
        epoch_tokens=epoch_tokens,
        flops_per_token=lambda length: fixed + length * (with_one_place - fixed),
        peak=matmul_peak(accelerator.device, dtype),
        say=lambda text: accelerator.print(text, flush=True),
    )


def loss_options(job: Job) -> LossOptions:
    """What the recipe adds to the likelihood."""
    return LossOptions(z_loss=job.training.z_loss, label_smoothing=job.training.label_smoothing)


def learning_rates(training: TrainingSection, timeline: Timeline, epoch_tokens: int) -> Schedule:
    """The share of the peak learning rate at each step."""
    section, horizon = training.schedule, Horizon.of(training, timeline, epoch_tokens=epoch_tokens)
    return make_schedule(
        section.type, steps=horizon.steps, warmup=horizon.warmup, decay=horizon.decay, min_ratio=section.min_ratio
    )


def places_of_one_pass(plan: Plan) -> int:
    """Places of one pass over the documents, padding included, in rows as long as those of the first stage."""
    length = plan.lengths_of(0)
    return length[0] * sum(s.samples for s in plan.streams if (s.sequence_length, s.row_length) == length)


def check_division(job: Job, timeline: Timeline, ranks: int) -> None:
    """Every global batch must be whole micro-batches on every rank: nothing is rounded."""
    per_pass = job.training.micro_batch_size * ranks
    for leg in timeline.legs:
        if leg.batch_samples % per_pass:
            raise DataError(
                f"a batch of {leg.batch_tokens:,} tokens in the stage {timeline.stage_names[leg.stage]} is "
                f"{leg.batch_samples} samples of {leg.sequence_length} tokens; on {ranks} ranks with "
                f"training.micro_batch_size = {job.training.micro_batch_size} it must be a multiple of {per_pass} "
                "samples. Change training.batch_tokens or the micro-batch size."
            )


def tokenizer_fingerprint(folder: Path) -> str:
    """First 16 hexadecimal digits of the SHA-256 of ``tokenizer.json``."""
    import hashlib

    return hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()[:16]
