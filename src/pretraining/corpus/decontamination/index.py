"""The n-grams of all benchmarks, sorted by hash, in files that every process maps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.decontamination.benchmarks import read_items
from pretraining.corpus.decontamination.words import ngram_hashes, plain_words
from pretraining.corpus.sections.decontamination import Benchmark, DecontaminationStep
from pretraining.errors import DataError

FILE = "benchmarks.json"
Hashes = NDArray[np.uint64]


def build_index(section: DecontaminationStep, folder: Path, base: Path) -> None:
    """Read the benchmarks and write the index; about 50 bytes of memory for each n-gram of each item.

    Raises:
        DataError: a benchmark cannot be read, or no item of it can be checked.
    """
    builder = _Builder(section)
    benchmarks = [builder.add(benchmark, base) for benchmark in section.benchmarks]
    hashes, owners = np.concatenate(builder.hashes), np.concatenate(builder.owners)
    order = np.lexsort((owners, hashes))
    values, starts = np.unique(hashes[order], return_index=True)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "hashes.npy", values)
    np.save(folder / "starts.npy", np.append(starts, len(order)))
    np.save(folder / "owners.npy", owners[order])
    (folder / "items.json").write_text(json.dumps(builder.names, ensure_ascii=False), encoding="utf-8")
    described = {"lengths": sorted(builder.lengths), "benchmarks": benchmarks}
    (folder / FILE).write_text(json.dumps(described, indent=1), encoding="utf-8")


class _Builder:
    """Hashes and their items, of all benchmarks so far."""

    def __init__(self, section: DecontaminationStep) -> None:
        self.section = section
        self.hashes: list[Hashes] = []
        self.owners: list[NDArray[np.uint32]] = []
        self.names: list[str] = []
        self.lengths: set[int] = set()

    def add(self, benchmark: Benchmark, base: Path) -> dict[str, Any]:
        """Read a benchmark; what ``contamination_table`` says of it."""
        items = self._items(benchmark, base)
        checkable = {number: hashes for number, hashes in items.items() if hashes}
        if not checkable:
            raise DataError(
                f"benchmark {benchmark.name!r}: none of its {len(items):,} items has "
                f"{self.section.min_item_words} words or more\n    correct `fields`, or lower `min_item_words`"
            )
        for number, hashes in checkable.items():
            self.hashes.append(np.unique(np.concatenate(hashes)))
            self.owners.append(np.full(len(self.hashes[-1]), number, dtype=np.uint32))
        ngrams = len(np.unique(np.concatenate(self.hashes[-len(checkable) :])))
        return {"name": benchmark.name, "items": len(items), "checkable": len(checkable), "ngrams": ngrams}

    def _items(self, benchmark: Benchmark, base: Path) -> dict[int, list[Hashes]]:
        """The hashes of each item by its number; none where it is too short."""
        numbers: dict[str, int] = {}
        items: dict[int, list[Hashes]] = {}
        for item in read_items(benchmark, base):
            number = numbers.setdefault(item.id, len(self.names))
            if number == len(self.names):
                self.names.append(item.id)
            hashes = items.setdefault(number, [])
            words = plain_words(item.text)
            length = min(len(words), self.section.ngram)
            if length >= self.section.min_item_words:
                self.lengths.add(length)
                hashes.append(np.unique(ngram_hashes(words, length)))
        return items


class Index:
    """What ``build_index`` wrote, mapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        described = json.loads((folder / FILE).read_text())
        self.lengths: list[int] = described["lengths"]
        self._names = [benchmark["name"] for benchmark in described["benchmarks"]]
        self._ends = np.cumsum([benchmark["items"] for benchmark in described["benchmarks"]])
        self._hashes, self._starts, self._owners = (
            np.load(folder / f"{kind}.npy", mmap_mode="r") for kind in ("hashes", "starts", "owners")
        )
        self._maybe = np.zeros(1 << 20, dtype=bool)
        self._maybe[self._hashes >> np.uint64(44)] = True

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(places in ``hashes`` that are n-grams of a benchmark, ascending, their numbers for ``items``)."""
        places = np.flatnonzero(self._maybe[hashes >> np.uint64(44)])
        numbers = np.minimum(np.searchsorted(self._hashes, hashes[places]), len(self._hashes) - 1)
        same = self._hashes[numbers] == hashes[places]
        return places[same], numbers[same]

    def items(self, number: int) -> NDArray[np.uint32]:
        """The items that have an n-gram."""
        found: NDArray[np.uint32] = self._owners[self._starts[number] : self._starts[number + 1]]
        return found

    @cached_property
    def _ids(self) -> list[str]:
        names: list[str] = json.loads((self._folder / "items.json").read_text("utf-8"))
        return names

    def name(self, item: int) -> tuple[str, str]:
        """(benchmark, id) of an item."""
        return self._names[int(np.searchsorted(self._ends, item, side="right"))], self._ids[item]


def contamination_table(folder: Path, documents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The table of contamination, one row per benchmark.

    Args:
        folder: the step's folder (``Preparation.folder``).
        documents: ``Draft.fields`` of all documents that met a benchmark (the others may be there too), removed or not.

    Returns:
        ``benchmark``, ``items``, ``checkable`` (long enough), ``ngrams`` (different), ``items_hit``,
        ``documents_hit``, and ``share_hit`` of the checkable items.
    """
    described = json.loads((folder / FILE).read_text())["benchmarks"]
    hit: dict[str, set[str]] = {benchmark["name"]: set() for benchmark in described}
    count = dict.fromkeys(hit, 0)
    for fields in documents:
        for name, items in fields.get("contamination_items", {}).items():
            hit[name].update(items)
            count[name] += 1
    return [
        {
            "benchmark": benchmark["name"],
            **{key: benchmark[key] for key in ("items", "checkable", "ngrams")},
            "items_hit": len(hit[benchmark["name"]]),
            "documents_hit": count[benchmark["name"]],
            "share_hit": len(hit[benchmark["name"]]) / max(1, benchmark["checkable"]),
        }
        for benchmark in described
    ]
