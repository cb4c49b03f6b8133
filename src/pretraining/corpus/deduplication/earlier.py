"""Signatures of earlier releases: kept in ``signatures/<step type>``, read as more documents that come first.

The folder holds the files of ``parts`` for the documents that stand for one of the release, and besides
``numbers-00000.npy`` (for each, which document of the release: itself, or the one that it repeats), the ids of the
release's documents, and ``parameters.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pretraining.corpus.deduplication.parts import Part, Shape, write_part
from pretraining.corpus.store import Ids, IdWriter
from pretraining.errors import DataError


@dataclass(frozen=True)
class Release:
    """The signatures of an earlier release."""

    folder: Path
    counts: list[int]
    """Signed documents of each task."""
    kept: list[int]
    """Documents of the release in each task."""

    @property
    def documents(self) -> int:
        """Signed documents, those that only stand for another too."""
        return sum(self.counts)

    @cached_property
    def _ids(self) -> Ids:
        return Ids(self.folder, np.array(self.kept, dtype=np.int64))

    def id_of(self, position: int) -> str:
        """The id of the document of the release that a signed one stands for."""
        starts = np.cumsum([0, *self.counts])
        rank = int(np.searchsorted(starts, position, side="right")) - 1
        numbers = np.load(self.folder / f"numbers-{rank:05d}.npy", mmap_mode="r")
        return self._ids[int(numbers[position - starts[rank]])]


def export(
    folder: Path,
    ids_by_task: Iterable[Sequence[str | None]],
    output: Path,
    *,
    shape: Shape,
    parameters: dict[str, Any],
    minimum: float,
) -> None:
    """See ``DocumentDeduplication.export_signatures``. Holds 9 bytes per document.

    A document that was removed as a copy of one in the output is kept too, with that one's number: what is like it
    would have been in the same group.
    """
    output.mkdir(parents=True)
    here = []
    for rank, ids in enumerate(ids_by_task):
        here.append(np.array([id_ is not None for id_ in ids], dtype=bool))
        writer = IdWriter()
        for id_ in ids:
            if id_ is not None:
                writer.add(id_)
        writer.save(output, rank)
    kept = np.concatenate([np.zeros(0, dtype=bool), *here])
    numbers = np.where(kept, np.cumsum(kept) - 1, -1)
    counts, start = [], 0
    for rank, mine in enumerate(here):
        twin = np.load(folder / f"twins-{rank:05d}.npy")
        number = numbers[start : start + len(mine)].copy()
        copies = np.flatnonzero((twin["twin"] >= 0) & (twin["value"] >= minimum) & (number < 0))
        number[copies] = numbers[twin["twin"][copies]]
        rows = np.flatnonzero(number >= 0)
        source = Part(folder, rank, 0, len(mine))
        write_part(
            Part(output, rank, 0, len(rows)),
            shape,
            np.load(source.path("records"))[rows],
            np.load(source.path("signatures"), mmap_mode="r")[rows],
            np.load(source.path("signed"))[rows],
        )
        np.save(output / f"numbers-{rank:05d}.npy", number[rows])
        counts.append(len(rows))
        start += len(mine)
    described = {"parameters": parameters, "counts": counts, "kept": [int(mine.sum()) for mine in here]}
    (output / "parameters.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def open_releases(against: Sequence[str], kind: str, base: Path, parameters: dict[str, Any]) -> list[Release]:
    """The signatures of earlier releases.

    Args:
        against: output folders of earlier builds.
        kind: the type of the step.
        base: folder that relative paths start from.
        parameters: what theirs must agree with.

    Raises:
        DataError: there are none of this step, or they were made with other parameters.
    """
    return [_open(base / path / "signatures" / kind, path, kind, parameters) for path in against]


def _open(folder: Path, given: str, kind: str, parameters: dict[str, Any]) -> Release:
    try:
        described = json.loads((folder / "parameters.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{kind}: against: {given!r} holds no signatures of this step: {folder / 'parameters.json'} is not there\n"
            f"    name the `corpus` folder of an earlier run whose recipe had {kind} and `keep_signatures: true`"
        ) from None
    except ValueError as error:
        raise DataError(
            f"{kind}: against: {folder / 'parameters.json'} is damaged ({error})\n    build that release again"
        ) from None
    theirs = described["parameters"]
    other = sorted(key for key in parameters.keys() | theirs.keys() if parameters.get(key) != theirs.get(key))
    if other:
        differences = [f"    {key}: {theirs.get(key)!r} there, {parameters.get(key)!r} here" for key in other]
        raise DataError(
            "\n".join(
                [
                    f"{kind}: the signatures of {given!r} were made with other parameters and cannot be compared:",
                    *differences,
                    "    give the step the same ones, or build the earlier release again with these",
                ]
            )
        )
    return Release(folder, described["counts"], described["kept"])


def remember_releases(folder: Path, releases: list[Release]) -> None:
    """Write which releases the numbers of twins belong to."""
    (folder / "earlier.json").write_text(
        json.dumps([{"folder": str(r.folder.resolve()), "counts": r.counts, "kept": r.kept} for r in releases])
    )


def read_releases(folder: Path) -> list[Release]:
    """What ``remember_releases`` wrote."""
    return [
        Release(Path(r["folder"]), r["counts"], r["kept"]) for r in json.loads((folder / "earlier.json").read_text())
    ]
