"""``pretrain try``: what the steps would do to one document, or what other thresholds would remove, without a build."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.readers import read_file
from pretraining.corpus.sources import source_files, source_name
from pretraining.corpus.step import EMPTY, GlobalStep, NamedStep, Rule, apply
from pretraining.corpus.steps import named_steps
from pretraining.corpus.task import Preparations, WorkFolder
from pretraining.errors import DataError


@dataclass(frozen=True)
class Measured:
    """What one rule of one step says about the document."""

    step: str
    rule: str
    value: float
    threshold: float | None
    removes: bool
    comparison: str


@dataclass(frozen=True)
class Trial:
    """What the steps did to one document: every rule in order, what each step edited, and the text at the end."""

    measured: list[Measured]
    edits: dict[str, dict[str, int]]
    skipped: list[str]
    """Steps that compare documents, which one document alone cannot tell."""
    passed: list[str]
    """Steps that do not look at documents of this source or language."""
    text: str

    @property
    def removed_by(self) -> Measured | None:
        """The first rule that removes the document."""
        return next((each for each in self.measured if each.removes), None)


def try_text(
    section: CorpusSection, text: str, *, base: Path, language: str | None = None, source: str | None = None
) -> Trial:
    """Measure every rule on one text, also those after the first that removes it.

    Args:
        base: folder that relative paths of the recipe start from.
        language: ``code_Script``; that of the source when left out.
        source: name of the source that it shall be of; the first one when left out.

    Raises:
        DataError: there is no such source.
    """
    sources = {source_name(each): each for each in section.sources}
    name = source if source is not None else next(iter(sources))
    if name not in sources:
        raise DataError(f"the recipe has no source {name!r}\n    its sources are: {', '.join(sources)}")
    draft = Draft(text, "text", source=name, file="text", language=language or sources[name].language)
    draft.sizes.append(utf8_length(text))
    measured: list[Measured] = []
    edits: dict[str, dict[str, int]] = {}
    skipped, passed = [], []
    with _opened(section, base, measure_all=True) as steps:
        for named in steps:
            if isinstance(named.step, GlobalStep):
                skipped.append(named.name)
                continue
            if not named.concerns(draft):
                passed.append(named.name)
                continue
            verdict = apply(named.step, draft)
            for rule, value in zip(named.step.rules, draft.values[-1], strict=True):
                threshold = named.step.threshold(rule, draft.fields)
                removes = rule.removes(value, threshold)
                measured.append(Measured(named.name, rule.reason, value, threshold, removes, rule.removes_if))
            if verdict is not None and verdict.reason == EMPTY:
                measured.append(Measured(named.name, EMPTY, 0.0, None, True, ""))
            if any(draft.edits[-1].values()):
                edits[named.name] = draft.edits[-1]
    return Trial(measured, edits, skipped, passed, draft.text)


class _opened:
    """The steps of a recipe, prepared and opened in a folder that is removed afterwards."""

    def __init__(self, section: CorpusSection, base: Path, *, measure_all: bool) -> None:
        self.section, self.base = section, base
        self.steps = named_steps(section.steps, measure_all=measure_all)

    def __enter__(self) -> list[NamedStep]:
        self._folder = tempfile.TemporaryDirectory()
        work = WorkFolder(Path(self._folder.name))
        sources = {source_name(source): source for source in self.section.sources}
        preparations = Preparations(work, self.base, sources, self.section.held_out)
        for named in self.steps:
            if not isinstance(named.step, GlobalStep):
                named.step.prepare(preparations(named.name))
                named.step.open(preparations(named.name))
        return self.steps

    def __exit__(self, *error: object) -> None:
        self._folder.cleanup()


@dataclass(frozen=True)
class Swept:
    """What one threshold would remove, of the documents that reach the rule."""

    threshold: float | None
    documents: int
    removed: int
    bytes: int
    bytes_removed: int


def sweep(
    section: CorpusSection,
    key: str,
    thresholds: Sequence[float | None],
    *,
    base: Path,
    ledger: Path | None,
    documents: int,
) -> tuple[Rule, list[Swept], str]:
    """What other values of a threshold would remove.

    Args:
        key: ``step.parameter``; the step by its name in the ledger (``gopher_quality``, ``length_2``).
        ledger: the folder ``ledger/`` of a corpus that was built; its measurements are used if they have the rule.
        documents: otherwise so many documents are read from the sources and sent through the steps up to this one.

    Returns:
        The rule, a row per threshold, and where the measurements come from.

    Raises:
        DataError: there is no such step, or no rule with this threshold.
    """
    steps = named_steps(section.steps, measure_all=True)
    named, rule = _rule(steps, key)
    values, sizes = (None, None) if ledger is None else _from_ledger(ledger, named, rule)
    origin = "all documents of the corpus"
    if values is None or sizes is None:
        values, sizes = _from_sources(section, named, rule, base, documents)
        origin = f"the first {len(values):,} documents of the sources that reach the step"
    rows = []
    for threshold in thresholds:
        removed = np.array([rule.removes(value, threshold) for value in values], dtype=bool)
        rows.append(Swept(threshold, len(values), int(removed.sum()), int(sizes.sum()), int(sizes[removed].sum())))
    return rule, rows, origin


def _rule(steps: Sequence[NamedStep], key: str) -> tuple[NamedStep, Rule]:
    name, _, parameter = key.partition(".")
    for named in steps:
        if named.name == name:
            for rule in named.step.rules:
                if rule.key == parameter:
                    return named, rule
            keys = ", ".join(sorted(f"{name}.{k}" for k in named.step.threshold_keys))
            raise DataError(f"step {name!r} has no threshold {parameter!r}\n    it has: {keys or 'none'}")
    names = ", ".join(named.name for named in steps)
    raise DataError(f"the recipe has no step {name!r}\n    write step.parameter; the steps are: {names}")


def _from_ledger(
    folder: Path, named: NamedStep, rule: Rule
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | tuple[None, None]:
    """Values and bytes of all documents that reached the step."""
    column = f"{named.name}.{rule.reason}"
    values, sizes = [], []
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as parquet:
            if column not in parquet.schema_arrow.names:
                return None, None
            table = parquet.read([column, "bytes"])
        values.append(table[column].to_numpy())
        sizes.append(table["bytes"].to_numpy().astype(np.float64))
    if not values or np.isnan(np.concatenate(values)).all():
        return None, None
    found, size = np.concatenate(values), np.concatenate(sizes)
    return found[~np.isnan(found)], size[~np.isnan(found)]


def _from_sources(
    section: CorpusSection, wanted: NamedStep, rule: Rule, base: Path, documents: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, sizes = [], []
    with _opened(section, base, measure_all=False) as steps:
        before = []
        for named in steps:
            if named.name == wanted.name:
                last = named
                break
            before.append(named)
        last.step.measure_all = True
        place = last.step.rules.index(rule)
        for draft in islice(_survivors(section, before, base), documents):
            size = utf8_length(draft.text)
            apply(last.step, draft)
            values.append(draft.values[-1][place])
            sizes.append(size)
    found = np.array(values, dtype=np.float64)
    return found[~np.isnan(found)], np.array(sizes, dtype=np.float64)[~np.isnan(found)]


def _survivors(section: CorpusSection, steps: Sequence[NamedStep], base: Path) -> Iterator[Draft]:
    """Documents that the one-document steps let through."""
    for source in section.sources:
        for file in source_files(source, base):
            for draft in read_file(file, source, lambda _: None):
                if not isinstance(draft, Draft):
                    continue
                draft.sizes.append(utf8_length(draft.text))
                local = [n for n in steps if not isinstance(n.step, GlobalStep) and n.concerns(draft)]
                if all(apply(named.step, draft) is None for named in local):
                    yield draft


def rows_of(trial: Trial) -> list[dict[str, Any]]:
    """The trial as rows for a table: step, rule, value, threshold, decision."""
    first = trial.removed_by
    return [
        {
            "step": each.step,
            "rule": each.rule,
            "value": "" if math.isnan(each.value) else f"{each.value:.6g}",
            "threshold": "off" if each.threshold is None else f"removed if {each.comparison} {each.threshold:.6g}",
            "decision": "removes" if each is first else ("would remove" if each.removes else "keeps"),
        }
        for each in trial.measured
    ]
