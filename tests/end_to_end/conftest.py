"""A recipe small enough for a test, on text that the test writes, and helpers to run and to kill the command."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

RECIPE = """\
# A tiny Llama for the tests.
name: tiny
seed: 7
corpus:
  sources: [{type: text, path: texts, documents: line}]
  steps: [{type: normalize}, {type: length, min_characters: 20}, {type: exact_deduplication}]
  held_out: 0.1
  held_out_near_duplicates: keep  # all lines are nearly the same
tokenizer: {vocab_size: 300}
batches: {sequence_length: 32, max_epochs: 20}
model:
  architecture: llama
  hidden_size: 16
  intermediate_size: 32
  num_hidden_layers: 1
  num_attention_heads: 2
  attention_dropout: 0.1
training:
  duration: {steps: 40}
  batch_tokens: 128
  micro_batch_size: 2
  optimizer: {learning_rate: 1e-2}
  schedule: {warmup: {steps: 4}}
  log_every: {steps: 10}
  evaluate_every: {steps: 20}
  checkpoints: {every: {steps: 5}}
evaluation:
  samples: {prompts: ["We the"], max_new_tokens: 8}
"""


@pytest.fixture()
def workplace(tmp_path: Path, prose: list[str]) -> Path:
    """A folder with ``tiny.yaml`` and ``texts/``."""
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    (tmp_path / "texts").mkdir()
    lines = [f"{number}. {text}" for number in range(40) for text in prose]
    (tmp_path / "texts" / "a.txt").write_text("\n".join(lines[:120]) + "\n")
    (tmp_path / "texts" / "b.txt").write_text("\n".join([*lines[120:], lines[0], "short"]) + "\n")
    return tmp_path


def start(workplace: Path, *arguments: str) -> subprocess.Popen[str]:
    """``pretrain`` with these arguments, in ``workplace``."""
    return subprocess.Popen(
        [sys.executable, "-m", "pretraining.cli", *arguments],
        cwd=workplace,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def pretrain(workplace: Path, *arguments: str, status: int = 0) -> tuple[str, str]:
    """Run ``pretrain`` to its end; the (stdout, stderr) of a command that ends with ``status``."""
    process = start(workplace, *arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == status, f"{process.returncode}\n{out}\n{err}"
    return out, err


def kill_all(process: subprocess.Popen[Any]) -> None:
    """SIGKILL to a process and everything that it started."""
    with_children = [psutil.Process(process.pid)]
    with_children += with_children[0].children(recursive=True)
    for each in with_children:
        try:
            each.kill()
        except psutil.Error:
            continue
    process.communicate()
    for _ in range(100):
        if not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in with_children):
            return
        time.sleep(0.05)


def results(run: Path) -> dict[str, str]:
    """SHA-256 of everything that must not depend on how often the run was stopped."""
    files = [
        *run.glob("corpus/*.parquet"),
        run / "corpus" / "ledger.json",
        *run.glob("corpus/removed/*"),
        *run.glob("tokenizer/tokenizer*.json"),
        *run.glob("tokens/*/*"),
        *run.glob("batches/*plan*"),
        run / "model" / "model.safetensors",
        run / "evaluation" / "results.json",
    ]
    return {str(p.relative_to(run)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}
