"""From the work folder to the output: consecutive file names, the ledger, the samples."""

from __future__ import annotations

import difflib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pretraining.corpus.blocks import CHANGES, EVIDENCE, SPLITS
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.decontamination.index import contamination_table
from pretraining.corpus.decontamination.step import Decontamination
from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.deduplication.held_out import HeldOutNeighbours
from pretraining.corpus.ledger import Ledger
from pretraining.corpus.privacy.finder import redact
from pretraining.corpus.readers import REASONS
from pretraining.corpus.records import Twins
from pretraining.corpus.removed import merged
from pretraining.corpus.report.card import write_dataset_card
from pretraining.corpus.report.data import gather
from pretraining.corpus.report.page import write_corpus_report
from pretraining.corpus.sections.privacy import PATTERN_TYPES, PrivacyStep
from pretraining.corpus.sources import source_name
from pretraining.corpus.steps import Pass
from pretraining.corpus.store import Ids, counts_of
from pretraining.corpus.task import WorkFolder, read_json
from pretraining.errors import DataError


def require_readable(ledger: Ledger, section: CorpusSection) -> None:
    """Every source has given a document, or at least something that could have been one.

    Raises:
        DataError: with the first records that could not be read, and what to do.
    """
    for source in section.sources:
        name = source_name(source)
        if name not in ledger.sources:
            raise DataError(f"source {name!r} holds no record: only blank lines or no rows\n    correct its path")
        read = ledger.sources[name].steps[0]
        if read.documents_out == 0:
            first = [record for record in ledger.unreadable if record.source == name][:3]
            shown = [f"    {r.file}{f', record {r.record}' if r.record else ''}: {r.reason}" for r in first]
            fixes = [f"    {reason}: {REASONS[reason]}" for reason in dict.fromkeys(r.reason for r in first)]
            many = f"none of the {read.documents_in:,} records of source {name!r} can be read:"
            what = many if read.documents_in > 1 else f"the only record of source {name!r} cannot be read:"
            raise DataError("\n".join([what, *shown, *fixes]))


def require_documents(ledger: Ledger, section: CorpusSection) -> None:
    """There is something to train on, and something to evaluate on where that was asked for.

    Raises:
        DataError: with what removed the documents.
    """
    total = ledger.total
    held_out, kept = total.splits["validation"].documents, total.steps[-1].documents_out
    if kept and section.held_out and not held_out:
        raise DataError(
            f"corpus.held_out = {section.held_out} holds out none of the {kept:,} documents\n"
            "    raise it, so that there is something to evaluate on"
        )
    if kept > held_out:
        return
    read = total.steps[0].documents_out
    removed = [
        f"    {step.step}: {reason}: {count.documents:,} documents"
        for step in total.steps[1:]
        for reason, count in step.removed.items()
        if count.documents
    ]
    if held_out:
        removed.append(f"    held out: {held_out:,} documents (corpus.held_out = {section.held_out})")
    fix = "    loosen `corpus.steps` or give more text, or lower corpus.held_out"
    raise DataError("\n".join([f"no document of {read:,} is left to train on:", *removed, fix]))


