from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.removed import TEXT_SHOWN, RemovedSamples, id_hash, removed_samples


def sample(identifier: str, reason: str = "too_short", text: str = "") -> dict[str, Any]:
    return {"id": identifier, "source": "s", "step": "length", "reason": reason, "text": text}


def chosen_of(size: int, tasks: list[list[str]]) -> list[str]:
    accounts = []
    for task in tasks:
        samples = RemovedSamples(size)
        for identifier in task:
            samples.add(sample(identifier))
        accounts.append(samples.chosen())
    return [entry["id"] for entry in removed_samples(size, accounts).chosen()]


@given(st.integers(0, 5), st.sets(st.text(max_size=3), max_size=200), st.integers(0, 200))
def test_the_sample_is_the_smallest_hashes_however_the_tasks_are_cut(size: int, ids: set[str], cut: int) -> None:
    ordered = sorted(ids)
    expected = sorted(ordered, key=id_hash)[:size]
    assert chosen_of(size, [ordered]) == expected
    assert chosen_of(size, [ordered[:cut], ordered[cut:]]) == expected


def test_files_by_step_and_reason(tmp_path: Path) -> None:
    samples = RemovedSamples(2)
    for reason in ("too_short", "too_long"):
        for i in range(300):
            samples.add(sample(f"s/{i}", reason, "é" * 3000))
    samples.write(tmp_path / "removed")
    assert sorted(p.name for p in (tmp_path / "removed").iterdir()) == [
        "length-too_long.jsonl",
        "length-too_short.jsonl",
    ]
    lines = (tmp_path / "removed/length-too_long.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 2 and json.loads(lines[0])["text"] == "é" * TEXT_SHOWN


def test_no_samples_no_files(tmp_path: Path) -> None:
    samples = RemovedSamples(0)
    samples.add(sample("s/1"))
    samples.write(tmp_path / "removed")
    assert list((tmp_path / "removed").iterdir()) == []
