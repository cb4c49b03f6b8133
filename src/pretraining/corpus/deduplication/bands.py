"""Documents with equal keys: a band's files are read in ranges of their first hash, in a stated amount of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.parts import Parts, Shape

BAND_BYTES = 1 << 30
"""Memory in which the keys of a band are compared."""
_WORKING = 3
"""Bytes that comparing takes, per byte of records."""
_SAMPLES = 64
"""First hashes looked at in each file, to cut a band into ranges of like size."""

Groups = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of documents, and for each the number of its group; groups lie together, each in reading order."""


def equal_keys(parts: Parts, shape: Shape, band: int, *, by_source: bool, budget: int = BAND_BYTES) -> Iterator[Groups]:
    """The documents that share all hashes of a band with another (``by_source``: with another of their source).

    Keys are compared exactly, after sorting by 64 bits of them.
    """
    files = [part for part in parts.parts if part.documents]
    records = sum(part.band(band).stat().st_size for part in files) // shape.band_type.itemsize
    ranges = -(-records * shape.band_type.itemsize * _WORKING // budget)
    cuts = _cuts([part.band(band) for part in files], shape, max(ranges, 1))
    for step in range(cuts.shape[1] - 1):
        loaded, positions = [], []
        for part, (low, high) in zip(files, cuts[:, step : step + 2].tolist(), strict=True):
            offset = low * shape.band_type.itemsize
            rows = np.fromfile(part.band(band), dtype=shape.band_type, count=high - low, offset=offset)
            loaded.append(rows["key"])
            positions.append(rows["document"] + np.int64(part.start))
        if loaded:
            groups = _grouped(np.concatenate(loaded), np.concatenate(positions))
            yield _split_by_source(groups, parts) if by_source and len(groups[0]) else groups


def _cuts(paths: list[Path], shape: Shape, ranges: int) -> NDArray[np.int64]:
    """Where in each file each range of first hashes begins, and where the last one ends, [files, ranges + 1].

    Records with the same first hash are in the same range.
    """
    sizes = [path.stat().st_size // shape.band_type.itemsize for path in paths]
    if ranges == 1 or not any(sizes):
        return np.array([[0, size] for size in sizes], dtype=np.int64).reshape(-1, 2)

    def first_hashes(path: Path) -> NDArray[np.unsignedinteger]:
        return np.fromfile(path, dtype=shape.band_type)["key"][:, 0]

    sample = np.sort(
        np.concatenate(
            [first_hashes(path)[:: max(1, size // _SAMPLES)] for path, size in zip(paths, sizes, strict=True)]
        )
    )
    bounds = np.unique(sample[np.arange(1, ranges) * len(sample) // ranges])
    return np.array(
        [[0, *np.searchsorted(first_hashes(path), bounds), size] for path, size in zip(paths, sizes, strict=True)]
    )


def _grouped(keys: NDArray[np.unsignedinteger], positions: NDArray[np.int64]) -> Groups:
    mixed = np.zeros(len(keys), dtype=np.uint64)
    for column in keys.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")  # stable: a group's documents stay in reading order
    mixed = mixed[order]
    follows = np.flatnonzero(mixed[1:] == mixed[:-1])
    follows = follows[(keys[order[follows]] == keys[order[follows + 1]]).all(axis=1)] + 1
    return _several(order, follows, positions)


def _several(order: NDArray[np.int64], follows: NDArray[np.int64], positions: NDArray[np.int64]) -> Groups:
    """The groups of two and more, from the places in ``order`` that belong to the group of the place before."""
    member = np.zeros(len(order), dtype=bool)
    member[follows] = True
    head = ~member
    member[follows - 1] = True
    places = np.flatnonzero(member)
    return positions[order[places]], np.cumsum(head[places]) - 1


def _split_by_source(groups: Groups, parts: Parts) -> Groups:
    positions, group = groups
    source = parts.gather("records", positions)["source"]
    order = np.lexsort((positions, source, group))
    same = (group[order][1:] == group[order][:-1]) & (source[order][1:] == source[order][:-1])
    return _several(order, np.flatnonzero(same) + 1, positions)
