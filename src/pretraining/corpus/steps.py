"""The steps of a recipe: their implementations, their names in the ledger, and how they are cut into passes."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.deduplication.held_out import HeldOutNeighbours
from pretraining.corpus.deduplication.identity import Identity, IdentityStep
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep
from pretraining.corpus.step import GlobalStep, NamedStep, Step, TwinStep

SIMILAR = 0.7
"""Estimated Jaccard similarity from which a training document is too like a held-out one."""


def implementation(section: StepSection) -> type[Step]:
    """The class that does what a section says."""
    module, _, name = section.implementation.partition(":")
    found: Any = getattr(importlib.import_module(f"pretraining.corpus.{module}"), name)
    kind: type[Step] = found
    return kind


def named_steps(sections: Iterable[Any], *, measure_all: bool) -> list[NamedStep]:
    """The steps with their names, in the order of the recipe."""
    seen: Counter[str] = Counter()
    named = []
    for section in sections:
        seen[section.type] += 1
        name = section.type if seen[section.type] == 1 else f"{section.type}_{seen[section.type]}"
        named.append(NamedStep(name, implementation(section)(section, measure_all=measure_all)))
    return named


@dataclass(frozen=True)
class Pass:
    """One pass over the documents: the global step that was decided before it, and the steps up to the next one."""

    number: int
    steps: tuple[NamedStep, ...]
    following: NamedStep | None
    """The global step that all documents have to be seen by before the next pass; None after the last."""

    @property
    def edits(self) -> bool:
        """Whether a document may leave the pass changed (otherwise it is not written again)."""
        return any(not isinstance(named.step, TwinStep) for named in self.steps)

    @property
    def title(self) -> str:
        """For progress bars."""
        names = ", ".join(named.name for named in self.steps)
        return names if self.number else f"read, {names}" if names else "read"


def passes(steps: Sequence[NamedStep]) -> list[Pass]:
    """Cut before every global step. The first pass reads the sources; it may have no step."""
    parts: list[list[NamedStep]] = [[]]
    for named in steps:
        if isinstance(named.step, GlobalStep):
            parts.append([])
        parts[-1].append(named)
    followers = [*(part[0] for part in parts[1:]), None]
    return [Pass(i, tuple(part), follower) for i, (part, follower) in enumerate(zip(parts, followers, strict=True))]


def all_steps(section: CorpusSection) -> list[NamedStep]:
    """The steps of the recipe, and what every corpus ends with: no id twice, nothing like a held-out document left."""
    steps = named_steps(section.steps, measure_all=section.keep_measurements)
    steps.append(NamedStep("identity", Identity(IdentityStep())))
    if section.held_out and section.held_out_near_duplicates == "remove" and not _thorough(section.steps):
        like = MinhashDeduplicationStep(type="minhash_deduplication", words="regex", min_similarity=SIMILAR)
        steps.append(NamedStep("held_out", HeldOutNeighbours(like, section.held_out)))
    return steps


def _thorough(steps: Sequence[Any]) -> bool:
    """Whether the recipe itself removes whatever is like a held-out document, and edits nothing afterwards."""
    last = steps[-1] if steps else None
    return (
        isinstance(last, MinhashDeduplicationStep)
        and last.sources is None
        and last.languages is None
        and last.scope == "corpus"
        and last.min_similarity <= SIMILAR
    )
