"""What the launcher started: the accelerator, and proof that the ranks really work together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pretraining.errors import TrainingError

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_accelerator(*, trackers: list[str], project: Path) -> Accelerator:
    """The accelerator that the ``accelerate`` config of the launch describes.

    Raises:
        TrainingError: several processes were launched but accelerate counts one, a mode that the hardware does not
            have was asked for, or the mode is one that the loop does not support.
    """
    from accelerate import Accelerator
    from accelerate.utils import DistributedType

    try:
        accelerator = Accelerator(log_with=trackers or None, project_dir=str(project))
    except (ValueError, ImportError) as error:
        raise TrainingError(f"accelerate cannot run this config: {error}") from error
    check_ranks(int(os.environ.get("WORLD_SIZE", "1")), accelerator.num_processes)
    for mode in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        asked = os.environ.get(f"ACCELERATE_USE_{mode.value}", "false").lower() == "true"
        if asked and accelerator.distributed_type != mode:
            raise TrainingError(
                f"the accelerate config asks for {mode.value}, but accelerate runs "
                f"{accelerator.distributed_type.value} here (it needs GPUs); use accelerate_configs/cpu.yaml"
            )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise TrainingError(
            "the accelerate config asks for FSDP 1; set fsdp_version: 2 (accelerate_configs/fsdp2.yaml)"
        )
    return accelerator


def check_muon(optimizer: str, accelerator: Accelerator) -> None:
    """Muon needs whole matrices on every rank.

    Raises:
        TrainingError: the mode shards them.
    """
    if optimizer == "muon" and accelerator.distributed_type.value not in ("NO", "MULTI_GPU", "MULTI_CPU"):
        raise TrainingError(
            f"training.optimizer.type = muon needs whole matrices, but {accelerator.distributed_type.value} shards "
            "them; use adamw, or accelerate_configs/ddp.yaml"
        )


def check_tasks(objective: str, accelerator: Accelerator) -> None:
    """A rank goes through the layers once for every task in its micro-batch, and FSDP2 communicates in each layer.

    Raises:
        TrainingError: the ranks would wait for each other.
    """
    if objective == "multi_task" and accelerator.distributed_type.value == "FSDP":
        raise TrainingError(
            "objective.type = multi_task: ranks whose micro-batches hold different tasks would wait for each other "
            "under FSDP; use accelerate_configs/ddp.yaml or DeepSpeed"
        )


def check_ranks(launched: int, counted: int) -> None:
    """Refuse to train copies.

    ``accelerate launch`` with a GPU config on a machine without GPUs starts several processes that each believe
    to be alone; all of them would train on all the data.
    """
    if launched > 1 and counted != launched:
        if int(os.environ.get("RANK", "0")):
            raise SystemExit(1)  # the first rank says it for all
        raise TrainingError(
            f"the launcher started {launched} processes, but accelerate counts {counted}: each would train a copy of "
            "the model alone. Choose an accelerate config for this machine: accelerate_configs/cpu.yaml for one CPU "
            "process; several CPU processes start with `torchrun` and ACCELERATE_USE_CPU=true "
            "(accelerate_configs/README.md)."
        )
