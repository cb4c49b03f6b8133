"""Running a step over documents that are cut into tasks, as the engine does."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Preparation, TwinStep, apply


@dataclass
class Run:
    """What a step decided: for each document the reason it goes for (None: it stays), its twin and the value."""

    step: Any
    folder: Path
    reasons: list[str | None] = field(default_factory=list)
    twins: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    @property
    def kept(self) -> list[int]:
        """Documents that stay."""
        return [i for i, reason in enumerate(self.reasons) if reason is None]


def make_drafts(texts: Iterable[str | tuple[str, dict[str, Any]]]) -> list[Draft]:
    """Documents from texts, or from texts with fields (``source`` and ``id`` among them)."""
    drafts = []
    for i, given in enumerate(texts):
        text, fields = (given, {}) if isinstance(given, str) else given
        fields = dict(fields)
        source = fields.pop("source", "s")
        name = fields.pop("id", f"{source}/{i}")
        drafts.append(Draft(text, name, source=source, file="f", fields=fields))
    return drafts


def run_step(step: TwinStep, drafts: Sequence[Draft], folder: Path, cuts: Sequence[int] = ()) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    preparation = Preparation(folder.parent, folder, {}, 0.0)
    step.prepare(preparation)
    bounds = [0, *cuts, len(drafts)]
    tasks = [drafts[low:high] for low, high in pairwise(bounds)]
    for rank, task in enumerate(tasks):
        worker = pickle.loads(pickle.dumps(step))
        worker.open(preparation)
        for draft in task:
            worker.sign(draft)
        worker.save(folder, rank)
    step.decide(folder, np.array([len(task) for task in tasks]), preparation)
    run = Run(step, folder)
    for rank, task in enumerate(tasks):
        worker = pickle.loads(pickle.dumps(step))
        worker.open(preparation)
        worker.load(folder, rank)
        for draft in task:
            verdict = apply(worker, draft)
            run.reasons.append(verdict.reason if verdict else None)
            run.twins.append(worker.twin)
            run.values.append(draft.values[-1][0])
    return run


@pytest.fixture
def drafts() -> Callable[..., list[Draft]]:
    return make_drafts


@pytest.fixture
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("work")


@pytest.fixture
def deduplicate(new_folder: Callable[[], Path]) -> Callable[..., Run]:
    """``deduplicate(section or step, texts, cuts=..., folder=...)``."""

    def run(section: Any, texts: Iterable[Any], cuts: Sequence[int] = (), folder: Path | None = None) -> Run:
        step = section
        if not isinstance(step, TwinStep):
            module, name = section.implementation.split(":")
            step = getattr(importlib.import_module(f"pretraining.corpus.{module}"), name)(section)
        return run_step(step, make_drafts(texts), folder or new_folder() / "step", cuts)

    return run
