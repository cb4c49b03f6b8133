from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.bands import equal_keys
from pretraining.corpus.deduplication.clusters import Clusters, twins
from pretraining.corpus.deduplication.keep import RECORD
from pretraining.corpus.deduplication.parts import Part, Parts, Shape, write_part


def naive_roots(nodes: int, pairs: list[tuple[int, int]]) -> list[int]:
    root = list(range(nodes))
    for a, b in pairs:
        low, high = sorted((root[a], root[b]))
        root = [low if one == high else one for one in root]
    return root


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_are_those_of_a_plain_union_find(case: tuple[int, list[tuple[int, int]]]) -> None:
    nodes, pairs = case
    clusters = Clusters(nodes)
    for half in (pairs[::2], pairs[1::2]):
        clusters.join((np.array(half, dtype=np.int64).reshape(-1), np.repeat(np.arange(len(half)), 2)))
    expected = naive_roots(nodes, pairs)
    assert clusters.roots(np.arange(nodes)).tolist() == expected
    groups = [[i for i in range(nodes) if expected[i] == head] for head in range(nodes)]
    for budget in (1, 1000, 10**6):
        found = []
        for positions, group in clusters.members(budget):
            assert (np.diff(group) >= 0).all()
            found += [positions[group == g].tolist() for g in np.unique(group)]
        assert found == [members for members in groups if len(members) > 1]


def test_a_chain_of_a_hundred_thousand_documents() -> None:
    nodes = np.random.default_rng(0).permutation(100_000)
    clusters = Clusters(len(nodes))
    clusters.join((np.stack([nodes[:-1], nodes[1:]], axis=1).ravel(), np.repeat(np.arange(len(nodes) - 1), 2)))
    assert not clusters.roots(nodes).any()


def write(folder: Path, keys: np.ndarray, shape: Shape, cuts: list[int], sources: list[int] | None = None) -> Parts:
    records = np.zeros(len(keys), dtype=RECORD)
    records["source"] = 0 if sources is None else sources
    bounds = [0, *cuts, len(keys)]
    for rank, (low, high) in enumerate(pairwise(bounds)):
        part, signed = Part(folder, rank, 0, high - low), np.ones(high - low, dtype=bool)
        write_part(part, shape, records[low:high], keys[low:high], signed)
    return Parts([(folder, np.diff(bounds))])


@pytest.mark.parametrize("precision", [32, 64])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(data=st.data())
def test_equal_keys_are_found_in_ranges_too(new_folder, precision: int, data: st.DataObject) -> None:
    keys = np.array(data.draw(st.lists(st.lists(st.sampled_from([0, 1, 256, 2**31]), min_size=4, max_size=4))))
    shape = Shape(2, 2, precision)
    keys = keys.reshape(-1, 4).astype(shape.hash_type)
    sources = data.draw(st.lists(st.sampled_from([3, 9]), min_size=len(keys), max_size=len(keys)))
    parts = write(
        new_folder(), keys, shape, sorted(data.draw(st.lists(st.integers(0, len(keys)), max_size=3))), sources
    )
    by_source = data.draw(st.booleans())
    for band in range(2):
        expected: dict[tuple, list[int]] = {}
        for i, row in enumerate(keys[:, 2 * band : 2 * band + 2].tolist()):
            expected.setdefault((*row, sources[i] if by_source else 0), []).append(i)
        found = []
        for positions, group in equal_keys(
            parts, shape, band, by_source=by_source, budget=data.draw(st.integers(1, 500))
        ):
            assert (np.diff(group) >= 0).all()
            found += [positions[group == g].tolist() for g in np.unique(group)]
        assert sorted(found) == sorted(members for members in expected.values() if len(members) > 1)


def test_rows_are_gathered_in_any_order_from_all_parts(tmp_path: Path) -> None:
    shape = Shape(1, 1, 64)
    parts = write(tmp_path, np.arange(10, dtype=np.uint64)[:, None] * 3, shape, [0, 4, 4, 9])
    positions = np.array([9, 0, 4, 4, 3])
    assert parts.gather("signatures", positions)[:, 0].tolist() == [27, 0, 12, 12, 9]


def test_what_is_not_similar_to_the_one_that_stays_chooses_again(tmp_path: Path) -> None:
    places = np.array([0.0, 0.1, 0.5, 0.55, 0.9])  # one group; similarity is 1 - distance on a line
    parts = write(tmp_path, np.zeros((5, 1), dtype=np.uint64), Shape(1, 1, 64), [2])
    members = Clusters(5)
    members.join((np.arange(5), np.zeros(5, dtype=np.int64)))

    def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return 1 - np.abs(places[a] - places[b])

    found = twins(members, parts, 0, similarity, minimum=0.8)
    assert found["twin"].tolist() == [-1, 0, 0, 2, 0]
    assert np.allclose(found["value"], [np.nan, 0.9, 0.5, 0.95, 0.1], equal_nan=True)
    loose = twins(members, parts, 0, similarity)
    assert loose["twin"].tolist() == [-1, 0, 0, 0, 0]
    later = twins(members, parts, 2, similarity, minimum=0.8)  # the first two are an earlier release's
    assert later["twin"].tolist() == [-2, 2 - 2, -2]
