"""One rank of the test of the objectives: trains a tiny model with each and writes what it saw.

Started by ``torchrun`` with two gloo processes, or by plain python as the only one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from pretraining.batching.config import BatchesSection
from pretraining.modeling.config import ModelSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.masked import MaskedLMSection, ReplacedTokenDetectionSection
from pretraining.section import Duration
from pretraining.training.checkpoints import TrainingState
from pretraining.training.config import OptimizerSection, ScheduleSection, TrainingSection
from pretraining.training.distributed import make_accelerator
from pretraining.training.job import Job
from pretraining.training.loop import train
from pretraining.training.setup import Setup, make_setup

LENGTH, STEPS, BATCH = 32, 4, 8
OBJECTIVES: dict[str, tuple[str, ObjectiveBase]] = {
    "masked_lm": ("bert", MaskedLMSection(unit="span", span_boundary=True)),
    "replaced_token_detection": ("electra", ReplacedTokenDetectionSection(generator_hidden_size_ratio=0.5)),
    "contrastive": ("bert", ContrastiveSection()),
}


def batches(name: str) -> BatchesSection:
    """Packed rows; for texts that are compared, one a row."""
    return BatchesSection(sequence_length=LENGTH, packing="none" if name == "contrastive" else "best_fit")


def make_job(run: Path, name: str, micro_batch_size: int) -> Job:
    """Four steps of eight rows."""
    architecture, objective = OBJECTIVES[name]
    dropout = 0.1 if name == "contrastive" else 0.0
    model: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": LENGTH, "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": 0.0,
        **({"embedding_size": 8} if architecture == "electra" else {}),
    }  # fmt: skip
    return Job(
        run=run,
        seed=5,
        batches=batches(name),
        objective=objective,  # type: ignore[arg-type]
        model=ModelSection(architecture=architecture, **model),
        training=TrainingSection(
            duration=Duration(steps=STEPS),
            batch_tokens=BATCH * LENGTH,
            micro_batch_size=micro_batch_size,
            optimizer=OptimizerSection(learning_rate=1e-2),
            schedule=ScheduleSection(type="linear", warmup=Duration(steps=1)),
            log_every=Duration(steps=1),
            evaluate_every=Duration(steps=STEPS),
        ),
    )


def fix_the_other_views(setup: Setup) -> None:
    """Instead of dropout, which every rank draws for itself, a small change of the second view of every text."""
    for child in setup.module.modules():
        if isinstance(child, torch.nn.Dropout):
            child.p = 0.0

    def change(_: Any, __: Any, out: torch.Tensor) -> torch.Tensor:
        return out + 0.3 * (torch.arange(len(out)) % 2)[:, None, None] * out.roll(1, -1)

    setup.inner.model.embeddings.register_forward_hook(change)


def watch(inner: Any, pools: list[int]) -> None:
    """Write down how many vectors are compared."""
    pool_loss = inner.pool_loss

    def watched(vectors: torch.Tensor) -> torch.Tensor:
        pools.append(len(vectors))
        found: torch.Tensor = pool_loss(vectors)
        return found

    inner.pool_loss = watched


def main(runs: Path, output: Path) -> None:
    """Train each; the metrics are in the run folders, the weights in ``output``."""
    weights: dict[str, Any] = {}
    pools: list[int] = []
    for name in OBJECTIVES:
        accelerator = make_accelerator(trackers=[], project=runs / name)
        job = make_job(runs / name, name, micro_batch_size=4 // accelerator.num_processes)
        setup = make_setup(job, accelerator, resumed_step=lambda _: 0)
        if name == "contrastive":
            fix_the_other_views(setup)
            watch(setup.inner, pools)
        train(setup, TrainingState(identity=setup.identity))
        weights[name] = setup.gather(step=STEPS, optimizer=False)[0]
    if accelerator.is_main_process:
        torch.save(weights, output)
        output.with_suffix(".json").write_text(json.dumps({"ranks": accelerator.num_processes, "pools": pools}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # gloo threads can keep an interpreter from ending
