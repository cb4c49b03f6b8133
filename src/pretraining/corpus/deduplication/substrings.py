"""``substring_deduplication``: strings of at least ``min_bytes`` bytes that stand earlier in the corpus are cut.

Exact, and without a suffix array. Equal windows of ``min_bytes`` bytes have anchors of equal hash (see ``windows``), so
a window can be repeated only if one of its anchors is. While documents are signed, texts and anchors (2 in 100
bytes) go to files. ``decide`` compares the anchors, hashes every window around those that occur twice, compares these
hashes, and at last the bytes themselves: a collision of hashes cuts nothing.

Disk: the texts once, half a byte per byte of them for the anchors, 30 bytes for each window around repeated anchors
(so 30 times the text if all of it is repeated; put ``exact_deduplication`` before). Memory: one range of ``Repeats``,
one batch of windows, and the anchors of one task (its bytes once more).
"""

from __future__ import annotations

import math
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.characters import character_spans
from pretraining.corpus.deduplication.repeats import Repeats, located, numbered
from pretraining.corpus.deduplication.spans import CuttingStep, Spans, without
from pretraining.corpus.deduplication.windows import anchors, prefix_sums, span_hashes
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import Preparation, Rule

Indices = NDArray[np.int64]
BATCH = 1 << 20
"""Windows that are hashed and written together; about 60 bytes of memory each."""
PIECE = 1 << 16
"""Windows that are hashed by one prefix sum."""
MAPPED = 256
"""Tasks whose texts are mapped at a time."""


class SubstringDeduplication(CuttingStep):
    """Cut, or measure, what stood earlier in reading order byte for byte."""

    rules = (Rule("too_much_repeated", ">", "max_share", "share"),)
    edits = ("substrings_removed", "characters_removed")

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._folder: Path | None = None
        self._file: Any = None
        self._ends = array("q")

    def open(self, preparation: Preparation) -> None:
        """Texts are collected in a nameless file of the step's folder."""
        self._folder = preparation.folder

    def sign(self, draft: Draft) -> None:
        """Append the text to a file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - until `save`
        self._file.write(draft.text.encode("utf-8"))
        self._ends.append(self._file.tell())

    def save(self, folder: Path, rank: int) -> None:
        """Write the texts, their ends and their anchors."""
        texts = Texts(folder)
        with texts.path(rank).open("wb") as target:
            if self._file is not None:
                self._file.seek(0)
                shutil.copyfileobj(self._file, target, 1 << 20)
                self._file.close()
        ends = np.array(self._ends, dtype=np.int64)
        self._file, self._ends = None, array("q")
        np.save(folder / f"ends-{rank:05d}.npy", ends)
        found = list(anchors(texts.read(rank), ends, self.section.min_bytes))
        places = np.concatenate([np.empty(0, dtype=np.int64), *(places for places, _ in found)])
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *(hashes for _, hashes in found)])
        places, once = np.unique(places, return_index=True)
        np.save(folder / f"anchors-{rank:05d}.npy", places)
        Repeats(folder / "anchors").write(rank, hashes[once], numbered(rank, places))

    def decide(self, folder: Path, counts: Indices, preparation: Preparation) -> None:
        """Find the repeated strings of every task, as spans of bytes."""
        texts, size = Texts(folder), int(self.section.min_bytes)
        shutil.rmtree(folder / "windows", ignore_errors=True)
        windows = CandidateWindows(texts, Repeats(folder / "windows"), size)
        around = Repeats(folder / "anchors")
        around.resolve(len(counts))
        for rank in range(len(counts)):
            twice = np.load(folder / f"anchors-{rank:05d}.npy")[around.read(rank)[0] >= 0]
            windows.add(rank, *windows_around(twice, texts.ends(rank), size))
        windows.repeats.resolve(len(windows.ranks))
        documents = np.concatenate([[0], np.cumsum(counts)])
        for rank in range(len(counts)):
            found = list(windows.repeated(rank))
            spans = merged(np.array(found, dtype=np.int64).reshape(-1, 4), texts, documents, rank)
            spans.save(folder / f"cuts-{rank:05d}.npz")

    def run(self, draft: Draft) -> Iterator[float]:
        """The share of the characters that is repeated; with ``action: cut``, it is cut."""
        text = draft.text
        spans = self.next_cuts()
        cuts = character_spans(text, spans) if spans else []
        share = sum(end - start for start, end in cuts) / len(text) if text else math.nan
        if cuts and self.section.action == "cut":
            draft.text = without(text, cuts)
            removed = len(text) - len(draft.text)
            self.edited = {"substrings_removed": len(cuts), "characters_removed": removed}
        yield share


class Texts:
    """The texts of all tasks, one file each, mapped when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[int, tuple[NDArray[np.uint8], Indices]] = {}

    def path(self, rank: int) -> Path:
        """The file of one task."""
        return self.folder / f"texts-{rank:05d}.bin"

    def _of(self, rank: int) -> tuple[NDArray[np.uint8], Indices]:
        if rank not in self._open:
            if len(self._open) == MAPPED:
                self._open.clear()
            path = self.path(rank)
            size = path.stat().st_size
            data = np.memmap(path, dtype=np.uint8, mode="r") if size else np.empty(0, dtype=np.uint8)
            self._open[rank] = data, np.load(self.folder / f"ends-{rank:05d}.npy")
        return self._open[rank]

    def read(self, rank: int) -> NDArray[np.uint8]:
        """The UTF-8 bytes of a task's documents, one after the other."""
        return self._of(rank)[0]

    def ends(self, rank: int) -> Indices:
        """Where each document of a task ends."""
        return self._of(rank)[1]


