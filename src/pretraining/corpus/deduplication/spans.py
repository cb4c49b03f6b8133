"""Spans of documents that are to be cut, and a step that finds them among all documents."""

from __future__ import annotations

import re
from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.repeats import Repeats, located, numbered
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import GlobalStep, Preparation

Span = tuple[int, int]
"""First character, and the one after the last."""


@dataclass(frozen=True)
class Spans:
    """Spans of the documents of one task: those of document i are ``starts[offsets[i] : offsets[i + 1]]``.

    Attributes:
        offsets: [documents + 1].
        starts, ends: [spans].
        twins: [spans], the document (number over all tasks) in which each stood first; -1 where nobody asked.
    """

    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    twins: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """Write them as npz."""
        np.savez(path, offsets=self.offsets, starts=self.starts, ends=self.ends, twins=self.twins)

    @classmethod
    def load(cls, path: Path) -> Spans:
        """Read what ``save`` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)

    def only(self, chosen: NDArray[np.bool_], twins: NDArray[np.int64]) -> Spans:
        """The chosen spans [spans], with their twins [chosen]."""
        kept = np.concatenate([[0], np.cumsum(chosen)])
        return Spans(kept[self.offsets], self.starts[chosen], self.ends[chosen], twins)

    def by_document(self) -> Iterator[tuple[list[Span], int]]:
        """For each document its spans, and the twin of the first (-1: it has none)."""
        offsets, starts, ends = self.offsets.tolist(), self.starts.tolist(), self.ends.tolist()
        for begin, end in zip(offsets, offsets[1:], strict=False):
            twin = int(self.twins[begin]) if end > begin else -1
            yield list(zip(starts[begin:end], ends[begin:end], strict=True)), twin


class SpanCollector:
    """Spans and their hashes, document by document: 24 bytes a span."""

    def __init__(self) -> None:
        self.offsets, self.starts, self.ends, self.hashes = array("q", [0]), array("q"), array("q"), array("Q")
        self.hashed = array("q", [0])

    def add(self, spans: Iterable[Span], hashes: Iterable[int]) -> None:
        """The next document."""
        for start, end in spans:
            self.starts.append(start)
            self.ends.append(end)
        self.hashes.extend(hashes)
        self.offsets.append(len(self.starts))
        self.hashed.append(len(self.hashes))

    def spans(self) -> Spans:
        """All of them."""
        offsets, starts, ends = (np.array(a, dtype=np.int64) for a in (self.offsets, self.starts, self.ends))
        return Spans(offsets, starts, ends, np.full(len(starts), -1))


class CuttingStep(GlobalStep):
    """A global step whose ``decide`` writes the spans to cut of each task, as ``cuts-<rank>.npz``."""

    def load(self, folder: Path, rank: int) -> None:
        """Read what is to be cut."""
        self._cuts = Spans.load(folder / f"cuts-{rank:05d}.npz").by_document()

    def next_cuts(self) -> list[Span]:
        """What to cut from the next document; ``twin`` becomes the document in which the first of it stood first."""
        spans, self.twin = next(self._cuts)
        return spans


class SpanStep(CuttingStep):
    """Cuts units (lines, sentences) because they, or runs of them, occurred before.

    Subclasses implement ``units`` and ``run``, where ``self.next_cuts()`` gives the spans to cut.

    Attributes:
        run_length: so many consecutive units are one thing that may repeat.
    """

    run_length = 1

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._collected = SpanCollector()

    @abstractmethod
    def units(self, draft: Draft) -> tuple[list[Span], list[int]]:
        """The document's units, and 64 bits for each run of ``run_length`` units (none where there are fewer)."""

    def sign(self, draft: Draft) -> None:
        """Remember the units: 24 bytes each."""
        self._collected.add(*self.units(draft))

    def save(self, folder: Path, rank: int) -> None:
        """Write spans and hashes."""
        collected, self._collected = self._collected, SpanCollector()
        collected.spans().save(folder / f"units-{rank:05d}.npz")
        hashed = np.array(collected.hashed, dtype=np.int64)
        np.save(folder / f"hashed-{rank:05d}.npy", hashed)
        documents = np.repeat(np.arange(len(hashed) - 1), np.diff(hashed))
        hashes = np.array(collected.hashes, dtype=np.uint64)
        Repeats(folder / "repeats").write(rank, hashes, numbered(rank, documents))

    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """Every unit of a run that occurred before, in reading order, is cut."""
        repeats = Repeats(folder / "repeats")
        repeats.resolve(len(counts))
        documents = np.cumsum(counts) - counts
        for rank in range(len(counts)):
            units = Spans.load(folder / f"units-{rank:05d}.npz")
            first, later = repeats.read(rank)
            tasks, places = located(first[later])
            twins = np.full(len(units.starts), -1)
            at = unit_numbers(units.offsets, np.load(folder / f"hashed-{rank:05d}.npy"))[later]
            for i in reversed(range(self.run_length)):
                twins[at + i] = documents[tasks] + places
            cut = twins >= 0
            units.only(cut, twins[cut]).save(folder / f"cuts-{rank:05d}.npz")


def unit_numbers(offsets: NDArray[np.int64], hashed: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each hash of a task the number of the unit that it begins with.

    Args:
        offsets: units before each document, [documents + 1].
        hashed: hashes before each document, [documents + 1].
    """
    return np.arange(hashed[-1]) + np.repeat(offsets[:-1] - hashed[:-1], np.diff(hashed))


_SPACE = re.compile(r"\s*")


def without(text: str, spans: Sequence[Span]) -> str:
    """The text without these spans (ascending, disjoint).

    Where white space stood on both sides of a cut, one of the two stays, the one with more line ends; what follows
    keeps its indentation. White space between the cut and an end of the text goes too.
    """
    kept: list[str] = []
    at = 0
    for start, end in _joined(text, spans):
        before = text[at:start].rstrip()
        following = _SPACE.match(text, end)
        assert following is not None
        space = _one_of(text[at + len(before) : start], following.group())
        if not before:
            space = space.rpartition("\n")[2] if "\n" in space else ""
        at = following.end()
        kept += [before, "" if at == len(text) else space]
    return "".join([*kept, text[at:]])


def _joined(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Spans with nothing but white space between them become one."""
    start, end = spans[0] if spans else (0, 0)
    for following in spans[1:]:
        if text[end : following[0]].strip():
            yield start, end
            start = following[0]
        end = following[1]
    if end > start:
        yield start, end


def _one_of(before: str, after: str) -> str:
    """The white space that stays of that before a cut and that after it."""
    if "\n" not in after:
        return before if "\n" in before else after or before
    lines = max(before.rpartition("\n")[0], after.rpartition("\n")[0], key=lambda space: space.count("\n"))
    return f"{lines}\n{after.rpartition(chr(10))[2]}"
