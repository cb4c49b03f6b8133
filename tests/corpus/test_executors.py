"""The same bytes from one process, from a Ray cluster of two workers, and from a Slurm job array."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import pretraining.corpus.build as build_module
import pretraining.corpus.executor_slurm as slurm
from pretraining.corpus.config import Executor
from pretraining.corpus.sources import SourceFile
from pretraining.errors import DataError, PretrainingError

Build = Callable[..., Any]
SOURCE = {"type": "text", "path": "in", "name": "books"}
STEPS = [{"type": "normalize"}, {"type": "exact_deduplication"}, {"type": "minhash_deduplication"}]
SHARD = 60_000


@pytest.fixture
def books(tmp_path: Path, speeches: list[str]) -> Path:
    """Speeches and a copy."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i, speech in enumerate([*speeches[:9], speeches[0]]):
        (folder / f"{i:02d}.txt").write_text(speech, "utf-8")
    return folder


def built(build: Build, name: str, **executor: Any) -> dict[str, bytes]:
    files: dict[str, bytes] = build(SOURCE, name=name, steps=STEPS, executor={"shard_bytes": SHARD, **executor}).files()
    return files


@pytest.mark.enable_socket
def test_ray_gives_the_same_bytes(build: Build, books: Path, capfd: pytest.CaptureFixture[str]) -> None:
    one = built(build, "one")
    assert sum(name.startswith("train") for name in one) > 1
    assert built(build, "ray", type="ray", workers=2) == one


@pytest.mark.enable_socket
def test_an_error_on_ray_reaches_the_caller(
    build: Build, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [SourceFile("books", str(tmp_path / "gone.txt"), "gone.txt", 10)]
    monkeypatch.setattr(build_module, "source_files", lambda source, base: gone)
    with pytest.raises(DataError, match=r"gone.txt cannot be opened: No such file"):
        build(SOURCE, steps=STEPS, executor={"type": "ray", "workers": 1})


SBATCH = """#!{python}
import os, re, subprocess, sys
script = open(sys.argv[-1]).read()
offset = re.search(r"RUN_OFFSET=(\\d+)", " ".join(sys.argv)).group(1)
last = int(re.search(r"--array=0-(\\d+)", script).group(1))
pickled = re.search(r"launch_pickled_pipeline (\\S+)", script).group(1)
assert "--partition=cpu" in script and "--account=nlp" in script and "source setup.sh" in script
for task in range(last + 1):
    env = {{**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "RUN_OFFSET": offset, "SLURM_NODELIST": "node"}}
    if os.environ.get("FAIL") != str(task):
        code = "from datatrove.tools.launch_pickled_pipeline import main; main()"
        subprocess.run([sys.executable, "-c", code, pickled], env=env, check=True)
print("Submitted batch job 7")
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of Slurm's names: ``sbatch`` runs the job array at once, ``squeue`` finds nothing left."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "sbatch": SBATCH.format(python=sys.executable),
        "squeue": "#!/bin/sh\n",
        "scontrol": "#!/bin/sh\necho node\n",
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.01)


OPTIONS = {"partition": "cpu", "environment": "source setup.sh", "sbatch": {"account": "nlp"}}


def test_slurm_gives_the_same_bytes(build: Build, books: Path, cluster: None) -> None:
    keys = {"steps": STEPS[:1], "canaries": False, "held_out_near_duplicates": "keep"}
    one = build(SOURCE, name="one", **keys, executor={"shard_bytes": 150_000}).files()
    executor = {"type": "slurm", "workers": 2, "shard_bytes": 150_000, "slurm": OPTIONS}
    assert build(SOURCE, name="slurm", **keys, executor=executor).files() == one


def test_a_task_that_fails_on_slurm_is_told(
    build: Build, books: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "0")
    executor = {"type": "slurm", "shard_bytes": 10**9, "slurm": OPTIONS}
    with pytest.raises(PretrainingError, match=r"1 of 1 tasks failed on the cluster\n    see .*slurm_logs"):
        build(SOURCE, steps=STEPS[:1], canaries=False, executor=executor)


def test_no_slurm_here(build: Build, books: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DataError, match="there is no `sbatch` on this machine"):
        build(SOURCE, executor={"type": "slurm", "slurm": {"partition": "cpu"}})


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"type": "slurm"}, "`type: slurm` needs `slurm: {partition: ...}`"),
        ({"slurm": {"partition": "cpu"}}, "`type: local` does not read `slurm`"),
        ({"type": "slurm", "slurm": {"partition": "a"}, "ray_address": "x"}, "does not read `ray_address`"),
    ],
)
def test_options_of_another_executor_are_refused(keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as error:
        Executor.model_validate(keys)
    assert says in str(error.value)
