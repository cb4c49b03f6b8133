"""What a step is: rules with thresholds, and a function that edits a document and measures it.

Measuring and deciding are apart. A step yields one number for each of its rules; whether that removes the document
is decided by ``Rule.removes`` from the section's threshold. So the ledger holds the numbers, the report draws them
beside the threshold, and ``pretrain rethreshold`` decides again without measuring again.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.sections.base import StepSection

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Rule:
    """Why a step may remove a document.

    Attributes:
        reason: name of the reason in the ledger, like ``too_few_words``.
        removes_if: how the value stands to the threshold when the document is removed.
        key: the key of the section that holds the threshold; ``None`` there switches the rule off.
            A rule without a key has the threshold 0 (or ``constant``) and cannot be changed.
        unit: of the value, for tables and figures: ``words``, ``share``, ``characters``, ``score``, ...
    """

    reason: str
    removes_if: Literal["<", "<=", ">", ">="]
    key: str | None = None
    unit: str = ""
    constant: float = 0.0

    def removes(self, value: float, threshold: float | None) -> bool:
        """Whether a document with this value goes. NaN (not measured, not applicable) and no threshold remove none."""
        return threshold is not None and not math.isnan(value) and bool(_COMPARE[self.removes_if](value, threshold))


@dataclass(frozen=True)
class Preparation:
    """What a step may use before the first document is read.

    Attributes:
        base: folder that relative paths in the recipe start from.
        folder: the step's own folder; what ``prepare`` writes here, ``open`` finds in every worker process.
        sources: the corpus's sources by name (sections).
        held_out: share of documents by hash of their id that nothing may learn from (``removed.id_hash``).
    """

    base: Path
    folder: Path
    sources: dict[str, Any]
    held_out: float


class Step(ABC):
    """A step that looks at one document at a time. Subclasses say which rules they have and implement ``run``.

    An instance is made in the parent, copied to every task, and opened there. It must pickle before ``open``.

    Attributes:
        section: the step's part of the recipe.
        measure_all: every rule is to be measured, those that are switched off too.
    """

    rules: tuple[Rule, ...] = ()
    """In the order in which they are measured. A class attribute, or made in ``__init__`` from the section."""
    edits: tuple[str, ...] = ()
    """What the step counts when it edits; ``run`` assigns ``self.edited = {"lines_removed": 3}`` before its last yield,
    or before it ends."""

    private: ClassVar[bool] = False
    """Whether what the step edits away must never be shown."""

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        self.section: Any = section
        self.measure_all = measure_all
        self.edited: dict[str, int] = {}

    @property
    def threshold_keys(self) -> set[str]:
        """Keys of the section that ``run`` does not look at, so that another value needs no new measurement."""
        return {rule.key for rule in self.rules if rule.key is not None}

    def prepare(self, preparation: Preparation) -> None:  # noqa: B027 - most need nothing
        """Once, in the parent, before any document: check assets, train a model, build an index.

        Raises:
            DataError: something that the step needs is not there; says what, and where to put it.
        """

    def open(self, preparation: Preparation) -> None:  # noqa: B027 - most need nothing
        """Once per task, in its process: load what ``prepare`` made. Big things are cached per process."""

    def threshold(self, rule: Rule, fields: dict[str, Any]) -> float | None:
        """The threshold for a document with these fields (and ``fields["language"]``); None: the rule is off."""
        if rule.key is None:
            return rule.constant
        value = getattr(self.section, rule.key)
        return None if value is None else float(value)

    def wants(self, rule: Rule) -> bool:
        """Whether the rule has to be measured: it has a threshold, or all are to be measured."""
        return self.measure_all or rule.key is None or getattr(self.section, rule.key) is not None

    @abstractmethod
    def run(self, draft: Draft) -> Iterator[float]:
        """Edit the document (assign ``draft.text``, ``draft.fields[...]``), and yield one value per rule, in order.

        The generator is closed at the first value that removes the document, unless ``measure_all``.
        A text that becomes empty removes the document without a rule (reason ``empty``).
        """


@dataclass(frozen=True)
class Verdict:
    """Why a step removes a document: the first of its rules that does. ``empty`` has no value."""

    reason: str
    value: float = math.nan
    threshold: float = math.nan


EMPTY = "empty"
"""The reason of every step that leaves nothing of the text."""


def apply(step: Step, draft: Draft) -> Verdict | None:
    """Run one step on one document; its values, size and edits are appended to the draft.

    Rules after the first that removes are not measured, unless ``step.measure_all``; their values are NaN.
    """
    verdict: Verdict | None = None
    values = [math.nan] * len(step.rules)
    step.edited = {}
    run = step.run(draft)
    for i, value in enumerate(run):
        rule, values[i] = step.rules[i], value
        if verdict is None:
            threshold = step.threshold(rule, draft.fields)
            if rule.removes(value, threshold):
                assert threshold is not None
                verdict = Verdict(rule.reason, value, threshold)
                if not step.measure_all:
                    run.close()  # type: ignore[attr-defined]
                    break
    blank = not draft.text.strip()
    if verdict is None and blank:
        verdict = Verdict(EMPTY)
    draft.values.append(tuple(values))
    draft.sizes.append(0 if blank else utf8_length(draft.text))
    draft.edits.append(step.edited)
    return verdict


@dataclass(frozen=True)
class NamedStep:
    """A step and its name in the ledger; the second ``normalize`` is ``normalize_2``."""

    name: str
    step: Step

    def concerns(self, draft: Draft) -> bool:
        """Whether the step looks at this document; the others pass."""
        section: StepSection = self.step.section
        if section.languages is not None and draft.language not in section.languages:
            return False
        return section.sources is None or draft.source in section.sources


TWIN = np.dtype([("twin", "<i8"), ("value", "<f8")])
"""What a global step decides about a document: the document it repeats (index, below), and how similar it is.

