"""One rank of a distributed test: trains a tiny Llama on the run folder and writes what it saw.

Started by ``torchrun`` with two gloo processes, or by plain python as the only one. ``mode`` is ``plain`` (what
accelerate makes of the launch: DDP on the CPU, or one process) or ``fsdp2``. accelerate keeps FSDP from CPUs, so for
that mode its private state is told that this is a GPU launch; this belongs to the test, never to the product.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from pretraining.batching.config import BatchesSection
from pretraining.modeling.config import ModelSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.section import Duration
from pretraining.training.checkpoints import TrainingState, newest, read_state, read_tensors
from pretraining.training.config import BatchRamp, CheckpointSection, OptimizerSection, ScheduleSection, TrainingSection
from pretraining.training.distributed import make_accelerator
from pretraining.training.job import Job
from pretraining.training.loop import train
from pretraining.training.setup import make_setup

BATCHES = {
    "max_epochs": 100.0,
    "mixture": {
        "weights": {"lincoln": 3.0, "union": 1.0},
        "adapt": {"function": "pretraining.batching.adaptive:exponentiated", "every": {"steps": 4}},
    },
    "stages": [
        {"name": "short", "duration": {"tokens": 1100}, "sequence_length": 16},
        {"name": "long", "duration": {"steps": 4}, "sequence_length": 32},
    ],
}


def make_job(run: Path, micro_batch_size: int, optimizer: str = "adamw") -> Job:
    """12 steps: 7 of 8 rows of 16 tokens, 1 of 16 rows, 4 of 8 rows of 32 tokens, with a mixture that adapts."""
    return Job(
        run=run,
        seed=5,
        batches=BatchesSection.model_validate(BATCHES),
        objective=CausalLMSection(),
        model=ModelSection(
            architecture="llama", hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, max_position_embeddings=32, tie_word_embeddings=True, attention_dropout=0.0,
        ),  # type: ignore[call-arg]  # keys of the architecture
        training=TrainingSection(
            batch_tokens=BatchRamp.model_validate({"from": 128, "to": 256, "over": {"tokens": 800}}),
            micro_batch_size=micro_batch_size,
            optimizer=OptimizerSection(type=optimizer, learning_rate=1e-2),  # type: ignore[arg-type]
            schedule=ScheduleSection(type="linear", warmup=Duration(steps=2)),
            log_every=Duration(steps=1),
            evaluate_every=Duration(steps=6),
            checkpoints=CheckpointSection(every=Duration(steps=6), keep=5),
        ),
    )  # fmt: skip


def fsdp2_accelerator() -> Accelerator:
    """A real FSDP2 accelerator on gloo. gloo has no average, so torch is told to sum and divide itself."""
    PartialState(cpu=True)
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    PartialState._shared_state["_cpu"] = False
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", cpu_ram_efficient_loading=False
    )
    return Accelerator(fsdp_plugin=plugin)


def zero2_accelerator() -> Accelerator:
    """A real ZeRO 2 engine on gloo (in the environment: DS_ACCELERATOR=cpu, ACCELERATE_USE_DEEPSPEED=true)."""
    from accelerate.utils import DeepSpeedPlugin
    from deepspeed import comm

    comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
    PartialState(cpu=True)
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    PartialState._shared_state["_cpu"] = False
    return Accelerator(deepspeed_plugin=DeepSpeedPlugin(zero_stage=2))


def main(run: Path, mode: str, output: Path) -> None:
    """Train (going on from a checkpoint in ``run``), then write losses, weights and how they were sharded."""
    accelerator = {"fsdp2": fsdp2_accelerator, "zero2": zero2_accelerator}.get(
        mode, lambda: make_accelerator(trackers=[], project=run)
    )()
    job = make_job(run, micro_batch_size=4 // accelerator.num_processes)
    found: list[Path | None] = []

    def resumed(identity: dict[str, object]) -> int:
        found.append(newest(run / "checkpoints", identity))
        return read_state(found[0]).step if found[0] else 0

    setup = make_setup(job, accelerator, resumed_step=resumed)
    if mode == "fsdp2":
        for module in setup.module.modules():
            if hasattr(module, "set_force_sum_reduction_for_comms"):
                module.set_force_sum_reduction_for_comms(True)
    state = TrainingState(identity=setup.identity)
    if found[0]:
        state = read_state(found[0])
        setup.scatter(*read_tensors(found[0]), step=state.step)
    first_step = state.step
    train(setup, state)
    weights, states = setup.gather(step=state.step)
    parameters = list(setup.at_rest().parameters())
    facts = {
        "distributed_type": accelerator.distributed_type.value,
        "ranks": accelerator.num_processes,
        "first_step": first_step,
        "parameter_type": type(parameters[0]).__name__,
        "optimizer_elements": sum(
            value.numel()
            for optimizer in setup.optimizers
            for state in optimizer.state.values()
            for value in state.values()
            if value.ndim
        ),
        "module_type": type(setup.module).__name__,
        "local_elements": sum(getattr(p, "to_local", lambda p=p: p)().numel() for p in parameters),
        "elements": sum(p.numel() for p in parameters),
    }
    if accelerator.is_main_process:
        torch.save({"weights": weights, "states": states}, output)
        output.with_suffix(".json").write_text(json.dumps(facts | {"decisions": state.decisions}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # gloo threads can keep an interpreter from ending
