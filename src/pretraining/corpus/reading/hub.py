"""Datasets of the Hugging Face hub, streamed, and folders that hold one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.reading.records import Advance, Records, Unfit, make_draft, take_named
from pretraining.corpus.reading.source_file import SourceError, SourceFile
from pretraining.corpus.sections.sources import HuggingFaceSource
from pretraining.errors import DataError

SAVED = ("dataset_info.json", "dataset_dict.json")
"""One of these stands in a folder that ``save_to_disk`` wrote."""

UNKNOWN_SIZE = 64_000_000
"""Bytes that a shard counts for where the hub does not say it: a task of its own, with the executor's defaults."""


def hub_files(source: HuggingFaceSource, name: str, base: Path) -> list[SourceFile]:
    """One ``SourceFile`` for each shard of the dataset.

    Raises:
        SourceError: there is no such dataset, configuration or split, or it cannot be reached.
    """
    folder = base / Path(source.path).expanduser()
    path = str(folder) if folder.is_dir() else source.path
    dataset = open_dataset(path, source)
    shards = dataset.num_shards
    splits = dataset.info.splits or {}
    size = getattr(splits.get(source.split), "num_bytes", None) or UNKNOWN_SIZE * shards
    return [
        SourceFile(name, path, f"{source.split}-{i:05d}-of-{shards:05d}", size // shards, start=i, end=i + 1)
        for i in range(shards)
    ]


def open_dataset(path: str, source: HuggingFaceSource) -> Any:
    """The dataset, to iterate over; SourceError if it cannot be opened."""
    import datasets

    try:
        if Path(path).is_dir() and any((Path(path) / name).is_file() for name in SAVED):
            saved = datasets.load_from_disk(path)
            dataset = saved[source.split] if isinstance(saved, datasets.DatasetDict) else saved
            return dataset.to_iterable_dataset(num_shards=max(len(dataset.cache_files), 1))
        return datasets.load_dataset(
            path, name=source.config, split=source.split, revision=source.revision, streaming=True
        )
    except Exception as error:  # hub, files and builders have errors of their own
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise SourceError(
            f"dataset {path} cannot be opened (config {source.config}, split {source.split!r}): {said[0]}",
            "correct `path`, `config`, `split` or `revision`; a dataset of the hub needs the network",
        ) from error


def read_hub(file: SourceFile, source: HuggingFaceSource, advance: Advance) -> Records:
    """One document per row of a shard. A damaged file of a folder gives what came before, and an unreadable record.

    Raises:
        DataError: the hub's stream breaks off. Less of it would be another dataset, so nothing is made of the part.
    """
    dataset = open_dataset(file.path, source)
    rows = iter(dataset.shard(num_shards=dataset.num_shards, index=file.start) if dataset.num_shards > 1 else dataset)
    row = 0
    while True:
        row += 1
        try:
            fields = dict(next(rows))
        except StopIteration:
            break
        except Exception as error:  # as many kinds as there are file formats and protocols behind it
            if not Path(file.path).is_dir():
                raise DataError(
                    f"dataset {file.path}: {file.relative} breaks off at row {row}: {type(error).__name__}: {error}\n"
                    "    run the same command again; if it is not the network, leave the dataset out"
                ) from error
            yield Unreadable(file.source, file.relative, "corrupt", 0, row)
            break
        try:
            text, identifier = take_named(fields, source)
        except Unfit as error:
            yield Unreadable(
                file.source, file.relative, error.reason, len(repr(fields).encode("utf-8", "replace")), row
            )
            continue
        yield make_draft(file, source, text, fields, identifier=identifier, record=row)
    advance(file.size)
