"""A step that cuts spans, on a few documents, as the engine runs it."""

from __future__ import annotations

import importlib
import pickle
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
    """What became of one document."""

    text: str
    reason: str | None
    value: float
    twin: int
    edits: dict[str, int]


@pytest.fixture
def run_step(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Outcome]]:
    """``run_step(section, texts, tasks=3)``: texts are strings or (source, string), cut into so many tasks."""

    def run(
        section: Any, texts: Sequence[str | tuple[str, str]], tasks: int = 1, folder: Path | None = None
    ) -> list[Outcome]:
        folder = folder or tmp_path_factory.mktemp("step")
        preparation = Preparation(base=folder, folder=folder, sources={}, held_out=0.0)
        module, name = section.implementation.split(":")
        step = getattr(importlib.import_module(f"pretraining.corpus.{module}"), name)(section)
        assert isinstance(step, GlobalStep)
        step.prepare(preparation)
        pairs = [("s", text) if isinstance(text, str) else text for text in texts]
        parts = [[pairs[i] for i in part] for part in np.array_split(np.arange(len(pairs)), tasks)]

        def drafts(part: list[tuple[str, str]]) -> list[Draft]:
            return [Draft(text, f"{source}/{i}", source=source, file="f") for i, (source, text) in enumerate(part)]

        for rank, part in enumerate(parts):
            worker = pickle.loads(pickle.dumps(step))
            worker.open(preparation)
            for draft in drafts(part):
                worker.sign(draft)
            worker.save(folder, rank)
        step.decide(folder, np.array([len(part) for part in parts]), preparation)
        outcomes = []
        for rank, part in enumerate(parts):
            worker = pickle.loads(pickle.dumps(step))
            worker.open(preparation)
            worker.load(folder, rank)
            for draft in drafts(part):
                verdict = apply(worker, draft)
                value = draft.values[0][0] if verdict is None or np.isnan(verdict.value) else verdict.value
                reason = None if verdict is None else verdict.reason
                outcomes.append(Outcome(draft.text, reason, value, worker.twin, draft.edits[0]))
        return outcomes

    return run
