"""Two sources, two stages, a growing batch and weights that adapt, from the text to the model; and changed data.

All in this process: the launcher and real kills are tested on the plain recipe.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pretraining import cli
from pretraining.errors import Interrupted, RunFolderError
from pretraining.recipe.loading import load_recipe
from pretraining.train import train_recipe
from pretraining.training import loop

RECIPE = """\
# A tiny Llama on a mixture.
name: mixed
seed: 7
corpus:
  sources:
    - {type: text, path: texts/a.txt, documents: line, name: even}
    - {type: text, path: texts/b.txt, documents: line, name: odd}
  steps: [{type: normalize}]
  held_out: 0.1
  held_out_near_duplicates: keep  # all lines are nearly the same
tokenizer: {vocab_size: 300}
batches:
  sequence_length: 16
  max_epochs: 20
  mixture:
    weights: {even: 3, odd: 1}
    adapt: {function: "pretraining.batching.adaptive:exponentiated", every: {tokens: 300}}
  stages:
    - {name: short, duration: {tokens: 700}}
    - {name: long, duration: {steps: 5}, sequence_length: 32}
model:
  architecture: llama
  hidden_size: 16
  intermediate_size: 32
  num_hidden_layers: 1
  num_attention_heads: 2
  attention_dropout: 0.1
training:
  batch_tokens: {from: 64, to: 192, over: {tokens: 600}}
  micro_batch_size: 2
  optimizer: {learning_rate: 1e-2}
  schedule: {type: wsd, warmup: {tokens: 200}, decay: {tokens: 300}}
  log_every: {steps: 2}
  evaluate_every: {tokens: 500}
  evaluation_rows: 16
  checkpoints: {every: {steps: 4}, keep: 9}
"""


def text(prose: list[str], numbers: range) -> str:
    return "".join(f"{number}. {line}\n" for number in numbers for line in prose)


def quickly(patch: pytest.MonkeyPatch) -> None:
    """On the CPU, without measuring how fast it is."""
    patch.setenv("ACCELERATE_USE_CPU", "true")
    patch.setattr("pretraining.training.setup.matmul_peak", lambda device, dtype: 1e9)


def pretrain(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    return result.exit_code, result.stdout + result.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, prose: list[str]) -> Path:
    """A workplace in which the recipe was trained without a stop."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text(text(prose, range(0, 40, 2)))
    (folder / "texts" / "b.txt").write_text(text(prose, range(1, 40, 2)))
    (folder / "mixed.yaml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        quickly(patch)
        for command in ("corpus", "tokenizer", "tokens"):
            status, out = pretrain(command, "mixed.yaml")
            assert status == 0, out
        train()
    return folder


@pytest.fixture()
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    folder = Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2))
    monkeypatch.chdir(folder)
    quickly(monkeypatch)
    return folder


def train(**keys: Any) -> None:
    train_recipe(load_recipe("mixed.yaml"), main_process=True, **keys)


def model(workplace: Path) -> bytes:
    return (workplace / "runs" / "mixed" / "model" / "model.safetensors").read_bytes()


def metrics(workplace: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (workplace / "runs" / "mixed" / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second", "peak_share")} for line in lines
    ]


def forget_training(workplace: Path, *, after: int) -> None:
    """As if the training had been killed after the checkpoint at a step."""
    run = workplace / "runs" / "mixed"
    shutil.rmtree(run / "model")
    for path in (run / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > after:
            shutil.rmtree(path)


def test_the_recipe_trains_is_reported_and_replayed(here: Path) -> None:
    logged = metrics(here)
    assert [line["stage"] for line in logged if "stage" in line] == ["short"] * 4 + ["long"] * 3
    assert {line["batch_tokens"] for line in logged if "loss" in line} == {64, 128, 192}
    assert [line["step"] for line in logged if "decision" in line] == [5, 8, 10, 11] and logged[-1]["tokens"] == logged[
        -2
    ]["tokens"]
    assert all("held_out_loss/even" in line for line in logged if "held_out_loss" in line)
    for command in ("evaluate", "report"):
        status, out = pretrain(command, "mixed.yaml")
        assert status == 0, out
    status, out = pretrain("replay", "mixed.yaml", "--step", "9")
    assert status == 0 and "long" in out, out


def test_stopped_and_resumed_it_is_the_same_model(here: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped by a signal in the middle of the ramp, killed in the second stage."""
    run = here / "runs" / "mixed"
    for name in ("checkpoints", "model"):
        shutil.rmtree(run / name)
    save = loop.save

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save", save_and_stop)
        with pytest.raises(Interrupted, match="stopped by signal 15 after step 5"):
            train()
    train()
    assert model(here) == model(finished) and metrics(here) == metrics(finished)
    forget_training(here, after=8)
    train()
    assert model(here) == model(finished) and metrics(here) == metrics(finished)


def test_other_data_is_refused_and_may_be_allowed(here: Path, prose: list[str], capsys: Any) -> None:
    (here / "texts" / "a.txt").write_text(text(prose, range(0, 42, 2)))
    forget_training(here, after=8)
    for command in ("corpus", "tokenizer", "tokens"):
        assert pretrain(command, "mixed.yaml")[0] == 0
    with pytest.raises(RunFolderError, match=r'data\.plan: "[0-9a-f]+" in the checkpoint, "[0-9a-f]+" now'):
        train()
    assert "--allow-different-data" in pretrain("train", "--help")[1]
    train(allow_different_data=True)
    assert "from step 8 on with different data:\n  data.plan:" in capsys.readouterr().out
    state = json.loads(next((here / "runs/mixed/checkpoints").glob("*12/state.json")).read_text())
    ((change),) = state["data_changes"]
    assert change["step"] == 8 and change["was"]["data.plan"] != change["now"]["data.plan"]
    assert change["now"]["data.plan"] == state["identity"]["data.plan"] and state["resumed_at"] == [8]
    assert [line["data_change"] for line in metrics(here) if "data_change" in line] == [
        {"was": change["was"], "now": change["now"]}
    ]
    assert json.loads((here / "runs/mixed/timeline.json").read_text())["data_changes"] == state["data_changes"]


def test_another_mixture_is_refused_at_once_and_begins_anew(here: Path, capsys: Any) -> None:
    recipe = here / "mixed.yaml"
    recipe.write_text(recipe.read_text().replace("odd: 1", "odd: 3"))
    forget_training(here, after=8)
    status, out = pretrain("train", "mixed.yaml")
    assert status == 2 and "batches.mixture.weights.odd: 1.0 in the checkpoint, 3.0 now" in out
    recipe.write_text(recipe.read_text().replace("seed: 7", "seed: 8"))
    status, out = pretrain("train", "mixed.yaml", "--allow-different-data")
    assert status == 2 and "seed: 7 in the checkpoint, 8 now" in out
    recipe.write_text(recipe.read_text().replace("seed: 8", "seed: 7"))
    pretrain("tokens", "mixed.yaml")
    train(allow_different_data=True)
    assert "the mixture is that of the recipe again" in capsys.readouterr().out
    decisions = json.loads((here / "runs/mixed/timeline.json").read_text())["decisions"]
    assert all(decision["step"] > 8 for decision in decisions)
