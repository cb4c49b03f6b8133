"""Checkpoints: a folder that is complete or absent, the same for every number of ranks, without pickle.

``step-00000100/`` holds ``model.safetensors`` and ``optimizer.safetensors`` (full tensors under their plain names,
whatever the parallel mode), ``state.json`` (a handful of numbers a person can read) and ``manifest.json``, which
names every file with its size and SHA-256. It is written under a temporary name, flushed to disk, and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import CheckpointError, RunFolderError
from pretraining.files import file_sha256, flush

if TYPE_CHECKING:
    from pretraining.batching.timeline import Leg

_MANIFEST = "manifest.json"


@dataclass
class TrainingState:
    """Where a run stands. Data order, dropout and learning rate follow from ``step`` and ``decisions`` alone.

    ``decisions`` are those of adaptive mixing, ``data_changes`` what ``--allow-different-data`` let pass.
    """

    step: int = 0
    samples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    resumed_at: list[int] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    data_changes: list[dict[str, Any]] = field(default_factory=list)
    identity: dict[str, Any] = field(default_factory=dict)

    def count(self, leg: Leg, seconds: float) -> None:
        """One more step is done, ``seconds`` after the run began."""
        self.step, self.seconds = self.step + 1, seconds
        self.samples += leg.batch_samples
        self.tokens += leg.batch_tokens


def checkpoint_path(folder: Path, step: int) -> Path:
    """``folder/step-00000100``."""
    return folder / f"step-{step:08d}"


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints whose manifest agrees with the files, oldest first; sizes are compared, hashes on loading."""
    found = []
    for path in sorted(folder.glob("step-" + "[0-9]" * 8)):
        try:
            files = json.loads((path / _MANIFEST).read_text("utf-8"))["files"]
            if all((path / name).stat().st_size == facts["bytes"] for name, facts in files.items()):
                found.append(path)
        except (OSError, ValueError, KeyError):
            continue
    return found


def write_checkpoint(folder: Path, state: TrainingState, model: dict[str, Any], optimizer: dict[str, Any]) -> Path:
    """Write one checkpoint (on the main process only) and return its path.

    Args:
        model, optimizer: full tensors on the CPU, by name.
    """
    from safetensors.torch import save_file

    final = checkpoint_path(folder, state.step)
    temporary = folder / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(model, temporary / "model.safetensors", metadata={"format": "pt"})
    save_file(optimizer, temporary / "optimizer.safetensors")
    for path in temporary.iterdir():
        path.chmod(0o644)  # safetensors writes files that only their owner may read
    (temporary / "state.json").write_text(json.dumps(vars(state), indent=2) + "\n", "utf-8")
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in sorted(temporary.iterdir())
    }
    (temporary / _MANIFEST).write_text(json.dumps({"files": files}, indent=2) + "\n", "utf-8")
    for path in [*temporary.iterdir(), temporary]:
        flush(path)
    if final.exists():  # the same step of the same run, saved again after a resume, or a damaged one
        shutil.rmtree(final)
    os.replace(temporary, final)
    flush(folder)
    return final


def read_state(path: Path) -> TrainingState:
    """``state.json`` of a checkpoint."""
    return TrainingState(**json.loads((path / "state.json").read_text("utf-8")))


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(model, optimizer) tensors of a checkpoint.

    Raises:
        CheckpointError: a file is not what the manifest says.
    """
    from safetensors.torch import load_file

    for name, facts in json.loads((path / _MANIFEST).read_text("utf-8"))["files"].items():
        if file_sha256(path / name) != facts["sha256"]:
            raise CheckpointError(
                f"{path / name} is damaged (its SHA-256 differs). Remove {path}; the one before is used."
            )
    return load_file(path / "model.safetensors"), load_file(path / "optimizer.safetensors")


def newest(folder: Path, identity: dict[str, Any], *, allow_different_data: bool = False) -> Path | None:
    """The newest complete checkpoint of this very training, if there is one.

    Args:
        allow_different_data: pass over what the data says, and how it is mixed and packed.

    Raises:
        RunFolderError: the checkpoints belong to another training; the message lists what differs.
    """
    complete = complete_checkpoints(folder)
    if not complete:
        return None
    changed = differences(read_state(complete[-1]).identity, identity)
    about_data = all(key.startswith(_DATA) for key in changed)
    if changed and not (about_data and allow_different_data):
        lines = [f"  {key}: {_text(was)} in the checkpoint, {_text(now)} now" for key, (was, now) in changed.items()]
        raise RunFolderError(
            f"{complete[-1]} belongs to another training:\n" + "\n".join(lines) + "\n"
            "Give the recipe another name, restore those values, or move the checkpoints folder away."
            + (" --allow-different-data goes on with the data of now, and records it." if about_data else "")
        )
    return complete[-1]


_DATA = ("data.", "batches.")


def differences(saved: dict[str, Any], identity: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between the identity of a checkpoint and that of now, sorted: dotted key -> (was, is now).

    Fingerprints of data that is not made yet are passed over.
    """
    return {
        key: (saved.get(key), identity.get(key))
        for key in sorted(saved.keys() | identity.keys())
        if saved.get(key) != identity.get(key) and ("data.plan" in identity or not key.startswith("data."))
    }


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


def prune(folder: Path, keep: int) -> None:
    """Remove all but the ``keep`` newest complete checkpoints, and unfinished ones."""
    for path in complete_checkpoints(folder)[:-keep]:
        shutil.rmtree(path)
    for path in folder.glob(".step-*.tmp"):
        shutil.rmtree(path)
