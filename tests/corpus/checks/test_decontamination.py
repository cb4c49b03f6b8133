from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pretraining.corpus.checks.decontamination import RULES
from pretraining.corpus.sections.decontamination import DecontaminationStep
from pretraining.section import Finding

RULE = {rule.id: rule for rule in RULES}


def corpus(*benchmarks: dict[str, Any]) -> Any:
    step = DecontaminationStep.model_validate({"type": "decontamination", "benchmarks": list(benchmarks)})
    return SimpleNamespace(steps=[step])


def test_benchmarks_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "quiz.jsonl").write_text("{}\n")
    given = corpus(
        {"name": "quiz", "path": "quiz.jsonl"},
        {"name": "exam", "path": "exams"},
        {"name": "test", "package": "no_such_package_of_tests"},
    )
    findings = list(RULE["benchmark_exists"].check(given, tmp_path))
    assert [finding.path for finding in findings] == [
        "corpus.steps[0].benchmarks[1].path",
        "corpus.steps[0].benchmarks[2].package",
    ]
    assert findings[0].message == f"benchmark 'exam': {tmp_path}/exams does not exist"
    assert findings[0].fix.startswith("correct `path`")
    assert findings[1].message == "package no_such_package_of_tests is not installed"


def test_names() -> None:
    given = corpus({"name": "a", "path": "x"}, {"name": "b", "path": "y"}, {"name": "a", "path": "z"})
    assert list(RULE["benchmark_names_unique"].check(given)) == [
        Finding(
            "corpus.steps[0].benchmarks[2].name",
            "the name 'a' is already that of benchmarks[0]",
            "give each benchmark its own `name`: the table is by name",
        )
    ]
