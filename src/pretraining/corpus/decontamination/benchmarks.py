"""The items of benchmarks, from local files. Unlike sources, a benchmark with a broken record is an error."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pretraining.corpus.sections.decontamination import Benchmark
from pretraining.errors import DataError

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
_COMPRESSIONS = ("", ".gz", ".zst")
_NO_ITEMS = ("dataset_info.json", "state.json", "dataset_dict.json", "config.json")
"""Files of Hugging Face datasets and evaluation suites that describe the data."""


class Item(NamedTuple):
    """One item of a benchmark, or a part of one: several may have the same id."""

    id: str
    text: str


def benchmark_files(benchmark: Benchmark, base: Path) -> list[Path]:
    """The files of a benchmark, sorted. Looks at names only.

    Raises:
        DataError: the package is not installed, the path does not exist, or holds no such file.
    """
    root = (
        _package(benchmark.package) if benchmark.package is not None else base / Path(benchmark.path or "").expanduser()
    )
    if root.is_file():
        return [root]
    if not root.exists():
        raise DataError(
            f"benchmark {benchmark.name!r}: {root} does not exist\n"
            f"    correct `path` (relative paths start from the folder of the recipe, {base})"
        )
    if benchmark.files is not None:
        found = [path for path in root.glob(benchmark.files) if path.is_file()]
        paths = [path for path in found if _kind(path)] if len(found) > 1 else found
    else:
        paths = [path for path in root.rglob("*") if _kind(path) and path.is_file()]
    if not paths:
        what = f"matches {benchmark.files!r}" if benchmark.files is not None else f"has a name in {', '.join(ENDINGS)}"
        raise DataError(f"benchmark {benchmark.name!r}: no file in {root} {what}\n    correct `files` or the path")
    return sorted(paths)


def _package(name: str) -> Path:
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise DataError(f"package {name} is not installed\n    install the package that brings it, or give a `path`")
    return Path(folders[0], *rest)


def _kind(path: Path) -> str:
    """The ending that says how the file is read; ``""`` for none."""
    if path.name in _NO_ITEMS:
        return ""
    name = path.name.lower()
    return next((end for end in ENDINGS for packed in _COMPRESSIONS if name.endswith(end + packed)), "")


def read_items(benchmark: Benchmark, base: Path) -> Iterator[Item]:
    """All items of a benchmark, in the order of its files.

    Raises:
        DataError: as ``benchmark_files``; or a record cannot be read or has not one of the fields.
    """
    number = 0
    for path in benchmark_files(benchmark, base):
        try:
            for row in _rows(path):
                identifier = str(number) if benchmark.id is None else _one(row, benchmark.id, benchmark, path)
                parts = [_one(row, field, benchmark, path) for field in benchmark.fields]
                yield Item(str(identifier), "\n".join(text for part in parts for text in _texts(part)))
                number += 1
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"benchmark {benchmark.name!r}: {path} cannot be read: {error}") from error


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    kind = _kind(path)
    if kind in (".parquet", ".arrow"):
        return _arrow_rows(path, kind)
    if kind == ".json":
        with _open(path) as file:
            data = json.load(file)
        return iter(data if isinstance(data, list) else [data])
    if kind in (".csv", ".tsv"):
        return _csv_rows(path, "\t" if kind == ".tsv" else ",")
    return _json_lines(path)


def _open(path: Path) -> Any:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8")
    if path.name.endswith(".zst"):
        import zstandard

        return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(path.open("rb")), encoding="utf-8")
    return path.open(encoding="utf-8")


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ValueError(f"line {number} is not JSON ({error})") from error


def _csv_rows(path: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        yield from csv.DictReader(file, delimiter=delimiter)


def _arrow_rows(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == ".parquet":
        batches: Iterable[Any] = pq.ParquetFile(path).iter_batches()
    else:
        with path.open("rb") as file:
            magic = file.read(6)
        source = pa.memory_map(str(path))
        if magic == b"ARROW1":
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        else:
            batches = pa.ipc.open_stream(source)
    for batch in batches:
        yield from batch.to_pylist()


def _one(row: Any, field: str, benchmark: Benchmark, path: Path) -> Any:
    value = row
    for key in field.split("."):
        if not isinstance(value, dict) or key not in value:
            there = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
            raise DataError(
                f"benchmark {benchmark.name!r}: a record of {path} has no field {field!r}: there is {there}\n"
                "    correct `fields` (or `id`)"
            )
        value = value[key]
    return value


def _texts(value: Any) -> Iterator[str]:
    """All strings in a value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
