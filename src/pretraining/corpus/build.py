"""The corpus stage: raw text in; Parquet, ledger and samples of what was removed and changed out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from pretraining.corpus.blocks import (
    ApplySteps,
    Judge,
    ReadSources,
    ReadStore,
    Record,
    Sign,
    WriteMeasured,
    WriteSplits,
    WriteStore,
)
from pretraining.corpus.canaries import CANARY, Canary, benchmark_canaries, known_canaries, to_json
from pretraining.corpus.canary_fates import expectations, require_fates
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.executors import RunTasks, executing
from pretraining.corpus.ledger import Ledger
from pretraining.corpus.progress import Progress, progress_bar
from pretraining.corpus.publish import publish, require_documents, require_readable
from pretraining.corpus.readers import split
from pretraining.corpus.records import WriteLedger, read_sums
from pretraining.corpus.sections.sources import Source
from pretraining.corpus.sources import SourceFile, source_files, source_name
from pretraining.corpus.step import GlobalStep
from pretraining.corpus.steps import Pass, all_steps, passes
from pretraining.corpus.store import counts_of
from pretraining.corpus.task import Preparations, WorkFolder, cut_tasks, read_json
from pretraining.errors import DataError


def build_corpus(
    section: CorpusSection,
    output: Path,
    *,
    base: Path,
    work: Path | None = None,
    inputs: str = "",
    progress: bool = True,
) -> dict[str, Any]:
    """Read all sources, apply the steps, remove copies, hold out documents.

    Writes ``train-*.parquet`` and ``validation-*.parquet`` (columns id, text, source, metadata), ``ledger.json``,
    ``ledger/*.parquet`` (a row per record), ``removed/`` and ``changed/`` (samples).
    The bytes depend on the section and the input alone, not on the workers, nor on stops in between.

    Args:
        output: an existing, empty folder.
        base: folder that the relative paths of the sources start from (the recipe's).
        work: folder for what is between; a build that was stopped goes on from there. The caller removes it
            (``tidy``). In ``output``, and removed, when left out.
        inputs: fingerprint of code and source files; a work folder of other inputs is thrown away.
        progress: show bars, if the terminal is interactive.

    Returns:
        What ``ledger.json`` holds; all sizes are UTF-8 bytes of text (raw bytes of unreadable records).

    Raises:
        DataError: a source is missing, empty, or has no readable record, something that a step needs is missing,
            or nothing is kept.
        CanaryError: a known document met the wrong fate.
    """
    own = work is None
    folder = output / ".work" if work is None else work
    try:
        return _Build(section, output, base=base, folder=folder, inputs=inputs, progress=progress).run()
    finally:
        if own:
            shutil.rmtree(folder, ignore_errors=True)


def tidy(section: CorpusSection, work: Path) -> None:
    """After the output is in its place: remove what no later build can use."""
    shutil.rmtree(WorkFolder(work).passes, ignore_errors=True)
    if not section.keep_measurements:
        shutil.rmtree(work, ignore_errors=True)


def not_measured_for(section: CorpusSection, work: Path, inputs: str) -> list[str]:
    """Why ``work`` does not hold measurements from which the section can be decided anew; empty if it does."""
    if not section.keep_measurements:
        return ["corpus.keep_measurements is false"]
    before = WorkFolder(work).measured_from
    if before is None:
        return ["nothing was measured"]
    now = made_from(section, passes(all_steps(section)), inputs)[0]
    changed = [f"corpus.{key} changed" for key in _differences(before["section"], now["section"])]
    return changed + (["the input or this program changed"] if before["inputs"] != now["inputs"] else [])


def made_from(section: CorpusSection, parts: list[Pass], inputs: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the first pass measures, the whole output): all that they depend on."""
    whole = section.model_dump(mode="json")
    whole["executor"] = {"shard_bytes": section.executor.shard_bytes}
    keys = ("sources", "held_out", "canaries", "keep_measurements", "executor")
    measured = {key: whole[key] for key in keys}
    measured["steps"] = whole["steps"][: len(parts[0].steps)]
    if section.keep_measurements:
        skip = [named.step.threshold_keys for named in parts[0].steps]
        pairs = zip(measured["steps"], skip, strict=True)
        measured["steps"] = [{k: v for k, v in step.items() if k not in keys} for step, keys in pairs]
    else:
        measured["removed_samples"] = section.removed_samples
    return {"inputs": inputs, "section": measured}, {"inputs": inputs, "section": whole}


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Paths at which two plain values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(old, new, f"{path}[{i}]")
    elif before != now:
        yield path


class _Build:
    def __init__(
        self, section: CorpusSection, output: Path, *, base: Path, folder: Path, inputs: str, progress: bool
    ) -> None:
        self.section, self.output, self.base, self.progress = section, output, base, progress
        self.sources = _by_name(section)
        shard = section.executor.shard_bytes
        files = [
            part
            for source in section.sources
            for file in source_files(source, base)
            for part in split(file, source, shard)
        ]
        self.tasks = cut_tasks(files, shard)
        self.total_bytes = sum(file.size for file in files)
        self.canaries: list[Canary] = []
        if section.canaries:  # last, so that a canary never comes before a document
            self.tasks.append([SourceFile(CANARY, "", "", 0)])
            self.canaries = [*known_canaries(), *benchmark_canaries(section.steps, base)]
        self.parts = passes(all_steps(section))
        self.work = WorkFolder(folder)
        self.work.open(*made_from(section, self.parts, inputs))
        self.open_with = Preparations(self.work, base, self.sources, section.held_out)

    def run(self) -> dict[str, Any]:
        """All passes, then the ledger, the checks, and the output."""
        self._prepare()
        for rank, files in enumerate(self.tasks):
            self.work.write_files(rank, files)
        with executing(self.section.executor, len(self.tasks)) as run_tasks:
            for part in self.parts:
                self._pass(part, run_tasks)
            ledger_of_task = WriteLedger(self.work, self.parts, self.section.held_out, len(self.tasks))
            self._execute([ledger_of_task], "ledger", run_tasks, bar=nullcontext())
        real = len(self.tasks) - bool(self.section.canaries)
        paths = [self.work.folder("ledger") / f"ledger-{rank:05d}.json" for rank in range(real)]
        ledger: Ledger = reduce(add, map(read_sums, paths))
        ledger.check()
        require_readable(ledger, self.section)
        canaries = self._canaries() if self.canaries else []
        require_documents(ledger, self.section)
        return publish(self.work, self.section, self.parts, ledger, output=self.output, canaries=canaries, tasks=real)

    def _canaries(self) -> list[dict[str, Any]]:
        rows = read_json(self.work.folder("ledger") / "canaries.json")
        texts = read_json(self.work.folder("canaries") / f"{len(self.tasks) - 1:05d}.json")
        steps = [named for part in self.parts for named in part.steps]
        return require_fates(expectations(steps, self.canaries, rows, texts))

    def _prepare(self) -> None:
        for part in self.parts:
            for named in part.steps:
                done = self.work.step(named.name) / "prepared"
                if not done.exists():
                    named.step.prepare(self.open_with(named.name))
                    done.touch()

    def _pass(self, part: Pass, run_tasks: RunTasks) -> None:
        samples = self.section.removed_samples
        documents = 0
        if part.number == 0:
            reading = ReadSources(self.work, self.sources, to_json(self.canaries), self._counter("read"))
            measuring = ApplySteps(self.work, part, self.open_with, self.section.keep_measurements)
            writing = WriteMeasured(self.work, part, self.section.keep_measurements, samples)
            bar = progress_bar(part.title, reading.progress, bytes=self.total_bytes, show=self.progress)
            self._execute([reading, measuring, writing], "measure", run_tasks, bar=bar)
            (self.work.measured / "complete").touch()
            blocks = [ReadStore(self.work, part, 0, self._counter("judge")), Judge(self.work, part)]
        else:
            documents = int(counts_of(self.work.folder(part.steps[0].name), len(self.tasks)).sum())
            store = max((p.number for p in self.parts[: part.number] if p.number == 0 or p.edits), default=0)
            reading_store = ReadStore(self.work, part, store, self._counter(f"pass-{part.number}"))
            blocks = [reading_store, ApplySteps(self.work, part, self.open_with, False)]
        blocks.append(Record(self.work, part, samples))
        if part.following is None:
            blocks.append(WriteSplits(self.work, self.section.held_out))
        else:
            if part.number and part.edits:
                blocks.append(WriteStore(self.work, part))
            blocks.append(Sign(self.work, part.following, self.open_with))
        bar = progress_bar(part.title, blocks[0].progress, documents=documents, show=self.progress)
        self._execute(blocks, f"pass-{part.number}", run_tasks, bar=bar)
        if part.following is not None:
            self._decide(part)

    def _decide(self, part: Pass) -> None:
        assert part.following is not None and isinstance(part.following.step, GlobalStep)
        name = part.following.name
        folder = self.work.folder(name)
        done = folder / "decided"
        if not done.exists():
            step, preparation = part.following.step, self.open_with(name)
            step.open(preparation)
            step.decide(folder, counts_of(folder, len(self.tasks)), preparation)
            done.touch()

    def _counter(self, name: str) -> Progress:
        return Progress(self.work.passes / f"progress-{name}", len(self.tasks))

    def _execute(
        self,
        blocks: list[PipelineStep],
        name: str,
        run_tasks: RunTasks,
        *,
        bar: AbstractContextManager[None],
    ) -> None:
        root = self.work.measured if name == "measure" else self.work.passes
        with bar:
            run_tasks(blocks, root / "tasks" / name)


def _by_name(section: CorpusSection) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for source in section.sources:
        name = source_name(source)
        if name in sources or name == CANARY:
            what = f"two sources are called {name!r}" if name in sources else f"a source cannot be called {name!r}"
            raise DataError(f"{what}\n    give each its own `name`")
        sources[name] = source
    return sources
