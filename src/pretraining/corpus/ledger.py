"""The account of every document and byte: in = kept + removed + unreadable (+ edited, for bytes), exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pretraining.errors import PretrainingError

UNREADABLE_LISTED = 1000
"""So many unreadable records are listed one by one; all are counted."""


class LedgerError(PretrainingError):
    """The account does not balance: a defect of this program, never of the data."""


@dataclass
class Count:
    """Documents, and the UTF-8 bytes of their texts."""

    documents: int = 0
    bytes: int = 0

    def add(self, bytes: int, documents: int = 1) -> None:
        """Count ``documents`` documents of ``bytes`` bytes in all."""
        self.documents += documents
        self.bytes += bytes

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

    @classmethod
    def of(cls, step: str, reasons: Iterable[str]) -> StepCount:
        """An empty account in which every reason is listed."""
        return cls(step, removed={reason: Count() for reason in reasons})

    def keep(self, bytes_in: int, bytes_out: int | None = None) -> None:
        """A document went through, of ``bytes_in`` bytes before and ``bytes_out`` after."""
        bytes_out = bytes_in if bytes_out is None else bytes_out
        self.documents_in += 1
        self.documents_out += 1
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        self.bytes_edited += bytes_in - bytes_out

    def remove(self, reason: str, bytes: int, documents: int = 1) -> None:
        """A document (or several at once) was removed; KeyError for a reason that the step did not announce."""
        self.removed[reason].add(bytes, documents)
        self.documents_in += documents
        self.bytes_in += bytes

    @property
    def removed_total(self) -> Count:
        """All that the step removed."""
        return sum(self.removed.values(), Count())

    def __add__(self, other: StepCount) -> StepCount:
        if (self.step, list(self.removed)) != (other.step, list(other.removed)):
            raise LedgerError(f"the accounts of steps {self.step!r} and {other.step!r} cannot be added")
        numbers = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        return StepCount(self.step, removed={r: c + other.removed[r] for r, c in self.removed.items()}, **numbers)

    def check(self) -> None:
        """Raise LedgerError unless in = out + removed (+ edited, for bytes)."""
        gone = self.removed_total
        if self.documents_in != self.documents_out + gone.documents:
            numbers = f"{self.documents_in} != {self.documents_out} + {gone.documents}"
            raise LedgerError(f"step {self.step}: documents {numbers}")
        if self.bytes_in != self.bytes_out + gone.bytes + self.bytes_edited:
            numbers = f"{self.bytes_in} != {self.bytes_out} + {gone.bytes} + {self.bytes_edited}"
            raise LedgerError(f"step {self.step}: bytes {numbers}")


_NUMBERS = ("documents_in", "documents_out", "bytes_in", "bytes_out", "bytes_edited")


@dataclass
class SourceCount:
    """What one source gave."""

    documents_in: int = 0
    bytes_in: int = 0
    documents_kept: int = 0
    bytes_kept: int = 0
    unreadable: int = 0

    def __add__(self, other: SourceCount) -> SourceCount:
        return SourceCount(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass
class Ledger:
    """The account of one task, or of many: ``a + b`` is associative, so it does not matter who adds up first.

    The first step is ``read``; what it "removes" is the unreadable part.
    """

    steps: list[StepCount] = field(default_factory=list)
    sources: dict[str, SourceCount] = field(default_factory=dict)
    splits: dict[str, Count] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)

    def lose(self, record: Unreadable) -> None:
        """Count an unreadable record."""
        self.steps[0].remove(record.reason, record.bytes, record.documents)
        source = self.sources[record.source]
        source.documents_in += record.documents
        source.bytes_in += record.bytes
        source.unreadable += record.documents
        if len(self.unreadable) < UNREADABLE_LISTED:
            self.unreadable.append(record)

    def __add__(self, other: Ledger) -> Ledger:
        if [s.step for s in self.steps] != [s.step for s in other.steps]:
            raise LedgerError("the accounts of different steps cannot be added")
        return Ledger(
            steps=[a + b for a, b in zip(self.steps, other.steps, strict=True)],
            sources=_add(self.sources, other.sources, SourceCount()),
            splits=_add(self.splits, other.splits, Count()),
            unreadable=(self.unreadable + other.unreadable)[:UNREADABLE_LISTED],
        )

    def check(self) -> None:
        """Raise LedgerError unless every step balances, steps and sources join, and the splits hold what was kept."""
        for step in self.steps:
            step.check()
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if (before.documents_out, before.bytes_out) != (after.documents_in, after.bytes_in):
                raise LedgerError(f"not all that left step {before.step} entered step {after.step}")
        first, last = self.steps[0], self.steps[-1]
        sources = sum(self.sources.values(), SourceCount())
        splits = sum(self.splits.values(), Count())
        pairs = {
            "documents of the sources": (sources.documents_in, first.documents_in),
            "bytes of the sources": (sources.bytes_in, first.bytes_in),
            "unreadable documents": (sources.unreadable, first.removed_total.documents),
            "documents kept": (sources.documents_kept, last.documents_out),
            "bytes kept": (sources.bytes_kept, last.bytes_out),
            "documents of the splits": (splits.documents, last.documents_out),
            "bytes of the splits": (splits.bytes, last.bytes_out),
        }
        for what, (left, right) in pairs.items():
            if left != right:
                raise LedgerError(f"{what}: {left} != {right}")

    def totals(self) -> dict[str, dict[str, int]]:
        """``documents`` and ``bytes``: in, kept, removed, unreadable (and edited)."""
        first, last = self.steps[0], self.steps[-1]
        unreadable = first.removed_total
        removed = sum((step.removed_total for step in self.steps[1:]), Count())
        documents = {"in": first.documents_in, "kept": last.documents_out}
        bytes_ = {"in": first.bytes_in, "kept": last.bytes_out}
        return {
            "documents": {**documents, "removed": removed.documents, "unreadable": unreadable.documents},
            "bytes": {
                **bytes_,
                "removed": removed.bytes,
                "unreadable": unreadable.bytes,
                "edited": sum(step.bytes_edited for step in self.steps),
            },
        }

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Ledger:
        """The inverse of ``to_json``."""
        steps = [StepCount(**{**s, "removed": {r: Count(**c) for r, c in s["removed"].items()}}) for s in data["steps"]]
        return cls(
            steps=steps,
            sources={name: SourceCount(**s) for name, s in data["sources"].items()},
            splits={name: Count(**c) for name, c in data["splits"].items()},
            unreadable=[Unreadable(**u) for u in data["unreadable"]],
        )


def _add(left: dict[str, Any], right: dict[str, Any], nothing: Any) -> dict[str, Any]:
    return {name: left.get(name, nothing) + right.get(name, nothing) for name in {**left, **right}}
