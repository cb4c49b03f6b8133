from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pretraining.errors import TrainingError
from pretraining.training.distributed import check_muon, check_ranks, check_tasks


def accelerator(kind: str) -> Any:
    return SimpleNamespace(distributed_type=SimpleNamespace(value=kind))


def test_muon_is_refused_where_matrices_are_sharded() -> None:
    check_muon("adamw", accelerator("FSDP"))
    check_muon("muon", accelerator("MULTI_CPU"))
    with pytest.raises(TrainingError, match="muon needs whole matrices, but FSDP shards them"):
        check_muon("muon", accelerator("FSDP"))


def test_copies_are_refused() -> None:
    check_ranks(2, 2)
    with pytest.raises(TrainingError, match="started 2 processes, but accelerate counts 1"):
        check_ranks(2, 1)


def test_tasks_are_refused_where_every_layer_communicates() -> None:
    check_tasks("masked_lm", accelerator("FSDP"))
    check_tasks("multi_task", accelerator("MULTI_CPU"))
    with pytest.raises(TrainingError, match="multi_task: ranks whose micro-batches hold different tasks would wait"):
        check_tasks("multi_task", accelerator("FSDP"))
