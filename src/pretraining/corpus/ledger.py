"""The account of every document and byte: in = kept + removed + unreadable (+ edited, for bytes), exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pretraining.errors import PretrainingError

UNREADABLE_LISTED = 1000
"""So many unreadable records are listed one by one in ``ledger.json``; all have their row in ``ledger/``."""


class LedgerError(PretrainingError):
    """The account does not balance: a defect of this program, never of the data."""


@dataclass
class Count:
    """Documents, and the UTF-8 bytes of their texts."""

    documents: int = 0
    bytes: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.documents + other.documents, self.bytes + other.bytes)


@dataclass(frozen=True)
class Unreadable:
    """A record that could not be read.

    ``record`` is the line or row (from 1; the first one, where ``documents`` were lost together), ``offset`` the
    byte in the (decompressed) file, ``bytes`` the raw size.
    """

    source: str
    file: str
    reason: str
    bytes: int
    record: int | None = None
    offset: int | None = None
    documents: int = 1


@dataclass
class StepCount:
    """What went into a step, what came out, what it edited away (negative: added), what it removed and why."""

    step: str
    documents_in: int = 0
    documents_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_edited: int = 0
    removed: dict[str, Count] = field(default_factory=dict)
    edits: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, step: str, reasons: Iterable[str], edits: Iterable[str] = ()) -> StepCount:
        """An empty account in which every reason and every kind of edit is listed."""
        return cls(step, removed={reason: Count() for reason in reasons}, edits=dict.fromkeys(edits, 0))

    @property
    def removed_total(self) -> Count:
        """All that the step removed."""
        return sum(self.removed.values(), Count())

    def __add__(self, other: StepCount) -> StepCount:
        if (self.step, list(self.removed)) != (other.step, list(other.removed)):
            raise LedgerError(f"the accounts of steps {self.step!r} and {other.step!r} cannot be added")
        numbers = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        removed = {reason: count + other.removed[reason] for reason, count in self.removed.items()}
        edits = {edit: n + other.edits[edit] for edit, n in self.edits.items()}
        return StepCount(self.step, removed=removed, edits=edits, **numbers)

    def check(self) -> None:
        """Raise LedgerError unless in = out + removed (+ edited, for bytes)."""
        gone = self.removed_total
        if self.documents_in != self.documents_out + gone.documents:
            numbers = f"{self.documents_in} != {self.documents_out} + {gone.documents}"
            raise LedgerError(f"step {self.step}: documents {numbers}")
        if self.bytes_in != self.bytes_out + gone.bytes + self.bytes_edited:
            numbers = f"{self.bytes_in} != {self.bytes_out} + {gone.bytes} + {self.bytes_edited}"
            raise LedgerError(f"step {self.step}: bytes {numbers}")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> StepCount:
        """The inverse of ``dataclasses.asdict``."""
        return cls(**{**data, "removed": {reason: Count(**count) for reason, count in data["removed"].items()}})


_NUMBERS = ("documents_in", "documents_out", "bytes_in", "bytes_out", "bytes_edited")


@dataclass
class SourceLedger:
    """The account of one source: what each step did to its documents, and how many are in each split.

    The first step is ``read``; what it "removes" is the unreadable part.
    """

    steps: list[StepCount]
    splits: dict[str, Count]

    def __add__(self, other: SourceLedger) -> SourceLedger:
        if [step.step for step in self.steps] != [step.step for step in other.steps]:
            raise LedgerError("the accounts of different steps cannot be added")
        steps = [a + b for a, b in zip(self.steps, other.steps, strict=True)]
        return SourceLedger(steps, {split: count + other.splits[split] for split, count in self.splits.items()})

    def check(self) -> None:
        """Raise LedgerError unless every step balances, the steps join, and the splits hold what was kept."""
        for step in self.steps:
            step.check()
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if (before.documents_out, before.bytes_out) != (after.documents_in, after.bytes_in):
                raise LedgerError(f"not all that left step {before.step} entered step {after.step}")
        last, splits = self.steps[-1], sum(self.splits.values(), Count())
        if (splits.documents, splits.bytes) != (last.documents_out, last.bytes_out):
            kept = f"{last.documents_out} documents and {last.bytes_out} bytes"
            raise LedgerError(f"the splits hold {splits.documents} documents and {splits.bytes} bytes, not {kept}")

    def summary(self) -> dict[str, Any]:
        """What went in and what was kept, and every removal that happened, by step and reason."""
        first, last = self.steps[0], self.steps[-1]
        removed = {
            step.step: {reason: asdict(count) for reason, count in step.removed.items() if count.documents}
            for step in self.steps[1:]
        }
        return {
            "documents_in": first.documents_in,
            "bytes_in": first.bytes_in,
            "documents_kept": last.documents_out,
            "bytes_kept": last.bytes_out,
            "unreadable": first.removed_total.documents,
            "removed": {step: reasons for step, reasons in removed.items() if reasons},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SourceLedger:
        """The inverse of ``dataclasses.asdict``."""
        splits = {split: Count(**count) for split, count in data["splits"].items()}
        return cls([StepCount.from_json(step) for step in data["steps"]], splits)


@dataclass
class Ledger:
    """The account of one task, or of many: ``a + b`` is associative, so it does not matter who adds up first."""

    sources: dict[str, SourceLedger]
    unreadable: list[Unreadable] = field(default_factory=list)

    def __add__(self, other: Ledger) -> Ledger:
        names = {**self.sources, **other.sources}
        pairs = {name: [ledger.sources[name] for ledger in (self, other) if name in ledger.sources] for name in names}
        return Ledger(
            sources={name: found[0] + found[1] if len(found) == 2 else found[0] for name, found in pairs.items()},
            unreadable=(self.unreadable + other.unreadable)[:UNREADABLE_LISTED],
        )

    @property
    def total(self) -> SourceLedger:
        """All sources together."""
        first, *others = self.sources.values()
        for other in others:
            first = first + other
        return first

    def check(self) -> None:
        """Raise LedgerError unless every source balances."""
        for source in self.sources.values():
            source.check()

    def to_json(self) -> dict[str, Any]:
        """What ``ledger.json`` holds of it: totals, steps, sources, splits, rules that removed nothing, unreadable."""
        total = self.total
        first, last = total.steps[0], total.steps[-1]
        removed = sum((step.removed_total for step in total.steps[1:]), Count())
        lost = first.removed_total
        documents = {"in": first.documents_in, "kept": last.documents_out}
        sizes = {"in": first.bytes_in, "kept": last.bytes_out}
        edited = sum(step.bytes_edited for step in total.steps)
        silent = [
            f"{step.step}.{reason}"
            for step in total.steps[1:]
            for reason, count in step.removed.items()
            if not count.documents
        ]
        return {
            "documents": {**documents, "removed": removed.documents, "unreadable": lost.documents},
            "bytes": {**sizes, "removed": removed.bytes, "unreadable": lost.bytes, "edited": edited},
            "steps": [asdict(step) for step in total.steps],
            "sources": {name: source.summary() for name, source in self.sources.items()},
            "splits": {split: asdict(count) for split, count in total.splits.items()},
            "never_fired": silent,
            "unreadable": [asdict(record) for record in self.unreadable],
        }
