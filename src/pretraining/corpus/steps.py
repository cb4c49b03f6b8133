"""The steps of a recipe, under their names in the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pretraining.corpus.config import GopherQualityStep, LengthStep, NormalizeStep, Step
from pretraining.corpus.filters import GOPHER_REASONS, LENGTH_REASONS, Rejection, gopher_quality, length
from pretraining.corpus.normalize import normalize

REASONS: dict[str, tuple[str, ...]] = {
    "normalize": ("empty",),
    "length": LENGTH_REASONS,
    "gopher_quality": GOPHER_REASONS,
}


@dataclass(frozen=True)
class NamedStep:
    """A step and its name in the ledger; the second ``normalize`` is ``normalize_2``."""

    name: str
    step: Step

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason for which the step may remove a document."""
        return REASONS[self.step.type]

    def apply(self, text: str) -> str | Rejection:
        """The text that goes on, or why the document does not."""
        if isinstance(self.step, NormalizeStep):
            return normalize(text, self.step) or Rejection("empty", 0, 1)
        if isinstance(self.step, LengthStep):
            return length(text, self.step) or text
        assert isinstance(self.step, GopherQualityStep)
        return gopher_quality(text, self.step) or text


def named_steps(steps: Iterable[Step]) -> list[NamedStep]:
    """The steps with their names."""
    seen: Counter[str] = Counter()
    named = []
    for step in steps:
        seen[step.type] += 1
        named.append(NamedStep(step.type if seen[step.type] == 1 else f"{step.type}_{seen[step.type]}", step))
    return named
