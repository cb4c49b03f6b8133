"""The corpus stage: raw text in; Parquet, ledger and samples of what was removed out."""

from __future__ import annotations

import json
import shutil
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from datatrove.pipeline.base import PipelineStep

from pretraining.corpus.blocks import (
    SPLITS,
    ApplyStep,
    ReadSources,
    ReadSurvivors,
    WriteCandidates,
    WriteSplits,
    open_account,
)
from pretraining.corpus.config import CorpusSection, Source
from pretraining.corpus.deduplicate import decide
from pretraining.corpus.executor import TaskExecutor, worker_pool
from pretraining.corpus.ledger import Ledger
from pretraining.corpus.progress import Progress, progress_bar
from pretraining.corpus.readers import REASONS
from pretraining.corpus.removed import RemovedSamples, removed_samples
from pretraining.corpus.sources import source_files, source_name
from pretraining.corpus.steps import named_steps
from pretraining.corpus.task import WorkFolder, cut_tasks
from pretraining.errors import DataError


def build_corpus(section: CorpusSection, output: Path, *, base: Path, progress: bool = True) -> dict[str, Any]:
    """Read all sources, apply the steps, remove copies, hold out documents.

    Writes ``train-*.parquet`` and ``validation-*.parquet`` (columns id, text, source, metadata), ``ledger.json``
    and ``removed/<step>-<reason>.jsonl``. The bytes depend on the section and the input alone, not on the workers.

    Args:
        output: an existing, empty folder.
        base: folder that the relative paths of the sources start from (the recipe's).
        progress: show a bar, if the terminal is interactive.

    Returns:
        What ``ledger.json`` holds; all sizes are UTF-8 bytes of text (raw bytes of unreadable records).

    Raises:
        DataError: a source is missing, empty, or has no readable record, or nothing is kept.
    """
    sources = _by_name(section)
    files = [file for source in section.sources for file in source_files(source, base)]
    tasks = cut_tasks(files, section.executor.shard_bytes)
    work = WorkFolder(output / ".work")
    work.root.mkdir()
    try:
        for rank, task in enumerate(tasks):
            work.write_files(rank, task)
        bytes_read = Progress(work.root / "progress", len(tasks))
        workers = min(section.executor.workers, len(tasks))
        with progress_bar(bytes_read, sum(file.size for file in files), show=progress), worker_pool(workers) as pool:
            executor = TaskExecutor(
                _cleaning(section, sources, work, bytes_read), tasks=len(tasks), logs=work.root / "1"
            )
            executor.run(pool)
            _require_readable(_total(work, len(tasks)), section)
            starts = _decide(section, work, len(tasks))
            executor = TaskExecutor(_splitting(section, sources, work), tasks=len(tasks), logs=work.root / "2")
            executor.run(pool)
        ledger = _total(work, len(tasks))
        ledger.check()
        _require_documents(ledger, section)
        _publish(work, len(tasks), output)
        _samples(section, work, len(tasks), starts).write(output / "removed")
    finally:
        shutil.rmtree(work.root, ignore_errors=True)
    return _write_ledger(ledger, sources, output)


def _by_name(section: CorpusSection) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for source in section.sources:
        name = source_name(source)
        if name in sources:
            raise DataError(f"two sources are called {name!r}\n    give each its own `name`")
        sources[name] = source
    return sources


def _cleaning(
    section: CorpusSection, sources: dict[str, Source], work: WorkFolder, bytes_read: Progress
) -> list[PipelineStep]:
    steps = named_steps(section.steps)
    account = open_account(sources, steps, section.removed_samples)
    return [
        ReadSources(account, sources, work, bytes_read),
        *(ApplyStep(account, index, step) for index, step in enumerate(steps, start=1)),
        WriteCandidates(account, work),
    ]


