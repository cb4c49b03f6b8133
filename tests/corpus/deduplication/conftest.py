"""A step that edits repeated parts, over documents that are cut into tasks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.step import GlobalStep, Preparation, apply


@dataclass
class Outcome:
    """What became of a document."""

    text: str
    reason: str | None
    value: float
    twin: int
    edits: dict[str, int]


@pytest.fixture
def run_step(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Outcome]]:
    """``run_step(section, texts or (source, text) pairs, tasks=1)``: the outcome of each document."""

    def run(section: Any, texts: Sequence[str | tuple[str, str]], *, tasks: int = 1) -> list[Outcome]:
        folder: Path = tmp_path_factory.mktemp("step")
        preparation = Preparation(folder, folder, {}, 0.0)
        module, name = section.implementation.split(":")
        kind = getattr(importlib.import_module(f"pretraining.corpus.{module}"), name)
        pairs = [text if isinstance(text, tuple) else ("source", text) for text in texts]
        drafts = [Draft(text, str(i), source=source, file="f") for i, (source, text) in enumerate(pairs)]
        cuts = np.linspace(0, len(drafts), tasks + 1).astype(int)
        parts = [drafts[low:high] for low, high in zip(cuts, cuts[1:], strict=False)]
        kind(section).prepare(preparation)
        for rank, part in enumerate(parts):
            step: GlobalStep = kind(section)
            step.open(preparation)
            for draft in part:
                step.sign(draft)
            step.save(folder, rank)
        kind(section).decide(folder, np.array([len(part) for part in parts]), preparation)
        outcomes = []
        for rank, part in enumerate(parts):
            step = kind(section)
            step.open(preparation)
            step.load(folder, rank)
            for draft in part:
                verdict = apply(step, draft)
                value = draft.values[-1][0]
                outcomes.append(Outcome(draft.text, verdict and verdict.reason, value, step.twin, draft.edits[-1]))
        return outcomes

    return run
