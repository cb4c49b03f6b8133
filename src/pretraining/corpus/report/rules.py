"""The steps of a recipe as the report needs them: their rules with thresholds, and what they say about themselves."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.step import NamedStep, Rule, TwinStep
from pretraining.corpus.steps import all_steps


@dataclass(frozen=True)
class Threshold:
    """A rule of a step with the number that decides."""

    step: str
    rule: Rule
    value: float | None
    """None: the rule is off."""
    varies: bool
    """Some languages have numbers of their own."""

    @property
    def column(self) -> str:
        """Of the ledger, that holds what was measured."""
        return f"{self.step}.{self.rule.reason}"

    @property
    def words(self) -> str:
        """``< 50 words``; empty where the rule is off, and where every value removes."""
        if self.value is None or (self.rule.removes_if == ">=" and self.value == 0):
            return ""
        sign = {"<=": "≤", ">=": "≥"}.get(self.rule.removes_if, self.rule.removes_if)
        number = f"{self.value:,.0f}" if abs(self.value) >= 1000 else f"{self.value:.6g}"
        unit = "" if self.rule.unit in ("", "share", "hash") else f" {self.rule.unit}"
        return f"{sign} {number}{unit}" + (" (others for some languages)" if self.varies else "")


@dataclass(frozen=True)
class StepFacts:
    """A step of the ledger."""

    name: str
    thresholds: tuple[Threshold, ...]
    finds_twins: bool
    private: bool
    told: str
    """The docstring of its section (or of its class, for the steps that are always there)."""
    settings: dict[str, Any]
    """What the recipe says, resolved, without what was left open."""


def step_facts(section: dict[str, Any]) -> dict[str, StepFacts]:
    """The steps by name in the ledger, in order, from the resolved ``corpus`` section."""
    return {named.name: _facts(named) for named in all_steps(CorpusSection.model_validate(section))}


def _facts(named: NamedStep) -> StepFacts:
    step = named.step
    own = getattr(step.section, "thresholds", None)
    thresholds = tuple(
        Threshold(named.name, rule, step.threshold(rule, {}), bool(own) and rule.key == "threshold")
        for rule in step.rules
    )
    implicit = named.name in ("identity", "held_out")
    told = inspect.getdoc(type(step) if implicit else type(step.section)) or ""
    settings = {} if implicit else step.section.model_dump(mode="json", exclude={"type"}, exclude_none=True)
    return StepFacts(
        named.name, thresholds, isinstance(step, TwinStep), step.private, re.sub("``", "`", told), settings
    )
