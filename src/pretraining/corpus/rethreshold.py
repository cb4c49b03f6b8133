"""What changed between two builds of the same records: the ledgers, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from pretraining.errors import DataError

_COLUMNS = ["id", "fate", "step", "reason"]
_Row = tuple[str | None, str, str | None, str | None]


@dataclass
class Changes:
    """How many documents were rescued from which rule, are removed by which rule now, and by another than before."""

    documents: int = 0
    rescued: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    other_reason: int = 0


def compare(before: Path, after: Path) -> Changes:
    """Compare two ``ledger/`` folders of the same records in the same order, in one streaming pass.

    Raises:
        DataError: the records are not the same.
    """
    changes = Changes()
    both = zip(_rows(before), _rows(after), strict=False)
    for (id_, fate, step, reason), (new_id, new_fate, new_step, new_reason) in both:
        if id_ != new_id:
            raise DataError(f"{before} and {after} are not about the same records ({id_} and {new_id})")
        changes.documents += 1
        if fate == "removed" and new_fate == "kept":
            changes.rescued[f"{step}.{reason}"] += 1
        elif fate == "kept" and new_fate == "removed":
            changes.removed[f"{new_step}.{new_reason}"] += 1
        elif (step, reason) != (new_step, new_reason):
            changes.other_reason += 1
    return changes


def _rows(folder: Path) -> Iterator[_Row]:
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(columns=_COLUMNS):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
