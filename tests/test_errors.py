from __future__ import annotations

import errno

import pytest

from pretraining.errors import DataError, Interrupted, Problem, RecipeError, TrainingError, explain_error, shown_errors


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (DataError("no text"), 2, "error: no text"),
        (TrainingError("diverged"), 1, "error: diverged"),
        (Interrupted("stopped", 15), 143, "stopped"),
        (KeyboardInterrupt(), 130, "goes on from there"),
        (OSError(errno.ENOSPC, "full", "runs/x"), 1, "no space left on the disk while writing runs/x"),
        (OSError("32782 requested and 10224 written"), 1, "no space left on the disk; free some"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/x"), 1, "error: runs/x: Permission denied"),
        (MemoryError(), 1, "out of memory"),
        (ZeroDivisionError("oops"), 1, "ZeroDivisionError: oops"),
    ],
)
def test_status_and_message(error: BaseException, status: int, words: str) -> None:
    found = explain_error(error)
    assert found[0] == status and words in found[1]


def test_the_traceback_is_for_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    for debug in (False, True):
        with shown_errors(debug=debug, prefix="[rank 1] ") as outcome:
            raise DataError("no text")
        err = capsys.readouterr().err
        assert outcome.exit_status == 2 and "[rank 1] error: no text" in err
        assert ("Traceback" in err) is debug


def test_a_problem_has_place_value_rule_and_cure() -> None:
    problem = Problem("unknown_key", "model.hiden", "no such key", "rename it", 3, "a.yaml:7", "did you mean hidden?")
    text = str(RecipeError([problem]))
    assert text.splitlines() == [
        "1 problem in the recipe:",
        "",
        "a.yaml:7: model.hiden = 3",
        "    no such key [unknown_key]",
        "    did you mean hidden?",
        "    rename it",
    ]
