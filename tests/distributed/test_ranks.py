"""Two gloo processes train the same model as one, really share the work, and can take over from each other.

The training is that of ``worker.make_job``: two sources, two stages, a batch that grows, weights that adapt.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pretraining.batching.config import BatchesSection
from pretraining.batching.plan import make_plan, save_plan
from pretraining.tokenization.store import TokenStore

needs_deepspeed = pytest.mark.skipif(
    importlib.util.find_spec("deepspeed") is None, reason="the extra `deepspeed` is not installed"
)
WORKER = Path(__file__).with_name("worker.py")
_spec = importlib.util.spec_from_file_location("distributed_worker", WORKER)
assert _spec is not None and _spec.loader is not None
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)


def train(run: Path, mode: str, ranks: int, name: str) -> dict[str, Any]:
    output = run / f"{name}.pt"
    command = [sys.executable, str(WORKER), str(run), mode, str(output)]
    if ranks > 1:
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc_per_node",
            str(ranks),
            "--standalone",
            *command[1:],
        ]
    zero = {"DS_ACCELERATOR": "cpu", "ACCELERATE_USE_DEEPSPEED": "true"}
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | (zero if mode == "zero2" else {"ACCELERATE_USE_CPU": "true"})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    facts = json.loads(output.with_suffix(".json").read_text())
    return facts | torch.load(output) | {"lines": lines}


@pytest.fixture(scope="module")
def fresh(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    plan = make_plan(
        BatchesSection.model_validate(worker.BATCHES), TokenStore(run_folder / "tokens"), raw_length=lambda n, _: n
    )

    def copy(name: str) -> Path:
        run = Path(shutil.copytree(run_folder, tmp_path_factory.mktemp("ranks") / name))
        save_plan(plan, run / "batches")
        return run

    return copy


@pytest.fixture(scope="module")
def alone(fresh: Any) -> dict[str, Any]:
    run = fresh("alone")
    return train(run, "plain", 1, "one") | {"run": run}


FIGURES = ("loss", "grad_norm", "learning_rate", "held_out_loss", "held_out_bits_per_byte")


def assert_same_training(a: dict[str, Any], b: dict[str, Any], tolerance: float) -> None:
    assert [line["step"] for line in a["lines"]] == [line["step"] for line in b["lines"]]
    for x, y in zip(a["lines"], b["lines"], strict=True):
        for key in (*FIGURES, "held_out_loss/lincoln", "held_out_loss/union", "tokens", "batch_tokens"):
            assert (key in x) == (key in y)
            assert key not in x or x[key] == pytest.approx(y[key], rel=tolerance), (key, x["step"])
    assert [each["step"] for each in a["decisions"]] == [each["step"] for each in b["decisions"]] == [4, 8]
    for x, y in zip(a["decisions"], b["decisions"], strict=True):
        assert x["weights"] == pytest.approx(y["weights"], rel=tolerance)
    for kind in ("weights", "states"):
        assert a[kind].keys() == b[kind].keys()
        for name, tensor in a[kind].items():
            torch.testing.assert_close(tensor, b[kind][name], rtol=tolerance * 100, atol=tolerance * 10)


def test_training_learns(alone: dict[str, Any]) -> None:
    losses = [line["loss"] for line in alone["lines"] if "loss" in line]
    assert len(losses) == 12 and losses[-1] < losses[0] - 0.5
    assert alone["ranks"] == 1 and alone["first_step"] == 0


def test_two_ddp_ranks_are_one(alone: dict[str, Any], fresh: Any) -> None:
    two = train(fresh("ddp"), "plain", 2, "two")
    assert (two["distributed_type"], two["ranks"]) == ("MULTI_CPU", 2)
    assert_same_training(alone, two, 1e-4)


def test_two_fsdp2_ranks_are_one_and_really_shard(alone: dict[str, Any], fresh: Any) -> None:
    two = train(fresh("fsdp2"), "fsdp2", 2, "two")
    assert (two["distributed_type"], two["parameter_type"]) == ("FSDP", "DTensor")
    assert two["local_elements"] < 0.6 * two["elements"]
    assert_same_training(alone, two, 1e-4)


@needs_deepspeed
def test_two_zero2_ranks_are_one_and_really_shard(alone: dict[str, Any], fresh: Any) -> None:
    run = fresh("zero2")
    two = train(run, "zero2", 2, "two")
    assert (two["distributed_type"], two["module_type"]) == ("DEEPSPEED", "DeepSpeedEngine")
    assert two["optimizer_elements"] < 0.6 * 2 * two["elements"]  # two moments, each halved
    assert_same_training(alone, two, 1e-4)
    shutil.rmtree(run / "checkpoints" / "step-00000012")
    assert_same_training(alone, train(run, "plain", 1, "moved"), 1e-4)


@needs_deepspeed
def test_zero2_takes_over_from_ddp(alone: dict[str, Any], fresh: Any) -> None:
    run = fresh("ddp-zero2")
    shutil.copytree(alone["run"] / "checkpoints" / "step-00000006", run / "checkpoints" / "step-00000006")
    shutil.copy(alone["run"] / "metrics.jsonl", run)
    moved = train(run, "zero2", 2, "moved")
    assert moved["first_step"] == 6
    assert_same_training(alone, moved, 1e-4)


@pytest.mark.parametrize(("first", "then"), [("plain", "plain"), ("plain", "fsdp2"), ("fsdp2", "plain")])
def test_a_run_moves_between_machine_shapes(alone: dict[str, Any], fresh: Any, first: str, then: str) -> None:
    """Half on two ranks of one mode, half on one or two of another: the same run."""
    run = fresh(f"{first}-{then}")
    train(run, first, 2, "half")
    shutil.rmtree(run / "checkpoints" / "step-00000012")
    moved = train(run, then, 1 if then == "plain" else 2, "moved")
    assert moved["first_step"] == 6
    assert_same_training(alone, moved, 1e-4)


def test_resuming_on_the_same_machine_is_bit_identical(alone: dict[str, Any], fresh: Any) -> None:
    run = fresh("resumed")
    shutil.copytree(alone["run"] / "checkpoints" / "step-00000006", run / "checkpoints" / "step-00000006")
    resumed = train(run, "plain", 1, "resumed")
    assert resumed["first_step"] == 6
    for kind in ("weights", "states"):
        for name, tensor in alone[kind].items():
            assert torch.equal(tensor, resumed[kind][name]), name
