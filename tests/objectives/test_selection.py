from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.objectives.draws import mix
from pretraining.objectives.selection import bits_at, choose, fill, members, random_order

KEYS = mix(np.arange(1, 400, dtype=np.uint64))
seeds = st.integers(0, 2**32)


@settings(max_examples=40)
@given(seeds, st.integers(1, 9), st.integers(0, 40))
def test_as_many_as_asked_for_of_those_inside(seed: int, batch: int, width: int) -> None:
    random = np.random.default_rng(seed)
    inside = random.random((batch, width)) < random.random()
    count = random.integers(0, inside.sum(1) + 1)
    chosen = choose(KEYS[:batch], inside, count, stream=0) if width else inside
    assert chosen.sum(1).tolist() == count.tolist() and not (chosen & ~inside).any()


def test_each_place_is_as_likely() -> None:
    inside = np.ones((399, 40), bool)
    inside[:, ::4] = False
    chosen = choose(KEYS, inside, np.full(399, 6), stream=3)
    share = chosen[:, inside[0]].mean(0)
    assert np.abs(share - 0.2).max() < 4 * np.sqrt(0.16 / 399)


@settings(max_examples=40)
@given(seeds, st.integers(1, 6), st.integers(1, 30), st.integers(0, 5))
def test_orders_are_permutations_whatever_the_width(seed: int, batch: int, width: int, more: int) -> None:
    sizes = np.random.default_rng(seed).integers(0, width + 1, batch)
    order = random_order(KEYS[:batch], sizes, width, stream=1)
    wider = random_order(KEYS[:batch], sizes, width + more, stream=1)
    for row, size in enumerate(sizes):
        assert sorted(order[row].tolist()) == list(range(width))
        assert sorted(order[row, :size].tolist()) == list(range(size))
        assert order[row, :size].tolist() == wider[row, :size].tolist()


def test_all_orders_of_three_come_up() -> None:
    order = random_order(KEYS, np.full(399, 3), 3, stream=1)
    _, times = np.unique(order, axis=0, return_counts=True)
    assert len(times) == 6 and np.abs(times - 66.5).max() < 4 * np.sqrt(66.5)


def greedy(sizes: list[int], budget: int) -> list[int]:
    """BERT's loop: a word that would exceed the budget is left out."""
    taken = []
    for size in sizes:
        taken.append(size if size <= budget else 0)
        budget -= taken[-1]
    return taken


def until_full(sizes: list[int], budget: int) -> list[int]:
    """SpanBERT's loop: the last one is cut."""
    taken = []
    for size in sizes:
        taken.append(min(size, budget))
        budget -= taken[-1]
    return taken


@settings(max_examples=60)
@given(st.lists(st.tuples(st.lists(st.integers(1, 7), max_size=12), st.integers(0, 25)), min_size=1, max_size=5))
def test_budgets_are_filled_as_by_the_loops_of_the_references(rows: list[tuple[list[int], int]]) -> None:
    width = max(len(sizes) for sizes, _ in rows)
    sizes = np.array([sizes + [0] * (width - len(sizes)) for sizes, _ in rows], np.int64).reshape(len(rows), width)
    budget = np.array([budget for _, budget in rows])
    for cut, loop in ((False, greedy), (True, until_full)):
        expected = [loop(row.tolist(), limit) for row, limit in zip(sizes, budget.tolist(), strict=True)]
        assert fill(sizes, budget, cut=cut).tolist() == expected


def test_members_are_in_order() -> None:
    first, taken = np.array([[7, 0, 3], [20, 0, 11]]), np.array([[2, 0, 1], [3, 0, 0]])
    assert members(first, taken).tolist() == [3, 7, 8, 20, 21, 22]
    assert members(first, 0 * taken).tolist() == []


def test_draws_belong_to_their_place() -> None:
    rows, places = np.array([0, 2, 2, 5]), np.array([4, 0, 9, 4])
    words = bits_at(KEYS[:6], rows, places, stream=2)
    assert bits_at(KEYS[:6], rows[1:3], places[1:3], stream=2).tolist() == words[1:3].tolist()
    assert len(set(words.tolist())) == 4
