"""The files through which tasks and the two phases of a build talk, in a work folder that is removed at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pretraining.corpus.ledger import Ledger
from pretraining.corpus.sources import SourceFile


@dataclass(frozen=True)
class WorkFolder:
    """Names of the files of a task in the work folder."""

    root: Path

    def path(self, kind: str, rank: int, suffix: str) -> Path:
        """One file of a task."""
        return self.root / f"{kind}-{rank:05d}{suffix}"

    def write_files(self, rank: int, files: Iterable[SourceFile]) -> None:
        """What the task reads."""
        self.path("files", rank, ".json").write_text(json.dumps([asdict(file) for file in files]))

    def read_files(self, rank: int) -> list[SourceFile]:
        """What the task reads."""
        return [SourceFile(**file) for file in json.loads(self.path("files", rank, ".json").read_text())]

    def write_account(self, rank: int, ledger: Ledger, samples: list[dict[str, Any]]) -> None:
        """What the task did."""
        account = {"ledger": ledger.to_json(), "samples": samples}
        self.path("account", rank, ".json").write_text(json.dumps(account))

    def read_account(self, rank: int) -> tuple[Ledger, list[dict[str, Any]]]:
        """What the task did so far."""
        account = json.loads(self.path("account", rank, ".json").read_text())
        return Ledger.from_json(account["ledger"]), account["samples"]


def cut_tasks(files: Iterable[SourceFile], shard_bytes: int) -> list[list[SourceFile]]:
    """Consecutive files, until a task has ``shard_bytes``. A file is never split, so a larger one is a larger task."""
    tasks: list[list[SourceFile]] = []
    size = shard_bytes
    for file in files:
        if size >= shard_bytes:
            tasks.append([])
            size = 0
        tasks[-1].append(file)
        size += file.size
    return tasks