def _decide(section: CorpusSection, work: WorkFolder, tasks: int) -> np.ndarray[Any, Any]:
    """Find the copies among all tasks; tell each task what happens to its documents. Returns where each task starts."""
    hashes = [np.load(work.path("hashes", rank, ".npy")) for rank in range(tasks)]
    starts = np.cumsum([0, *map(len, hashes)])
    decisions = decide(np.concatenate(hashes), exact=section.deduplication.exact)
    table = np.stack([decisions.fate.astype(np.int64), decisions.original])
    for rank in range(tasks):
        np.save(work.path("decisions", rank, ".npy"), table[:, starts[rank] : starts[rank + 1]])
    return starts


def _splitting(section: CorpusSection, sources: dict[str, Source], work: WorkFolder) -> list[PipelineStep]:
    account = open_account(sources, [], section.removed_samples)
    return [
        ReadSurvivors(account, work, exact=section.deduplication.exact),
        WriteSplits(account, work, section.held_out),
    ]


def _total(work: WorkFolder, tasks: int) -> Ledger:
    return reduce(add, (work.read_account(rank)[0] for rank in range(tasks)))


def _require_readable(ledger: Ledger, section: CorpusSection) -> None:
    for source in section.sources:
        name = source_name(source)
        count = ledger.sources[name]
        if count.documents_in == 0:
            raise DataError(f"source {name!r} holds no record: only blank lines or no rows\n    correct its path")
        if count.unreadable == count.documents_in:
            first = [record for record in ledger.unreadable if record.source == name][:3]
            shown = [f"    {r.file}{f', record {r.record}' if r.record else ''}: {r.reason}" for r in first]
            fixes = [f"    {reason}: {REASONS[reason]}" for reason in dict.fromkeys(r.reason for r in first)]
            what = f"none of the {count.documents_in} records of source {name!r} can be read:"
            raise DataError("\n".join([what, *shown, *fixes]))


def _require_documents(ledger: Ledger, section: CorpusSection) -> None:
    held_out = ledger.splits["validation"].documents
    kept = held_out + ledger.splits["train"].documents
    if kept and section.held_out and not held_out:
        raise DataError(
            f"corpus.held_out = {section.held_out} holds out none of the {kept:,} documents\n"
            "    raise it, so that there is something to evaluate on"
        )
    if kept > held_out:
        return
    read = ledger.steps[0].documents_out
    removed = [
        f"    {step.step}: {reason}: {count.documents:,} documents"
        for step in ledger.steps[1:]
        for reason, count in step.removed.items()
        if count.documents
    ]
    if held_out:
        removed.append(f"    held out: {held_out:,} documents (corpus.held_out = {section.held_out})")
    fix = "    loosen `corpus.steps` or give more text, or lower corpus.held_out"
    raise DataError("\n".join([f"no document of {read:,} is left to train on:", *removed, fix]))


def _publish(work: WorkFolder, tasks: int, output: Path) -> None:
    """Move the files of tasks that have documents to their final, consecutive numbers."""
    for split in SPLITS:
        paths = [path for rank in range(tasks) if (path := work.path(split, rank, ".parquet")).exists()]
        for number, path in enumerate(paths):
            path.rename(output / f"{split}-{number:05d}-of-{len(paths):05d}.parquet")


def _samples(section: CorpusSection, work: WorkFolder, tasks: int, starts: np.ndarray[Any, Any]) -> RemovedSamples:
    """The samples of all tasks, with the ids of the documents that the copies repeat."""
    samples = removed_samples(section.removed_samples, (work.read_account(rank)[1] for rank in range(tasks)))
    chosen = [sample for sample in samples.chosen() if "duplicate_of" in sample]
    for rank in range(tasks):
        mine = [s for s in chosen if isinstance(s["duplicate_of"], int) and s["duplicate_of"] < starts[rank + 1]]
        if mine:
            ids = pq.read_table(work.path("candidates", rank, ".parquet"), columns=["id"])["id"]
            for sample in mine:
                sample["duplicate_of"] = ids[sample["duplicate_of"] - int(starts[rank])].as_py()
    return samples


def _write_ledger(ledger: Ledger, sources: dict[str, Source], output: Path) -> dict[str, Any]:
    data = {**ledger.totals(), **ledger.to_json()}
    for name, source in sources.items():
        data["sources"][name] |= {"license": source.license, "language": source.language}
    (output / "ledger.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return data