def publish(
    work: WorkFolder,
    section: CorpusSection,
    parts: Sequence[Pass],
    ledger: Ledger,
    *,
    output: Path,
    canaries: list[dict[str, Any]],
    tasks: int,
) -> dict[str, Any]:
    """Fill ``output`` from the work folder, which stays as it is. Returns what ``ledger.json`` holds."""
    for split in SPLITS:
        _number(output, split, [work.folder("splits") / f"{split}-{rank:05d}.parquet" for rank in range(tasks)])
    (output / "ledger").mkdir()
    _number(output / "ledger", "part", [work.folder("ledger") / f"ledger-{rank:05d}.parquet" for rank in range(tasks)])
    mask = _mask(section)
    _write_samples(output / "removed", _removed(work, section, parts, tasks, mask))
    _write_samples(output / "changed", _changed(work, parts, tasks, mask))
    data = ledger.to_json()
    for source in section.sources:
        about = {"license": source.license, "language": source.language, "domain": source.domain}
        data["sources"][source_name(source)] |= about
    data["skipped"] = _skipped(work, tasks)
    data["canaries"] = canaries
    contaminated = _contaminated(work, parts, tasks)
    data["contamination"] = {
        named.name: contamination_table(work.step(named.name), contaminated.values())
        for part in parts
        for named in part.steps
        if isinstance(named.step, Decontamination)
    }
    if contaminated:
        _write_lines(output / "contamination.jsonl", contaminated.values())
    if section.keep_signatures:
        _keep_signatures(work, parts, output, tasks, section.canaries)
    (output / "ledger.json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    facts = gather(output, section.model_dump(mode="json"))
    write_corpus_report(facts, output / "report.html")
    write_dataset_card(facts, output / "README.md")
    return data


def _number(folder: Path, name: str, paths: Iterable[Path]) -> None:
    """Give the files that exist consecutive names."""
    found = [path for path in paths if path.exists()]
    for number, path in enumerate(found):
        target = folder / f"{name}-{number:05d}-of-{len(found):05d}.parquet"
        try:
            os.link(path, target)
        except OSError:  # the work folder is on another disk, or the disk knows no links
            shutil.copyfile(path, target)


def _skipped(work: WorkFolder, tasks: int) -> dict[str, dict[str, dict[str, int]]]:
    """Records that were never documents, by source and kind: neither read nor lost."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for rank in range(tasks):
        for each in read_json(work.measured / f"skipped-{rank:05d}.json"):
            count = found.setdefault(each["source"], {}).setdefault(each["kind"], {"records": 0, "bytes": 0})
            count["records"] += each["records"]
            count["bytes"] += each["bytes"]
    return found


def _contaminated(work: WorkFolder, parts: Sequence[Pass], tasks: int) -> dict[str, dict[str, Any]]:
    """What each document that met a benchmark shares with it, by id; the last pass that saw it says its fate."""
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        for rank in range(tasks):
            for each in read_json(work.folder("contaminated") / f"{part.number}-{rank:05d}.json"):
                evidence = each[EVIDENCE] or found.get(each["id"], {}).get(EVIDENCE, [])
                found[each["id"]] = {**each, EVIDENCE: evidence}
    return found


def _keep_signatures(work: WorkFolder, parts: Sequence[Pass], output: Path, tasks: int, canaries: bool) -> None:
    """What a later release needs to remove copies of this one, for every step that removes whole documents."""
    kept = [_kept_ids(work, rank) for rank in range(tasks)]
    for part in parts[1:]:
        named = part.steps[0]
        if isinstance(named.step, DocumentDeduplication) and not isinstance(named.step, HeldOutNeighbours):
            folder = work.folder(named.name)
            counts = counts_of(folder, tasks + canaries)
            ids = Ids(folder, counts)
            starts = [int(counts[:rank].sum()) for rank in range(len(counts))]
            by_task = (
                [
                    id_ if rank < tasks and (id_ := ids[number]) in kept[rank] else None
                    for number in range(start, start + int(count))
                ]
                for rank, (start, count) in enumerate(zip(starts, counts, strict=True))
            )
            named.step.export_signatures(folder, by_task, output / "signatures" / named.name)


def _kept_ids(work: WorkFolder, rank: int) -> set[str]:
    path = work.folder("ledger") / f"ledger-{rank:05d}.parquet"
    if not path.exists():
        return set()
    rows = pq.read_table(path, columns=["id", "fate"])
    return {id_ for id_, fate in zip(*(column.to_pylist() for column in rows.columns), strict=True) if fate == "kept"}


Mask = Callable[[str], str]


def _mask(section: CorpusSection) -> Mask:
    """What the ``privacy`` step of the recipe replaces is not shown in samples from before that step either."""
    steps = [step for step in section.steps if isinstance(step, PrivacyStep)]
    types = tuple(type_ for type_ in PATTERN_TYPES if any(type_ in step.types for step in steps))
    regions = tuple(dict.fromkeys(region for step in steps for region in step.regions))
    return (lambda text: redact(text, types, regions)[0]) if types else (lambda text: text)


def _removed(
    work: WorkFolder, section: CorpusSection, parts: Sequence[Pass], tasks: int, mask: Mask
) -> dict[str, list[dict[str, Any]]]:
    """Samples by file name, with the ids of the documents that they repeat."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        twins = Twins(work, part, tasks + section.canaries)
        lists = [read_json(work.folder("removed") / f"{part.number}-{rank:05d}.json") for rank in range(tasks)]
        for sample in merged(section.removed_samples, ("step", "reason"), lists):
            if "duplicate_of" in sample:
                sample["duplicate_of"] = twins.ids(np.array([sample["duplicate_of"]]))[0]
            sample["text"] = mask(sample["text"])
            found.setdefault(f"{sample['step']}-{sample['reason']}", []).append(sample)
    return found


def _changed(work: WorkFolder, parts: Sequence[Pass], tasks: int, mask: Mask) -> dict[str, list[dict[str, Any]]]:
    """Samples of edits by step; the difference as a unified diff, or the result alone where it must not be shown."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part in parts:
        lists = [read_json(work.changes(part.number, rank)) for rank in range(tasks)]
        for sample in merged(CHANGES, ("step",), lists):
            before, after = sample.pop("before"), sample.pop("after")
            if before is None:
                sample["after"] = after[:DIFF_SHOWN]
            else:
                old, new = (mask(text[:TEXT_COMPARED]).split("\n") for text in (before, after))
                lines = difflib.unified_diff(old, new, lineterm="", n=1)
                sample["diff"] = "\n".join(line[:DIFF_SHOWN] for _, line in zip(range(DIFF_LINES), lines, strict=False))
            found.setdefault(sample["step"], []).append(sample)
    return found


TEXT_COMPARED = 20_000
"""Characters of the two texts that a difference is made of."""
DIFF_LINES, DIFF_SHOWN = 60, 1000
"""So many lines of a difference, and characters of each, are shown."""


def _write_samples(folder: Path, files: dict[str, list[dict[str, Any]]]) -> None:
    folder.mkdir()
    for name, samples in files.items():
        _write_lines(folder / f"{name}.jsonl", samples)


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
