from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from rich.console import Console

from pretraining.corpus import doctor as module
from pretraining.corpus.assets import ASSETS
from pretraining.corpus.config import Step
from pretraining.corpus.doctor import Check, doctor, exit_status, render
from pretraining.corpus.sections.sources import Source
from pretraining.errors import DataError


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    """What the doctor says about this installation."""
    return doctor()


def test_nothing_that_is_installed_is_broken(checks: list[Check]) -> None:
    assert [check for check in checks if check.state == "broken"] == []
    assert exit_status(checks) == 0


def test_every_kind_of_block_is_looked_at(checks: list[Check]) -> None:
    seen = {check.block.partition(" (")[0] for check in checks}
    for union, area in ((Source, "source"), (Step, "step")):
        for section in get_args(get_args(union)[0]):
            assert f"{area} {get_args(section.model_fields['type'].annotation)[0]}" in seen
    assert {f"asset {name}" for name in ASSETS} <= seen
    assert "executor local" in seen


def test_what_ran_says_what_it_did(checks: list[Check]) -> None:
    found = {check.block: check for check in checks}
    assert found["source jsonl"].detail == "read 3 documents"
    assert found["step exact_deduplication"].detail == "looked at 3 documents, removed 1"
    assert found["step language (py3langid)"].state == "ok"


def test_it_takes_seconds(checks: list[Check]) -> None:
    assert sum(check.seconds for check in checks) < 30  # under 10 on an idle machine


def run_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception) -> Check:
    def run(folder: Path) -> str:
        print("noise")
        raise error

    monkeypatch.setattr(module, "_blocks", lambda: iter([("step invented", run), ("step sound", lambda _: "fine")]))
    first, second = doctor(tmp_path)
    assert (second.state, second.detail) == ("ok", "fine")
    assert list(tmp_path.iterdir()) == []
    return first


def test_a_missing_file_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check = run_one(monkeypatch, tmp_path, DataError("there is no list\n    put one there"))
    assert (check.state, check.detail, check.fix) == ("missing", "there is no list", "put one there")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check = run_one(monkeypatch, tmp_path, ModuleNotFoundError("No module named 'opencc'", name="opencc"))
    assert (check.state, check.fix) == ("missing", "pip install opencc-python-reimplemented")


def test_a_module_of_ours_that_is_missing_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = ModuleNotFoundError("No module named 'pretraining.lost'", name="pretraining.lost")
    assert run_one(monkeypatch, tmp_path, error).state == "broken"


def test_any_other_error_is_one_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = run_one(monkeypatch, tmp_path, ZeroDivisionError("by [zero]"))
    assert (check.state, check.detail) == ("broken", "ZeroDivisionError: by [zero]")
    assert exit_status([check]) == 1
    assert capsys.readouterr().out == ""
    console = Console(width=120)
    with console.capture() as capture:
        console.print(render([check]))
    assert "ZeroDivisionError: by [zero]" in capture.get()


def test_a_damaged_asset_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRETRAINING_ASSETS", str(tmp_path / "assets"))
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/naughty-words-en.json").write_text("[]")
    check = module._check("asset", module._asset("naughty-words-en.json"), tmp_path)
    assert check.state == "broken"
    assert "is not the naughty-words-en.json that is registered" in check.detail
