"""What a corpus is made from besides the recipe: files by size and time of change, because they may be terabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import source_files


def input_state(section: CorpusSection, base: Path) -> list[list[Any]]:
    """[name, bytes, time of change or None] of every source file, and of every file or folder that a step names."""
    files = [file for source in section.sources for file in source_files(source, base)]
    state: list[list[Any]] = [[f"{file.source}/{file.relative}", file.size, _changed(file.path)] for file in files]
    for step in section.steps:
        for text in _strings(step.model_dump(mode="json")):
            state += [[name, size, time] for name, size, time in _files_of(text, base)]
    return state


def _changed(path: str) -> int | None:
    """Time of change in nanoseconds, of the archive for a file inside one; None for what is not on a disk here."""
    for name in (path, path.partition("!")[0]):
        if Path(name).exists():
            return Path(name).stat().st_mtime_ns
    return None


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from _strings(value)


def _files_of(text: str, base: Path) -> Iterator[tuple[str, int, int]]:
    """Files behind a value of a step that is a path (models, word lists, benchmarks, earlier corpora)."""
    if "/" not in text and "." not in text:
        return
    path = base / Path(text).expanduser()
    try:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.is_file():
                yield text, file.stat().st_size, file.stat().st_mtime_ns
    except OSError:  # not a path at all: too long, or with characters that no path has
        return
