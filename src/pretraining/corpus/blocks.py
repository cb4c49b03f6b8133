"""The blocks that run inside datatrove's pipelines.

Phase 1, per task: ReadSources → ApplyStep… → WriteCandidates. Phase 2: ReadSurvivors → WriteSplits.
The blocks of one pipeline share one ``Account``; datatrove copies the pipeline for every task, account included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from pretraining.corpus.config import Source
from pretraining.corpus.deduplicate import DUPLICATE_ID, HASHES, KEEP, hash_pair
from pretraining.corpus.ledger import Count, Ledger, SourceCount, StepCount, Unreadable
from pretraining.corpus.parquet import ParquetWriter, read_back
from pretraining.corpus.progress import Progress
from pretraining.corpus.readers import REASONS, read_file, utf8_length
from pretraining.corpus.removed import RemovedSamples, id_hash
from pretraining.corpus.steps import NamedStep
from pretraining.corpus.task import WorkFolder

SPLITS = ("train", "validation")


@dataclass
class Account:
    """What a task has done so far."""

    ledger: Ledger
    samples: RemovedSamples


def open_account(sources: dict[str, Source], steps: list[NamedStep], sample_size: int) -> Account:
    """An account with every source, step and reason, all at zero."""
    counts = [StepCount.of("read", REASONS), *(StepCount.of(s.name, s.reasons) for s in steps)]
    ledger = Ledger(counts, {name: SourceCount() for name in sources}, {split: Count() for split in SPLITS})
    return Account(ledger, RemovedSamples(sample_size))


class _Block(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    type = "corpus"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()


class ReadSources(_Block):
    """The documents of the task's files, in order; the unreadable records go to the ledger."""

    def __init__(self, account: Account, sources: dict[str, Source], work: WorkFolder, progress: Progress) -> None:
        super().__init__("read")
        self.account, self.sources, self.work, self.progress = account, sources, work, progress

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Read the task's files."""
        ledger = self.account.ledger
        advance = self.progress.counter(rank)
        for file in self.work.read_files(rank):
            for record in read_file(file, self.sources[file.source], advance):
                if isinstance(record, Unreadable):
                    ledger.lose(record)
                    continue
                size = utf8_length(record.text)
                ledger.steps[0].keep(size)
                ledger.sources[file.source].documents_in += 1
                ledger.sources[file.source].bytes_in += size
                yield record


class ApplyStep(_Block):
    """One step of the recipe; ``index`` is its place in the ledger."""

    def __init__(self, account: Account, index: int, step: NamedStep) -> None:
        super().__init__(step.name)
        self.account, self.index, self.step = account, index, step

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Edit or remove each document."""
        count = self.account.ledger.steps[self.index]
        for doc in data:
            size = utf8_length(doc.text)
            result = self.step.apply(doc.text)
            if isinstance(result, str):
                count.keep(size, size if result is doc.text else utf8_length(result))
                doc.text = result
                yield doc
            else:
                count.remove(result.reason, size)
                sample = _sample(doc, self.name, result.reason, result.value, result.threshold)
                self.account.samples.add(sample)


def _sample(doc: Document, step: str, reason: str, value: float | None, threshold: float | None) -> dict[str, Any]:
    return {
        "id": doc.id,
        "source": doc.metadata["source"],
        "step": step,
        "reason": reason,
        "value": value,
        "threshold": threshold,
        "text": doc.text,
    }


class WriteCandidates(_Block):
    """The task's surviving documents and their hashes, for the pass that looks for copies among all tasks."""

    def __init__(self, account: Account, work: WorkFolder) -> None:
        super().__init__("write candidates")
        self.account, self.work = account, work

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the candidates, then the account."""
        writer = ParquetWriter(self.work.path("candidates", rank, ".parquet"))
        hashes = []
        for doc in data:
            size = utf8_length(doc.text)
            hashes.append((hash_pair(doc.id), hash_pair(doc.text), size))
            writer.write(doc, size)
        writer.close()
        np.save(self.work.path("hashes", rank, ".npy"), np.array(hashes, dtype=HASHES))
        self.work.write_account(rank, self.account.ledger, self.account.samples.chosen())


class ReadSurvivors(_Block):
    """The candidates of a task without the copies. ``exact``: whether copies of a text are a step of the ledger."""

    def __init__(self, account: Account, work: WorkFolder, *, exact: bool) -> None:
        super().__init__("deduplicate")
        self.account, self.work, self.exact = account, work, exact

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Give out what is kept, account for what is not."""
        self.account.ledger, samples = self.work.read_account(rank)
        for sample in samples:
            self.account.samples.add(sample)
        identity = StepCount.of("identity", ["duplicate_id"])
        copies = StepCount.of("exact_deduplication", ["exact_duplicate"])
        self.account.ledger.steps += [identity, copies] if self.exact else [identity]
        fates, originals = np.load(self.work.path("decisions", rank, ".npy"))
        candidates = read_back(self.work.path("candidates", rank, ".parquet"))
        for doc, fate, original in zip(candidates, fates, originals, strict=True):
            size = utf8_length(doc.text)
            if fate != DUPLICATE_ID:
                identity.keep(size)
            if fate == KEEP:
                copies.keep(size)
                yield doc
                continue
            step, reason = (identity, "duplicate_id") if fate == DUPLICATE_ID else (copies, "exact_duplicate")
            step.remove(reason, size)
            # The number becomes the original's id when all tasks are done.
            self.account.samples.add({**_sample(doc, step.step, reason, None, None), "duplicate_of": int(original)})


class WriteSplits(_Block):
    """The kept documents of a task as train and validation files. Only a document's id decides where it goes."""

    def __init__(self, account: Account, work: WorkFolder, held_out: float) -> None:
        super().__init__("write splits")
        self.account, self.work, self.held_out = account, work, held_out

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the files, then the account."""
        writers = {split: ParquetWriter(self.work.path(split, rank, ".parquet")) for split in SPLITS}
        for doc in data:
            split = "validation" if id_hash(doc.id) / 2**64 < self.held_out else "train"
            size = utf8_length(doc.text)
            writers[split].write(doc, size)
            ledger = self.account.ledger
            ledger.splits[split].add(size)
            ledger.sources[doc.metadata["source"]].documents_kept += 1
            ledger.sources[doc.metadata["source"]].bytes_kept += size
        for writer in writers.values():
            writer.close()
        self.work.write_account(rank, self.account.ledger, self.account.samples.chosen())
