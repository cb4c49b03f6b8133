"""Two gloo processes train every kind of joint model as one does; negatives come from both."""

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

from pretraining.batching.plan import make_plan, save_plan
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.store import TokenStore
from pretraining.tokenization.training import save_tokenizer, train_tokenizer
from pretraining.tokenization.writing import write_token_store

WORKER = Path(__file__).with_name("objectives_worker.py")
_spec = importlib.util.spec_from_file_location("objectives_worker", WORKER)
assert _spec is not None and _spec.loader is not None
worker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(worker)


@pytest.fixture(scope="module")
def prepared(corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run folder for each objective, up to the batches."""
    runs = tmp_path_factory.mktemp("objectives")
    first = runs / next(iter(worker.OBJECTIVES))
    shutil.copytree(corpus_folder, first / "corpus")
    tokenizer = train_tokenizer(TokenizerSection(vocab_size=320), corpus_folder, roles=["mask_token"])
    for name in ("tokenizer", "tokens"):
        (first / name).mkdir()
    save_tokenizer(tokenizer, first / "tokenizer")
    write_token_store(tokenizer, corpus_folder, first / "tokens")
    for name in worker.OBJECTIVES:
        if not (runs / name).exists():
            shutil.copytree(first, runs / name, ignore=shutil.ignore_patterns("batches"))
        (runs / name / "batches").mkdir()
        plan = make_plan(worker.batches(name), TokenStore(runs / name / "tokens"), raw_length=lambda length, _: length)
        save_plan(plan, runs / name / "batches")
    return runs


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """What one rank and two ranks saw, trained at the same time: metrics and weights by objective."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    started = {}
    for ranks, command in ((1, [sys.executable]), (2, launcher)):
        runs = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("ranks") / str(ranks)))
        whole = [*command, str(WORKER), str(runs), str(runs / "weights.pt")]
        pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        started[ranks] = runs, subprocess.Popen(whole, env=environment, **pipes)
    found: dict[int, dict[str, Any]] = {}
    for ranks, (runs, process) in started.items():
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
        facts, weights = json.loads((runs / "weights.json").read_text()), torch.load(runs / "weights.pt")
        assert facts["ranks"] == ranks
        lines = {name: (runs / name / "metrics.jsonl").read_text().splitlines() for name in worker.OBJECTIVES}
        found[ranks] = {name: ([json.loads(line) for line in lines[name]], weights[name]) for name in lines}
        found[ranks]["pools"] = facts["pools"][: worker.STEPS]
    return found


@pytest.mark.parametrize("name", worker.OBJECTIVES)
def test_two_ranks_are_one(trained: dict[int, dict[str, Any]], name: str) -> None:
    (alone, own), (together, others) = trained[1][name], trained[2][name]
    timed = {"seconds", "tokens_per_second", "peak_share"}
    if name == "contrastive":  # held-out texts are compared within a micro-batch, which is half as large here
        timed |= {key for line in alone for key in line if key.startswith("held_out")}
    assert len(alone) == len(together) == worker.STEPS + 1
    for one, two in zip(alone, together, strict=True):
        assert one.keys() == two.keys()
        for key in one.keys() - timed:
            assert one[key] == pytest.approx(two[key], rel=1e-3), (key, one["step"])
    for key, weight in own.items():
        torch.testing.assert_close(weight, others[key], rtol=1e-2, atol=1e-3)


def test_the_pool_of_negatives_is_that_of_all_ranks(trained: dict[int, dict[str, Any]]) -> None:
    """Two views of every text of the global batch, in two micro-batches of one rank or of two."""
    assert trained[1]["pools"] == trained[2]["pools"] == [2 * worker.BATCH] * worker.STEPS
