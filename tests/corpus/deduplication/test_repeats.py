from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication import repeats as module
from pretraining.corpus.deduplication.repeats import Repeats, located, numbered

VALUES = st.sampled_from([0, 1, 2, 2**40, 2**63, 2**64 - 1])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(VALUES, max_size=8), max_size=5), st.integers(1, 5), st.integers(1, 3))
def test_the_first_of_equals_whatever_the_parts_and_ranges(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]], size: int, shared: int
) -> None:
    repeats = Repeats(tmp_path_factory.mktemp("repeats"))
    for i, part in enumerate(parts):
        repeats.write(i, np.array(part, dtype=np.uint64), numbered(i, np.arange(len(part)) // shared))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "RANGE", size)
        repeats.resolve(len(parts))
    everything = [(value, i, j // shared) for i, part in enumerate(parts) for j, value in enumerate(part)]
    values = [value for value, _, _ in everything]
    found = [repeats.read(i) for i in range(len(parts))]
    firsts = [first for first, _ in found for first in first.tolist()]
    later = [one for _, later in found for one in later.tolist()]
    assert later == [value in values[:i] for i, value in enumerate(values)]
    for first, value in zip(firsts, values, strict=True):
        if values.count(value) == 1:
            assert first == -1
        else:
            tasks, places = located(np.array([first]))
            assert (value, tasks[0], places[0]) == everything[values.index(value)]


def test_resolving_again_gives_the_same(tmp_path: Path) -> None:
    repeats = Repeats(tmp_path / "new" / "folder")
    repeats.write(0, np.array([7, 7, 3], dtype=np.uint64), np.arange(3))
    for _ in range(2):
        repeats.resolve(1)
        first, later = repeats.read(0)
        assert (first.tolist(), later.tolist()) == ([0, 0, -1], [False, True, False])


def test_numbers_ascend_in_reading_order() -> None:
    numbers = np.concatenate([numbered(0, np.array([5, 2**40 - 1])), numbered(70_000, np.array([0]))])
    assert (np.diff(numbers) > 0).all()
    tasks, places = located(numbers)
    assert (tasks.tolist(), places.tolist()) == ([0, 0, 70_000], [5, 2**40 - 1, 0])