def windows_around(places: Indices, ends: Indices, size: int) -> tuple[Indices, Indices]:
    """Ranges ``[low, high)`` of starts of windows of ``size`` bytes that hold an anchor at one of the places.

    Args:
        places: of anchors, ascending.
        ends: of the documents, in which the windows must lie.
    """
    documents = np.searchsorted(ends, places, side="right")
    begins = np.concatenate([[0], ends])
    low = np.maximum(begins[documents], places - (size - size // 2))
    high = np.minimum(ends[documents] - size, places) + 1
    there = high > low
    return disjoint(documents[there], low[there], high[there])[1:]


def disjoint(groups: Indices, low: Indices, high: Indices) -> tuple[Indices, Indices, Indices]:
    """Ranges (``low`` ascending) of which those of one group that touch have become one; groups ascend with ``low``."""
    if not len(low):
        return groups, low, high
    reach = np.maximum.accumulate(high)
    new = np.ones(len(low), dtype=bool)
    new[1:] = (low[1:] > reach[:-1]) | (groups[1:] != groups[:-1])
    heads = np.flatnonzero(new)
    return groups[heads], low[heads], np.maximum.reduceat(high, heads)


@dataclass
class CandidateWindows:
    """The windows that may be repeated, in batches that are parts of a ``Repeats``."""

    texts: Texts
    repeats: Repeats
    size: int
    ranks: list[int] = field(default_factory=list)

    def add(self, rank: int, low: Indices, high: Indices) -> None:
        """Hash the windows of a task that start in these ranges."""
        data = self.texts.read(rank)
        self.repeats.folder.mkdir(exist_ok=True)
        for starts, ends in _batches(low.tolist(), high.tolist()):
            hashes = [self._hashes(data[start : end + self.size - 1]) for start, end in zip(starts, ends, strict=True)]
            part = len(self.ranks)
            np.savez(self._ranges(part), low=starts, high=ends)
            self.ranks.append(rank)
            self.repeats.write(part, np.concatenate(hashes), numbered(rank, self._starts_of(part)))

    def _hashes(self, data: NDArray[np.uint8]) -> NDArray[np.uint64]:
        sums = prefix_sums(np.asarray(data))
        return span_hashes(sums, slice(0, len(sums) - self.size), slice(self.size, None))

    def _ranges(self, part: int) -> Path:
        return self.repeats.folder / f"ranges-{part:05d}.npz"

    def _starts_of(self, part: int) -> Indices:
        """Where in its task's texts each window of the part starts."""
        with np.load(self._ranges(part)) as ranges:
            low, high = ranges["low"], ranges["high"]
        lengths = high - low
        skipped = np.cumsum(lengths) - lengths
        starts: Indices = np.arange(lengths.sum()) + np.repeat(low - skipped, lengths)
        return starts

    def repeated(self, rank: int) -> Iterator[tuple[int, int, int, int]]:
        """(start, end, task of the twin, its start) of strings of a task that stand earlier; bytes are compared."""
        data = self.texts.read(rank)
        for part in np.flatnonzero(np.array(self.ranks, dtype=np.int64) == rank).tolist():
            first, later = self.repeats.read(part)
            here = self._starts_of(part)[later]
            breaks = np.flatnonzero((np.diff(here) != 1) | (np.diff(first[later]) != 1)) + 1
            ranks, there = located(first[later])
            for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(here)], strict=True):
                if end > begin:
                    start, twin, earlier = int(here[begin]), int(ranks[begin]), int(there[begin])
                    length = end - begin + self.size - 1
                    if np.array_equal(data[start : start + length], self.texts.read(twin)[earlier : earlier + length]):
                        yield start, start + length, twin, earlier


def _batches(low: list[int], high: list[int]) -> Iterator[tuple[list[int], list[int]]]:
    """The ranges in batches of about ``BATCH`` numbers; long ones are divided."""
    starts: list[int] = []
    ends: list[int] = []
    room = BATCH
    for start, end in zip(low, high, strict=True):
        for begin in range(start, end, PIECE):
            starts.append(begin)
            ends.append(min(begin + PIECE, end))
            room -= ends[-1] - begin
            if room <= 0:
                yield starts, ends
                starts, ends, room = [], [], BATCH
    if starts:
        yield starts, ends


def merged(found: Indices, texts: Texts, documents: Indices, rank: int) -> Spans:
    """The repeated strings of a task by document, overlapping ones as one.

    Args:
        found: [n, 4], (start, end, task of the twin, its start), starts ascending.
        documents: documents before each task.
    """
    ends = texts.ends(rank)
    numbers = np.searchsorted(ends, found[:, 0], side="right")
    groups, low, high = disjoint(numbers, found[:, 0], found[:, 1])
    twins = np.empty(len(low), dtype=np.int64)
    for i, at in enumerate(np.searchsorted(found[:, 0], low).tolist()):
        task, start = found[at, 2:].tolist()
        twins[i] = documents[task] + np.searchsorted(texts.ends(task), start, side="right")
    begins = np.concatenate([[0], ends])[groups]
    offsets = np.searchsorted(groups, np.arange(len(ends) + 1))
    return Spans(offsets.astype(np.int64), low - begins, high - begins, twins)