``twin`` counts the documents that reached the step, in reading order, over all tasks; -1: none. Documents of an
earlier release are ``-2 - k`` for the ``k``-th of ``DocumentDeduplication.earlier_ids``.
"""


class GlobalStep(Step):
    """A step that has to see all documents before it can decide about one: deduplication, budgets.

    Per task ``sign`` is called for each document in order, then ``save``. When all tasks are done, ``decide`` runs once
    in the parent and writes what it found for each task. In the next pass each task calls ``load``, then ``run`` with
    each of its documents in the same order; ``run`` may edit, and sets ``self.twin`` and yields values as any step.
    Nothing depends on how documents are cut into tasks, except the order of reading.
    """

    quota: ClassVar[bool] = False
    """Whether documents compete for places (a budget, a quantile); canaries then stand back."""

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self.twin = -1

    @abstractmethod
    def sign(self, draft: Draft) -> None:
        """Remember what ``decide`` needs to know of the document (a few bytes, in memory, or appended to a file)."""

    @abstractmethod
    def save(self, folder: Path, rank: int) -> None:
        """Write what was remembered, as ``<folder>/<anything>-{rank:05d}...``; forget it."""

    @abstractmethod
    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """Look at what all tasks saved and write what each task has to know.

        Args:
            counts: documents of each task, [tasks]; task t's documents are ``counts[:t].sum() + i``.
        """

    @abstractmethod
    def load(self, folder: Path, rank: int) -> None:
        """Read what ``decide`` found about the task's documents; ``run`` then takes them in order."""


class TwinStep(GlobalStep):
    """A global step that removes whole documents because they repeat another; subclasses implement ``find``."""

    @abstractmethod
    def find(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> NDArray[np.void]:
        """``TWIN`` [documents]: for each document the one it repeats and the similarity, or -1 and NaN."""

    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """Write each task its part of ``find``."""
        twins = self.find(folder, counts, preparation)
        ends = np.cumsum(counts)
        for rank, end in enumerate(ends):
            np.save(folder / f"twins-{rank:05d}.npy", twins[end - counts[rank] : end])

    def load(self, folder: Path, rank: int) -> None:
        """Read the task's part."""
        self._twins = iter(np.load(folder / f"twins-{rank:05d}.npy"))

    def run(self, draft: Draft) -> Iterator[float]:
        """The similarity to the twin, which removes; NaN without one."""
        twin = next(self._twins)
        self.twin = int(twin["twin"])
        yield float(twin["value"])
