from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pretraining.errors import CheckpointError, RunFolderError
from pretraining.training.checkpoints import (
    TrainingState,
    complete_checkpoints,
    differences,
    newest,
    prune,
    read_state,
    read_tensors,
    write_checkpoint,
)

IDENTITY = {"seed": 1, "model.hidden_size": 16}


def write(folder: Path, step: int) -> Path:
    state = TrainingState(step=step, samples=step * 4, tokens=step * 64, seconds=1.5, identity=IDENTITY)
    return write_checkpoint(folder, state, {"w": torch.full((2, 2), float(step))}, {"w.exp_avg": torch.zeros(2, 2)})


def test_round_trip(tmp_path: Path) -> None:
    path = write(tmp_path, 100)
    assert path.name == "step-00000100"
    assert {p.suffix for p in path.iterdir()} == {".json", ".safetensors"}
    assert read_state(path) == TrainingState(step=100, samples=400, tokens=6400, seconds=1.5, identity=IDENTITY)
    weights, states = read_tensors(path)
    assert weights["w"].tolist() == [[100.0, 100.0], [100.0, 100.0]] and list(states) == ["w.exp_avg"]


def test_the_newest_complete_one_is_taken(tmp_path: Path) -> None:
    assert newest(tmp_path, IDENTITY) is None
    first, second = write(tmp_path, 1), write(tmp_path, 2)
    assert newest(tmp_path, IDENTITY) == second
    (second / "model.safetensors").write_bytes(b"half")
    assert newest(tmp_path, IDENTITY) == first


@given(cut=st.integers(0, 400))
def test_a_truncated_file_is_never_complete(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("cut")
    file = write(folder, 1) / "optimizer.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: min(cut, len(whole) - 1)])
    assert complete_checkpoints(folder) == []


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    data = bytearray((path / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (path / "model.safetensors").write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged"):
        read_tensors(path)


def test_another_training_is_refused_with_what_differs(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(RunFolderError, match=r"model\.hidden_size: 16 in the checkpoint, 32 now"):
        newest(tmp_path, IDENTITY | {"model.hidden_size": 32})
    with pytest.raises(RunFolderError, match="new_key: nothing in the checkpoint, true now"):
        newest(tmp_path, IDENTITY | {"new_key": True})


def test_different_data_may_be_allowed_but_nothing_else(tmp_path: Path) -> None:
    data = {"data.plan": "a", "batches.mixture.weights.web": 0.5}
    state = TrainingState(step=1, identity=IDENTITY | data)
    path = write_checkpoint(tmp_path, state, {"w": torch.zeros(1)}, {})
    now = IDENTITY | {"data.plan": "b", "batches.mixture.weights.web": 0.75}
    with pytest.raises(
        RunFolderError, match=r"data\.plan: \"a\" in the checkpoint, \"b\" now\n.*--allow-different-data"
    ):
        newest(tmp_path, now)
    assert newest(tmp_path, now, allow_different_data=True) == path
    assert differences(state.identity, now) == {"batches.mixture.weights.web": (0.5, 0.75), "data.plan": ("a", "b")}
    with pytest.raises(RunFolderError) as caught:
        newest(tmp_path, now | {"seed": 2}, allow_different_data=True)
    assert "seed: 1 in the checkpoint, 2 now" in str(caught.value) and "--allow" not in str(caught.value)
    before_the_data = {key: value for key, value in now.items() if not key.startswith("data.")}
    assert list(differences(state.identity, before_the_data)) == ["batches.mixture.weights.web"]


def test_pruning_keeps_the_newest_and_removes_leftovers(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    (tmp_path / ".step-00000004.tmp").mkdir()
    prune(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_the_same_step_can_be_written_again(tmp_path: Path) -> None:
    write(tmp_path, 1)
    assert write(tmp_path, 1) == newest(tmp_path, IDENTITY)
