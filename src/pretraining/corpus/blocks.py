"""The blocks that run inside datatrove's pipelines, one pipeline per pass (``build.py`` puts them together).

First pass:  ReadSources → ApplySteps → WriteMeasured;  then  ReadStore → Judge → Record → Sign.
Later ones:  ReadStore → ApplySteps → Record → (WriteStore) → Sign or WriteSplits.
Every file that a block writes is complete or absent, and datatrove marks a task as done after all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datatrove.pipeline.base import PipelineStep

from pretraining.corpus.canaries import CANARY, canary_drafts
from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.progress import Progress
from pretraining.corpus.readers import Skipped, read_file
from pretraining.corpus.removed import TEXT_SHOWN, Samples, id_hash, is_held_out
from pretraining.corpus.sections.sources import Source
from pretraining.corpus.step import EMPTY, GlobalStep, NamedStep, Verdict, apply
from pretraining.corpus.steps import Pass
from pretraining.corpus.store import (
    CORPUS_SCHEMA,
    DraftWriter,
    IdWriter,
    TableWriter,
    read_drafts,
    step_fields,
    step_values,
)
from pretraining.corpus.task import Preparations, WorkFolder, write_json

SPLITS = ("train", "validation")
CHANGES = 5
"""Samples of every editing step."""


class Block(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """A block of ours; ``type`` and ``name`` are what datatrove prints."""

    type = "corpus"

    def __init__(self, name: str, work: WorkFolder) -> None:
        self.name = name
        super().__init__()
        self.work = work


class ReadSources(Block):
    """The records of the task's files, in order; the unreadable ones go to a file of their own."""

    def __init__(
        self, work: WorkFolder, sources: dict[str, Source], canaries: list[dict[str, Any]], progress: Progress
    ) -> None:
        super().__init__("read", work)
        self.sources, self.canaries, self.progress = sources, canaries, progress

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Draft]:
        """Read the task's files."""
        advance, count = self.progress.counters(rank)
        unreadable: list[dict[str, Any]] = []
        skipped: list[dict[str, Any]] = []
        row = 0
        for file in self.work.read_files(rank):
            canary = file.source == CANARY
            for record in (
                canary_drafts(self.canaries) if canary else read_file(file, self.sources[file.source], advance)
            ):
                if isinstance(record, Skipped):
                    skipped.append(asdict(record))
                    continue
                if isinstance(record, Unreadable):
                    unreadable.append({"row": row, **asdict(record)})
                else:
                    record.row, record.hash = row, text_hash(record.text)
                    record.sizes.append(utf8_length(record.text))
                    yield record
                row += 1
                count(1)
        write_json(self.work.measured / f"skipped-{rank:05d}.json", skipped)
        write_json(self.work.measured / f"unreadable-{rank:05d}.json", unreadable)


class ApplySteps(Block):
    """The steps of a pass. ``measure_all``: a removed document goes on, to be measured by the steps after."""

    def __init__(self, work: WorkFolder, part: Pass, open_with: Preparations, measure_all: bool) -> None:
        super().__init__(part.title, work)
        self.part, self.open_with, self.measure_all = part, open_with, measure_all

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Draft]:
        """Edit, measure and judge each document."""
        for named in self.part.steps:
            named.step.open(self.open_with(named.name))
            if isinstance(named.step, GlobalStep):
                named.step.load(self.work.folder(named.name), rank)
        changes = Samples(CHANGES, ("step",))
        for draft in data:
            for i, named in enumerate(self.part.steps):
                if draft.verdict is not None and not self.measure_all:
                    break
                verdict = self._apply(i, named, draft, changes)
                if verdict is not None and draft.verdict is None:
                    draft.verdict = (i, verdict)
            yield draft
        write_json(self.work.changes(self.part.number, rank), changes.chosen())

    def _apply(self, i: int, named: NamedStep, draft: Draft, changes: Samples) -> Verdict | None:
        step = named.step
        if not concerned(named, draft):
            draft.values.append((np.nan,) * len(step.rules))
            draft.sizes.append(draft.sizes[-1])
            draft.edits.append({})
            return None
        before = draft.text
        verdict = apply(step, draft)
        if isinstance(step, GlobalStep) and draft.verdict is None:
            draft.twin = step.twin
        if draft.text is not before:
            draft.before.append((i, before[:TEXT_SHOWN]))
        if draft.text is not before and draft.source != CANARY:
            key, number = (named.name,), id_hash(draft.id)
            if changes.would_take(key, number):
                shown = None if step.private else before
                sample = {"id": draft.id, "step": named.name, "before": shown, "after": draft.text}
                changes.add(number, sample)
        return verdict


