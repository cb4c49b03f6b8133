"""The rules about decontamination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.decontamination.benchmarks import benchmark_files
from pretraining.corpus.sections.decontamination import DecontaminationStep
from pretraining.errors import DataError
from pretraining.section import Finding, Rule


def _steps(corpus: CorpusSection) -> Iterator[tuple[str, DecontaminationStep]]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, DecontaminationStep):
            yield f"corpus.steps[{i}]", step


def _benchmark_exists(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        for i, benchmark in enumerate(step.benchmarks):
            try:
                benchmark_files(benchmark, base)
            except DataError as error:
                message, _, fix = str(error).partition("\n    ")
                key = "package" if benchmark.package is not None else "path"
                yield Finding(f"{path}.benchmarks[{i}].{key}", message, fix)


def _benchmark_names_unique(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        seen: dict[str, int] = {}
        for i, benchmark in enumerate(step.benchmarks):
            if benchmark.name in seen:
                yield Finding(
                    f"{path}.benchmarks[{i}].name",
                    f"the name {benchmark.name!r} is already that of benchmarks[{seen[benchmark.name]}]",
                    "give each benchmark its own `name`: the table is by name",
                )
            seen.setdefault(benchmark.name, i)


RULES = [
    Rule(
        "benchmark_exists",
        "Every benchmark has files that can be read, and its package is installed.",
        "A benchmark that is not there cannot be kept out of the training data.",
        _benchmark_exists,
    ),
    Rule(
        "benchmark_names_unique",
        "No two benchmarks of a step have the same name.",
        "The table of contamination, and the evidence, tell benchmarks apart by name.",
        _benchmark_names_unique,
    ),
]
