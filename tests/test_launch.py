from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pretraining import launch
from pretraining.errors import Interrupted, PretrainingError, TrainingError, UserError


def fake_run(config: str | None = "cpu") -> Any:
    loaded = SimpleNamespace(path=Path("recipes/x.yaml"), overrides=("a.b=c",))
    return SimpleNamespace(accelerate_config=config, loaded=loaded, lock=None, debug=False, allow_different_data=False)


def test_configs_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert launch.find_accelerate_config("fsdp2").name == "fsdp2.yaml"
    own = tmp_path / "mine.yaml"
    own.write_text("num_processes: 1\n")
    assert launch.find_accelerate_config(str(own)) == own
    with pytest.raises(UserError, match=r"no such file; did you mean zero2\?. Known: cpu, ddp"):
        launch.find_accelerate_config("zero3")


def test_without_a_name_it_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert launch.find_accelerate_config(None).name == "cpu.yaml"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert launch.find_accelerate_config(None).name == "single_gpu.yaml"


def test_the_command_line_is_the_documented_one() -> None:
    words = launch.launch_command(fake_run())
    assert words[-4:] == ["-m", "pretraining.train", "recipes/x.yaml", "a.b=c"]
    assert words[words.index("--config_file") + 1].endswith("accelerate_configs/cpu.yaml")


def test_the_flag_for_other_data_is_passed_on() -> None:
    run = fake_run()
    run.allow_different_data = True
    assert launch.launch_command(run)[-2:] == ["a.b=c", "--allow-different-data"]


def test_threads_are_set_for_cpu_configs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert int(launch.cpu_threads(fake_run())["OMP_NUM_THREADS"]) >= 1
    assert launch.cpu_threads(fake_run("ddp")) == {}
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert launch.cpu_threads(fake_run()) == {}


def test_the_status_of_the_main_process_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status"
    monkeypatch.setenv(launch.STATUS_FILE, str(path))
    monkeypatch.setenv("RANK", "1")
    launch.report_status(2)
    assert not path.exists()
    monkeypatch.setenv("RANK", "0")
    launch.report_status(143)
    assert path.read_text() == "143"


def launched(monkeypatch: pytest.MonkeyPatch, ready: Path, script: str, sent: int | None = None) -> None:
    """Train with a shell script for a launcher; a signal comes as soon as it has made the file ``ready``.

    The script is one process: the launcher's children, if any, get the signal instead of it.
    """
    real = launch.forwarded_signals

    @contextlib.contextmanager
    def with_a_signal(launcher: subprocess.Popen[bytes]) -> Iterator[list[int]]:
        with real(launcher) as forwarded:
            while not ready.exists() and launcher.poll() is None:
                time.sleep(0.005)
            if sent is not None:
                os.kill(os.getpid(), sent)
            yield forwarded

    monkeypatch.setattr(launch, "forwarded_signals", with_a_signal)
    monkeypatch.setattr(launch, "launch_command", lambda run: ["sh", "-c", script.replace("READY", str(ready))])
    monkeypatch.setattr(launch, "cpu_threads", lambda run: {})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would ignore it
    try:
        launch.launch_training(fake_run())
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_training_listens_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    with pytest.raises(Interrupted, match=r"^training stopped; the same command goes on") as raised:
        launched(monkeypatch, tmp_path / "ready", ": > READY; exec sleep 60", sent)
    assert raised.value.exit_status == 128 + sent


@pytest.mark.parametrize(
    ("script", "sent", "error"),
    [
        (": > READY; exit 1", None, TrainingError),
        ("kill -TERM $$", None, TrainingError),  # a signal that did not come through this process
        ('echo 1 > "$PRETRAINING_STATUS_FILE"; : > READY; exec sleep 60', signal.SIGTERM, TrainingError),
        ('echo 2 > "$PRETRAINING_STATUS_FILE"; : > READY; exec sleep 60', signal.SIGTERM, UserError),
    ],
)
def test_what_the_training_reports_counts_whatever_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sent: int | None, error: type[PretrainingError]
) -> None:
    # Status 2 may come in the middle of the training: an `adapt` function is the user's.
    with pytest.raises(error, match=r"^training (stopped|failed); see the message above"):
        launched(monkeypatch, tmp_path / "ready", script, sent)


def test_a_training_that_ends_well_although_a_signal_came_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'echo 0 > "$PRETRAINING_STATUS_FILE"; trap "" TERM; : > READY; exec sleep 0.01'
    launched(monkeypatch, tmp_path / "ready", script, signal.SIGTERM)


def test_a_status_that_nobody_waits_for_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv(launch.STATUS_FILE, str(tmp_path / "status"))
    launch.report_status(3)
    assert (tmp_path / "status").read_text() == "3"
    monkeypatch.setenv(launch.STATUS_FILE, str(tmp_path / "gone" / "status"))
    launch.report_status(3)
    assert not (tmp_path / "gone").exists()