def concerned(named: NamedStep, draft: Draft) -> bool:
    """Whether a step looks at a document. Canaries stand for every source, but take nobody's place in a quota."""
    if draft.source == CANARY:
        section = named.step.section
        quota = isinstance(named.step, GlobalStep) and named.step.quota
        return not quota and (section.languages is None or draft.language in section.languages)
    return named.concerns(draft)


class WriteMeasured(Block):
    """All documents of the first pass. The text of removed ones is kept if they may be judged again, or be shown."""

    def __init__(self, work: WorkFolder, part: Pass, keep_all: bool, samples: int) -> None:
        super().__init__("write", work)
        self.part, self.keep_all, self.samples = part, keep_all, samples

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Write them."""
        shown = Samples(self.samples, ("step", "reason"))
        with DraftWriter(self.work.store(0, rank), self.part.steps) as store:
            for draft in data:
                text = draft.text
                if draft.verdict is not None and not self.keep_all:
                    at, verdict = draft.verdict
                    key, number = (self.part.steps[at].name, verdict.reason), id_hash(draft.id)
                    take = shown.would_take(key, number)
                    if take:
                        shown.add(number, {"step": key[0], "reason": key[1]})
                    text = seen_by(draft, at) if take or draft.source == CANARY else ""
                    draft.before = []
                store.write(draft, text)


class ReadStore(Block):
    """Documents of an earlier pass: all that pass 0 measured, or those that the pass before kept."""

    def __init__(self, work: WorkFolder, part: Pass, store: int, progress: Progress) -> None:
        super().__init__("read store", work)
        self.part, self.store, self.progress = part, store, progress

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Draft]:
        """Read them, in order."""
        number = self.part.number
        rows = None if number == 0 else np.load(self.work.kept(number - 1, rank))
        _, count = self.progress.counters(rank)
        for place, draft in read_drafts(
            self.work.store(self.store, rank), self.part.steps if number == 0 else (), rows
        ):
            if number:
                draft.sizes = [utf8_length(draft.text)]
            draft.place = place
            count(1)
            yield draft


class Judge(Block):
    """Decide from what was measured, so that other thresholds need no new measurement."""

    def __init__(self, work: WorkFolder, part: Pass) -> None:
        super().__init__("judge", work)
        self.part = part

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Draft]:
        """Find the first rule that removes each document."""
        for draft in data:
            draft.verdict = judge(self.part.steps, draft)
            yield draft


def judge(steps: tuple[NamedStep, ...], draft: Draft) -> tuple[int, Verdict] | None:
    """(number of the step, verdict) of the first rule that removes a document, from its values and sizes."""
    for i, (named, values) in enumerate(zip(steps, draft.values, strict=False)):
        for rule, value in zip(named.step.rules, values, strict=True):
            threshold = named.step.threshold(rule, draft.fields)
            if rule.removes(value, threshold):
                assert threshold is not None
                return i, Verdict(rule.reason, value, threshold)
        if draft.sizes[i + 1] == 0:
            return i, Verdict(EMPTY)
    return None


class Record(Block):
    """A row of the ledger for every document of the pass, and samples of the removed; only the kept ones go on."""

    def __init__(self, work: WorkFolder, part: Pass, samples: int) -> None:
        super().__init__("record", work)
        self.part, self.samples = part, samples

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Draft]:
        """Write the rows."""
        steps, number = self.part.steps, self.part.number
        removed = Samples(self.samples, ("step", "reason"))
        places = []
        contaminated: list[dict[str, Any]] = []
        with TableWriter(self.work.records(number, rank), records_schema(self.part)) as table:
            for draft in data:
                at, verdict = draft.verdict or (-1, None)
                if verdict is None:
                    fate: list[Any] = [None, None, None, None, -1]
                else:
                    value = None if np.isnan(verdict.value) else verdict.value
                    limit = None if np.isnan(verdict.threshold) else verdict.threshold
                    twin = draft.twin if isinstance(steps[at].step, GlobalStep) else -1
                    fate = [steps[at].name, verdict.reason, value, limit, twin]
                    if draft.source != CANARY:
                        removed.add(id_hash(draft.id), _sample(draft, at, fate))
                if CONTAMINATION in draft.fields and draft.source != CANARY:
                    contaminated.append(_evidence(draft, "removed" if verdict else "kept"))
                table.write([draft.row, *fate, draft.language, *step_values(steps, draft)])
                if verdict is None:
                    places.append(draft.place)
                    yield draft
        write_json(self.work.folder("removed") / f"{number}-{rank:05d}.json", removed.chosen())
        write_json(self.work.folder("contaminated") / f"{number}-{rank:05d}.json", contaminated)
        if not (number and self.part.edits):  # otherwise WriteStore counts anew
            save_array(self.work.kept(number, rank), np.array(places, dtype=np.int64))


CONTAMINATION = "contamination_items"
"""The field of a document that met a benchmark, with the benchmark's items."""
EVIDENCE = "contamination_evidence"


