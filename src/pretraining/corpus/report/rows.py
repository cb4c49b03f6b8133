"""One pass over the rows of the ledger: histograms, languages, clusters of duplicates, benchmarks met."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pretraining.corpus.report.axis import Axis, Histogram, Numbers
from pretraining.corpus.report.rules import StepFacts, Threshold

ROWS = 1_000_000
"""Of a longer ledger so many rows are read, in row groups spread evenly over it."""
LOOKED_AT = 60_000
"""Rows from which the axes are chosen."""
SIMILARITIES = 20
"""Bins of the similarity of duplicates, from 0 to 1."""

Groups = list[tuple[Path, int]]


@dataclass
class Rows:
    """What the rows of the ledger say."""

    read: int = 0
    whole: int = 0
    """Rows of the ledger, and how many of them were read."""
    histograms: list[Histogram] = field(default_factory=list)
    constant: dict[str, float] = field(default_factory=dict)
    """Columns that hold one value only."""
    unmeasured: list[str] = field(default_factory=list)
    """Columns that hold none."""
    languages: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Language, then ``kept`` or ``removed``: documents, bytes that came in."""
    copies: dict[str, Counter[str]] = field(default_factory=dict)
    """Step, then document: how many were removed because they repeat it."""
    similarity: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Step: removed documents by similarity to their twin, [SIMILARITIES]."""

    @property
    def sampled(self) -> bool:
        """Whether not all rows were read."""
        return self.read < self.whole


def read_rows(folder: Path, steps: dict[str, StepFacts], declared: dict[str, str | None]) -> Rows:
    """Read the ledger of a corpus folder. Holds a row group, and 100 bytes a duplicate.

    Args:
        declared: language of each source, for documents that have none of their own.
    """
    groups, whole = row_groups(sorted((folder / "ledger").glob("*.parquet")), ROWS)
    rows = Rows(whole=whole)
    wanted = [t for step in steps.values() if not step.finds_twins for t in step.thresholds]
    panels = _panels(rows, wanted, groups)
    twins = {step.name for step in steps.values() if step.finds_twins}
    columns = ["source", "fate", "language", "bytes", "step", "duplicate_of", "similarity"]
    first = [panel.thresholds[0].column for panel in panels]
    for table in tables(groups, [*columns, *first]):
        rows.read += len(table)
        kept = pc.equal(table["fate"], "kept").to_numpy()
        for panel, column in zip(panels, first, strict=True):
            panel.add(_numbers(table, column), kept)
        _languages(rows.languages, table, declared)
        _duplicates(rows, table, twins)
    rows.histograms = [panel for panel in panels if panel.measured]
    return rows


def row_groups(paths: Iterable[Path], most: int) -> tuple[Groups, int]:
    """(row groups of the files, evenly spaced where there are more rows than ``most``; rows of all)."""
    sizes: dict[tuple[Path, int], int] = {}
    for path in paths:
        metadata = pq.read_metadata(path)
        sizes |= {(path, i): metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)}
    whole = sum(sizes.values())
    every = max(1, -(-whole // most))
    return list(sizes)[::every], whole


def tables(groups: Groups, columns: list[str]) -> Iterator[pa.Table]:
    """These columns of one row group after the other."""
    for path, group in groups:
        with pq.ParquetFile(path) as parquet:
            yield parquet.read_row_group(group, columns=columns, use_threads=False)


def _numbers(table: pa.Table, column: str) -> Numbers:
    values: Numbers = table[column].to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return values


def _panels(rows: Rows, wanted: list[Threshold], groups: Groups) -> list[Histogram]:
    """Empty histograms, with axes from some of the rows. Rules of a step that measure the same share one."""
    few = groups[:: max(1, len(groups) * 20_000 // LOOKED_AT)]
    found: dict[str, list[Numbers]] = defaultdict(list)
    for table in tables(few, [threshold.column for threshold in wanted]):
        for threshold in wanted:
            found[threshold.column].append(_numbers(table, threshold.column))
    together: list[tuple[Numbers, list[Threshold]]] = []
    for threshold in wanted:
        values = np.concatenate([np.zeros(0), *found[threshold.column]])
        known = values[~np.isnan(values)]
        if not len(known):
            rows.unmeasured.append(threshold.column)
        elif known.min() == known.max():
            rows.constant[threshold.column] = float(known[0])
        elif together and _same(together[-1], values, threshold):
            together[-1][1].append(threshold)
        else:
            together.append((values, [threshold]))
    return [
        Histogram(tuple(rules), Axis.of(values[~np.isnan(values)], [r.value for r in rules if r.value is not None]))
        for values, rules in together
    ]


def _same(last: tuple[Numbers, list[Threshold]], values: Numbers, threshold: Threshold) -> bool:
    return last[1][0].step == threshold.step and np.array_equal(last[0], values, equal_nan=True)


def _languages(found: dict[str, dict[str, list[int]]], table: pa.Table, declared: dict[str, str | None]) -> None:
    keys = ["source", "fate", "language"]
    for row in table.group_by(keys).aggregate([("bytes", "count"), ("bytes", "sum")]).to_pylist():
        if row["fate"] == "unreadable":
            continue
        language = row["language"] or declared.get(row["source"]) or ""
        count = found.setdefault(language, {"kept": [0, 0], "removed": [0, 0]})[row["fate"]]
        count[0] += row["bytes_count"]
        count[1] += row["bytes_sum"]


def _duplicates(rows: Rows, table: pa.Table, steps: set[str]) -> None:
    table = table.filter(pc.is_valid(table["duplicate_of"]))
    if not len(table):
        return
    for name in sorted(steps & set(table["step"].to_pylist())):
        here = table.filter(pc.equal(table["step"], name))
        rows.copies.setdefault(name, Counter()).update(here["duplicate_of"].to_pylist())
        values = _numbers(here, "similarity")
        counts, _ = np.histogram(values[~np.isnan(values)], bins=SIMILARITIES, range=(0, 1))
        rows.similarity[name] = rows.similarity.get(name, np.zeros(SIMILARITIES, dtype=np.int64)) + counts
