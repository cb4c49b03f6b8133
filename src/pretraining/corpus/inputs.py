"""What a corpus is made from besides the recipe: files by size and time of change, because they may be terabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.decontamination import Benchmark
from pretraining.corpus.sections.sources import SourceSection
from pretraining.corpus.sources import source_files
from pretraining.section import Section

PATH_KEYS = {
    *("path", "model", "models", "tokenizer", "ner_model", "classifier"),
    *("lists", "block", "allow", "against"),
}
"""Keys of steps whose values may be files or folders: models, word lists, earlier corpora."""

State = tuple[str, int, int | None]
"""Name, bytes, and time of change in nanoseconds; None for what is not on a disk here."""


def input_state(section: CorpusSection, base: Path) -> list[list[Any]]:
    """``State`` of every source file, and of every file that a step names, as lists."""
    found = [state for source in section.sources for state in _of_source(source, base)]
    found += [state for step in section.steps for state in _of_step(step, base)]
    return [list(state) for state in found]


def _of_source(source: Any, base: Path) -> Iterator[State]:
    for file in source_files(source, base):
        yield f"{file.source}/{file.relative}", file.size, _changed(file.path)


def _changed(path: str) -> int | None:
    """Of the archive, for a file inside one."""
    for name in (path, path.partition("!")[0]):
        if Path(name).exists():
            return Path(name).stat().st_mtime_ns
    return None


def _of_step(section: Section, base: Path) -> Iterator[State]:
    """What a step, or a section inside it, names."""
    if isinstance(section, SourceSection):
        yield from _of_source(section, base)
        return
    if isinstance(section, Benchmark):
        from pretraining.corpus.decontamination.benchmarks import benchmark_files

        for path in benchmark_files(section, base):
            yield f"{section.name}/{path.name}", path.stat().st_size, path.stat().st_mtime_ns
        return
    for key in type(section).model_fields:
        for value in _members(getattr(section, key)):
            if isinstance(value, Section):
                yield from _of_step(value, base)
            elif isinstance(value, str) and key in PATH_KEYS:
                yield from _of_path(value, base)
            elif isinstance(value, str) and key == "callable":
                yield from _of_path(value.partition(":")[0].replace(".", "/") + ".py", base)


def _members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def _of_path(text: str, base: Path) -> Iterator[State]:
    path = base / Path(text).expanduser()
    try:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.is_file():
                yield text, file.stat().st_size, file.stat().st_mtime_ns
    except OSError:  # the name of an asset or of a model on a hub, and no path at all
        return