def _evidence(draft: Draft, fate: str) -> dict[str, Any]:
    """What a document shares with benchmarks. The words of a kept one leave its metadata: they are the benchmark's."""
    evidence = draft.fields.pop(EVIDENCE, [])
    return {"id": draft.id, "fate": fate, CONTAMINATION: draft.fields[CONTAMINATION], EVIDENCE: evidence}


def records_schema(part: Pass) -> pa.Schema:
    """Of the ledger's rows of one pass."""
    fate = [("row", pa.int64()), ("step", pa.string()), ("reason", pa.string())]
    numbers = [("value", pa.float64()), ("threshold", pa.float64()), ("twin", pa.int64())]
    return pa.schema([*fate, *numbers, ("language", pa.string()), *step_fields(part.steps)])


def seen_by(draft: Draft, at: int) -> str:
    """The beginning of the text as step ``at`` of the pass found it, before its own edits and all later ones."""
    return next((beginning for i, beginning in draft.before if i >= at), draft.text[:TEXT_SHOWN])


def _sample(draft: Draft, at: int, fate: list[Any]) -> dict[str, Any]:
    step, reason, value, threshold, twin = fate
    sample = {"id": draft.id, "source": draft.source, "step": step, "reason": reason}
    sample |= {"value": value, "threshold": threshold, "text": seen_by(draft, at)}
    return sample if twin == -1 else {**sample, "duplicate_of": twin}


class WriteStore(Block):
    """The documents that a pass kept, where it may have edited them."""

    def __init__(self, work: WorkFolder, part: Pass) -> None:
        super().__init__("write store", work)
        self.part = part

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Draft]:
        """Write them, and pass them on."""
        with DraftWriter(self.work.store(self.part.number, rank), ()) as store:
            count = 0
            for draft in data:
                draft.before = []
                store.write(draft, draft.text)
                count += 1
                yield draft
        save_array(self.work.kept(self.part.number, rank), np.arange(count))


class Sign(Block):
    """Show the documents to the global step that comes next."""

    def __init__(self, work: WorkFolder, named: NamedStep, open_with: Preparations) -> None:
        super().__init__(f"sign for {named.name}", work)
        self.named, self.open_with = named, open_with

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Sign, and remember the ids by number."""
        step, folder = self.named.step, self.work.folder(self.named.name)
        assert isinstance(step, GlobalStep)
        step.open(self.open_with(self.named.name))
        ids = IdWriter()
        for draft in data:
            if concerned(self.named, draft):
                step.sign(draft)
                ids.add(draft.id)
        step.save(folder, rank)
        ids.save(folder, rank)


class WriteSplits(Block):
    """The kept documents of a task as train and validation files. Only a document's id decides where it goes."""

    def __init__(self, work: WorkFolder, held_out: float) -> None:
        super().__init__("write splits", work)
        self.held_out = held_out

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the files; the canaries go to a file of their own."""
        canaries = {}
        paths = {split: self.work.folder("splits") / f"{split}-{rank:05d}.parquet" for split in SPLITS}
        with (
            TableWriter(paths["train"], CORPUS_SCHEMA, always=False) as train,
            TableWriter(paths["validation"], CORPUS_SCHEMA, always=False) as validation,
        ):
            for draft in data:
                if draft.source == CANARY:
                    canaries[draft.id] = draft.text
                else:
                    table = validation if is_held_out(draft.id, self.held_out) else train
                    fields = json.dumps(draft.fields, sort_keys=True)
                    table.write([draft.id, draft.text, draft.source, fields], len(draft.text))
        write_json(self.work.folder("canaries") / f"{rank:05d}.json", canaries)


def text_hash(text: str) -> str:
    """128 bits of blake2b, in hexadecimal."""
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16).hexdigest()


def save_array(path: Path, array: Any) -> None:
    """Complete or absent."""
    temporary = path.with_name(path.name + ".part.npy")
    np.save(temporary, array)
    os.replace(temporary, path)
