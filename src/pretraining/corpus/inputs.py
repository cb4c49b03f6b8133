"""What a corpus is made from besides the recipe: files by size and time of change, because they may be terabytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import source_files

PATH_KEYS = {
    *("path", "model", "models", "tokenizer", "ner_model", "classifier"),
    *("lists", "block", "allow", "against"),
}
"""Keys of steps whose values may be files or folders: models, word lists, benchmarks, earlier corpora."""


def input_state(section: CorpusSection, base: Path) -> list[list[Any]]:
    """[name, bytes, time of change or None] of every source file, and of every file or folder that a step names."""
    files = [file for source in section.sources for file in source_files(source, base)]
    state: list[list[Any]] = [[f"{file.source}/{file.relative}", file.size, _changed(file.path)] for file in files]
    for step in section.steps:
        for text in _paths(step.model_dump(mode="json")):
            state += [[name, size, time] for name, size, time in _files_of(text, base)]
    return state


def _changed(path: str) -> int | None:
    """Time of change in nanoseconds, of the archive for a file inside one; None for what is not on a disk here."""
    for name in (path, path.partition("!")[0]):
        if Path(name).exists():
            return Path(name).stat().st_mtime_ns
    return None


def _paths(data: dict[str, Any]) -> Iterator[str]:
    """The values of the keys that may be paths, and the file of a function of the user's."""
    for key, value in data.items():
        if isinstance(value, dict) and key not in PATH_KEYS:
            yield from _paths(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                yield from _paths(item)
        elif key in PATH_KEYS:
            yield from _strings(value)
        elif key == "callable" and value:
            yield value.partition(":")[0].replace(".", "/") + ".py"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _paths(value)
        yield from (each for key, each in value.items() if isinstance(each, str) and key not in PATH_KEYS)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _files_of(text: str, base: Path) -> Iterator[tuple[str, int, int]]:
    path = base / Path(text).expanduser()
    try:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.is_file():
                yield text, file.stat().st_size, file.stat().st_mtime_ns
    except OSError:  # not a path at all: too long, or with characters that no path has
        return
