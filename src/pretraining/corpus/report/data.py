"""The facts of a corpus folder, gathered once for the page and the card."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from pretraining import __version__
from pretraining.corpus.report.rows import Rows, read_rows
from pretraining.corpus.report.rules import StepFacts, step_facts
from pretraining.formats import without_local_folders

PACKAGES = ("datatrove", "numpy", "pyarrow", "ftfy")

Json = dict[str, Any]


@dataclass(frozen=True)
class Removal:
    """What one rule of one step removed."""

    step: str
    reason: str
    documents: int
    bytes: int
    share: float
    """Of the documents that entered the step."""
    threshold: str
    """As words; empty where there is none."""


@dataclass(frozen=True)
class Facts:
    """What the stage wrote, what its ledger's rows say, and what the recipe said."""

    folder: Path
    ledger: Json
    section: Json
    steps: dict[str, StepFacts]
    rows: Rows

    @property
    def declared(self) -> dict[str, str | None]:
        """Language of each source."""
        return {name: source["language"] for name, source in self.ledger["sources"].items()}

    @property
    def removals(self) -> list[Removal]:
        """Every rule that removed something, in the order of the steps."""
        return [
            Removal(
                step["step"],
                reason,
                count["documents"],
                count["bytes"],
                count["documents"] / max(1, step["documents_in"]),
                self._threshold(step["step"], reason),
            )
            for step in self.ledger["steps"][1:]
            for reason, count in step["removed"].items()
            if count["documents"]
        ]

    def _threshold(self, step: str, reason: str) -> str:
        rules = self.steps[step].thresholds if step in self.steps else ()
        return next((t.words for t in rules if t.rule.reason == reason), "")

    @property
    def silent(self) -> dict[str, list[str]]:
        """Step: rules that removed nothing."""
        found: dict[str, list[str]] = {}
        for name in self.ledger["never_fired"]:
            step, _, reason = name.partition(".")
            found.setdefault(step, []).append(reason)
        return found

    @property
    def masked(self) -> dict[str, dict[str, int]]:
        """Step that replaces personal data: how many of each type."""
        return {step["step"]: step["edits"] for step in self.ledger["steps"] if self._is(step["step"], "private")}

    @property
    def twins(self) -> list[str]:
        """Steps that remove copies, and did."""
        gone = {removal.step for removal in self.removals}
        return [name for name in self.steps if name in gone and self._is(name, "finds_twins")]

    def _is(self, step: str, what: str) -> bool:
        return step in self.steps and bool(getattr(self.steps[step], what))

    @property
    def recipe(self) -> str:
        """The section as YAML, without what changes nothing in the output, and without folders of this machine."""
        section = {key: value for key, value in self.section.items() if key != "executor"}
        section["executor"] = {"shard_bytes": self.section["executor"]["shard_bytes"]}
        return without_local_folders(str(yaml.safe_dump({"corpus": section}, sort_keys=False, allow_unicode=True)))

    @property
    def versions(self) -> dict[str, str]:
        """Of what made the output."""
        own = {"python": platform.python_version(), "pretraining-handbook": __version__}
        return {**own, **{package: version(package) for package in PACKAGES}}


def gather(folder: Path, section: Json) -> Facts:
    """Read a corpus folder, in time that is bounded however large it is (``rows.ROWS``).

    Args:
        folder: what ``publish`` filled.
        section: the resolved ``corpus`` section, as JSON.
    """
    ledger = json.loads((folder / "ledger.json").read_text("utf-8"))
    steps = step_facts(section)
    declared = {name: source["language"] for name, source in ledger["sources"].items()}
    return Facts(folder, ledger, section, steps, read_rows(folder, steps, declared))
