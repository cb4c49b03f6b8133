"""A build that is stopped goes on; other thresholds need no new measurement. Always the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pretraining.corpus.blocks as blocks
from pretraining.corpus.blocks import Record, Sign, WriteSplits
from pretraining.corpus.build import not_measured_for, tidy
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.records import WriteLedger
from pretraining.corpus.rethreshold import compare

Build = Callable[..., Any]
SOURCE = {"type": "text", "path": "in", "name": "books"}
STEPS: list[dict[str, Any]] = [
    {"type": "normalize"},
    {"type": "textbook", "min_characters": 8_000},
    {"type": "exact_deduplication"},
    {"type": "normalize", "unicode_form": "NFKC"},
    {"type": "minhash_deduplication"},
]
KEYS: dict[str, Any] = {"held_out": 0.2, "executor": {"shard_bytes": 150_000}}


@pytest.fixture
def books(tmp_path: Path, speeches: list[str]) -> Path:
    """Speeches, an exact copy, a near copy, and two files that are no text."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i, speech in enumerate(speeches):
        (folder / f"{i:02d}.txt").write_text(speech, "utf-8")
    (folder / "30.txt").write_text(speeches[12], "utf-8")
    (folder / "31.txt").write_text(speeches[13] + "\nThe end.", "utf-8")
    (folder / "32.txt").write_bytes(b"\x7fELF\0\0")
    (folder / "10b.txt").touch()
    return folder


class Stop(Exception):
    """Thrown in the middle of a build."""


@pytest.mark.parametrize(
    ("block", "call"),
    [(blocks.WriteMeasured, 2), (Record, 2), (Sign, 6), (WriteSplits, 2), (WriteLedger, 3)],
)
def test_a_build_that_was_stopped_goes_on(
    build: Build, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: type, call: int
) -> None:
    whole = build(SOURCE, name="whole", steps=STEPS, **KEYS).files()
    calls = 0
    run = block.run  # type: ignore[attr-defined]

    def stop(self: Any, data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Stop
        return run(self, data, rank, world_size)

    work = tmp_path / "work"
    with monkeypatch.context() as patch:
        patch.setattr(block, "run", stop)
        with pytest.raises(Stop):
            build(SOURCE, name="stopped", work=work, steps=STEPS, **KEYS)
    ran: list[str] = []
    monkeypatch.setattr(blocks.ReadSources, "run", _counted(blocks.ReadSources, ran))
    assert build(SOURCE, name="after", work=work, steps=STEPS, **KEYS).files() == whole
    if block is not blocks.WriteMeasured:  # what was done is not done again
        assert "ReadSources" not in ran


def _counted(kind: Any, ran: list[str]) -> Any:
    run = kind.run

    def counted(self: Any, data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        ran.append(kind.__name__)
        return run(self, data, rank, world_size)

    return counted


SCRIPT = """
import sys
from pathlib import Path
from pretraining.corpus.build import build_corpus
from pretraining.corpus.config import CorpusSection
section = CorpusSection.model_validate_json(sys.argv[1])
base = Path(sys.argv[2])
(base / sys.argv[3]).mkdir()
build_corpus(section, base / sys.argv[3], base=base, work=base / "work", progress=False)
"""


def test_kill_and_run_again(build: Build, books: Path, tmp_path: Path) -> None:
    whole = build(SOURCE, name="whole", steps=STEPS, **KEYS).files()
    section = json.dumps({"sources": [SOURCE], "steps": STEPS, **KEYS, "executor": {**KEYS["executor"], "workers": 2}})
    work = tmp_path / "work"
    for name, mark in (("a", "measured/documents-00001.parquet"), ("b", "passes/pass-1/records-00001.parquet")):
        command = [sys.executable, "-c", SCRIPT, section, str(tmp_path), name]
        process = subprocess.Popen(command, start_new_session=True)
        end = time.monotonic() + 60
        while not (work / mark).exists():
            assert process.poll() is None and time.monotonic() < end, "it ended before it was killed"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert build(SOURCE, name="after", work=work, steps=STEPS, **KEYS).files() == whole


def other(min_characters: int) -> list[dict[str, Any]]:
    return [{**step, "min_characters": min_characters} if step["type"] == "textbook" else step for step in STEPS]


@pytest.mark.parametrize("characters", [100, 14_000])
def test_other_thresholds_need_no_new_measurement(
    build: Build, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    work = tmp_path / "work"
    before = build(SOURCE, name="before", work=work, steps=STEPS, **KEYS)
    fresh = build(SOURCE, name="fresh", steps=other(characters), **KEYS)
    section = CorpusSection.model_validate({"sources": [SOURCE], "steps": other(characters), **KEYS})
    tidy(section, work)
    assert not_measured_for(section, work, "") == []
    assert not_measured_for(section, work, "changed input") == ["the input or this program changed"]

    def read(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is read again")

    monkeypatch.setattr(blocks, "read_file", read)
    again = build(SOURCE, name="again", work=work, steps=other(characters), **KEYS)
    assert again.files() == fresh.files()
    changes = compare(before.output / "ledger", again.output / "ledger")
    assert changes.documents == 24
    short = before.step("textbook")["removed"]["too_few_characters"]["documents"]
    if characters == 100:
        assert sum(changes.rescued.values()) == changes.rescued["textbook.too_few_characters"] == short > 0
        assert not changes.removed
    else:
        assert changes.removed["textbook.too_few_characters"] > 0 and not changes.rescued


def test_without_measurements_a_threshold_starts_anew(build: Build, books: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    keys = {**KEYS, "keep_measurements": False}
    first = build(SOURCE, name="first", work=work, steps=STEPS, **keys)
    section = CorpusSection.model_validate({"sources": [SOURCE], "steps": other(100), **keys})
    assert not_measured_for(section, work, "") == ["corpus.keep_measurements is false"]
    loose = build(SOURCE, name="loose", work=work, steps=other(100), **keys)
    assert loose.ledger["documents"]["kept"] > first.ledger["documents"]["kept"]
    kept = build(SOURCE, name="kept", steps=other(100), **KEYS)
    assert [row["id"] for row in loose.rows()] == [row["id"] for row in kept.rows()]
    tidy(section, work)
    assert not work.exists()
