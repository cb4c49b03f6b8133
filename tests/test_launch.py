from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pretraining import launch
from pretraining.errors import UserError


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
