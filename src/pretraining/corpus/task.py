"""The files through which tasks and passes talk. The folder outlives a build that was stopped, which then goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.step import Preparation


@dataclass(frozen=True)
class WorkFolder:
    """``measured/`` holds what does not depend on thresholds, ``passes/`` the rest."""

    root: Path

    def open(self, measured: Any, everything: Any) -> None:
        """Throw away what was made from other values.

        Args:
            measured: all that the measurements depend on, as plain values.
            everything: all that the output depends on.
        """
        for folder, made_from in ((self.measured, measured), (self.passes, everything)):
            mark = folder / "made_from.json"
            if not (mark.is_file() and read_json(mark) == made_from):
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                write_json(mark, made_from)

    @property
    def measured_from(self) -> Any:
        """What all documents were measured with; None if they were not."""
        complete = (self.measured / "complete").exists()
        return read_json(self.measured / "made_from.json") if complete else None

    @property
    def measured(self) -> Path:
        """What the first pass wrote."""
        return self.root / "measured"

    @property
    def passes(self) -> Path:
        """What was decided, and everything after it."""
        return self.root / "passes"

    def step(self, name: str) -> Path:
        """What a step prepared."""
        folder = self.measured / "steps" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def folder(self, kind: str) -> Path:
        """A folder of the passes."""
        folder = self.passes / kind
        folder.mkdir(exist_ok=True)
        return folder

    def store(self, number: int, rank: int) -> Path:
        """The documents that pass ``number`` wrote."""
        root = self.measured if number == 0 else self.folder(f"pass-{number}")
        return root / f"documents-{rank:05d}.parquet"

    def kept(self, number: int, rank: int) -> Path:
        """Places, in the store that pass ``number`` read or wrote, of the documents that it kept."""
        return self.folder(f"pass-{number}") / f"kept-{rank:05d}.npy"

    def records(self, number: int, rank: int) -> Path:
        """What pass ``number`` measured and decided."""
        return self.folder(f"pass-{number}") / f"records-{rank:05d}.parquet"

    def changes(self, number: int, rank: int) -> Path:
        """Samples of what pass ``number`` edited."""
        folder = self.measured if number == 0 else self.folder(f"pass-{number}")
        return folder / f"changes-{rank:05d}.json"

    def write_files(self, rank: int, files: Iterable[SourceFile]) -> None:
        """What the task reads."""
        write_json(self.measured / f"files-{rank:05d}.json", [asdict(file) for file in files])

    def read_files(self, rank: int) -> list[SourceFile]:
        """What the task reads."""
        return [SourceFile(**file) for file in read_json(self.measured / f"files-{rank:05d}.json")]


@dataclass(frozen=True)
class Preparations:
    """What each step may use, by its name in the ledger."""

    work: WorkFolder
    base: Path
    sources: dict[str, Any]
    held_out: float

    def __call__(self, name: str) -> Preparation:
        """For the step of this name."""
        return Preparation(self.base, self.work.step(name), self.sources, self.held_out)


def write_json(path: Path, data: Any) -> None:
    """Complete or absent."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(data))  # in ASCII: a file name need not be valid Unicode
    os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """What ``write_json`` wrote."""
    return json.loads(path.read_text("utf-8"))


def cut_tasks(files: Iterable[SourceFile], shard_bytes: int) -> list[list[SourceFile]]:
    """Consecutive files (or parts of files), until a task has ``shard_bytes``."""
    tasks: list[list[SourceFile]] = []
    size = shard_bytes
    for file in files:
        if size >= shard_bytes:
            tasks.append([])
            size = 0
        tasks[-1].append(file)
        size += file.size
    return tasks
