from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.batching.order import derived_seed, permute, unpermute


@settings(max_examples=40)
@given(size=st.integers(1, 700), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 10_000))
def test_every_epoch_is_a_permutation(size: int, seed: int, epoch: int) -> None:
    assert np.array_equal(np.sort(permute(np.arange(size), epoch, size=size, seed=seed)), np.arange(size))


def test_one_position_alone_is_the_same_as_in_a_crowd() -> None:
    everything = permute(np.arange(1000), 3, size=1000, seed=7)
    assert [int(permute(i, 3, size=1000, seed=7)) for i in (0, 17, 999)] == everything[[0, 17, 999]].tolist()
    mixed = permute([5, 5], [0, 1], size=1000, seed=7)
    assert mixed.tolist() == [int(permute(5, 0, size=1000, seed=7)), int(permute(5, 1, size=1000, seed=7))]


def test_epochs_and_seeds_differ_and_neighbours_are_not_neighbours() -> None:
    size = 10_000
    a = permute(np.arange(size), 0, size=size, seed=1)
    assert (a == permute(np.arange(size), 1, size=size, seed=1)).mean() < 0.01
    assert (a == permute(np.arange(size), 0, size=size, seed=2)).mean() < 0.01
    assert (a == permute(np.arange(size), 0, size=size, seed=derived_seed(1, 0))).mean() < 0.01
    assert (np.abs(np.diff(a)) == 1).mean() < 0.01
    # A random permutation keeps rank correlation with the identity at about 1 / sqrt(size).
    assert abs(np.corrcoef(a, np.arange(size))[0, 1]) < 0.05
    assert len({derived_seed(seed, number) for seed in range(30) for number in range(30)}) == 900


def test_the_order_never_changes_between_versions() -> None:
    """A new release must not reorder the data of a run that is under way."""
    assert permute(np.arange(8), 0, size=1_000_003, seed=1234).tolist() == [
        146609,
        116146,
        887654,
        888226,
        419769,
        662733,
        19899,
        97409,
    ]
    assert [derived_seed(1234, number) for number in (0, 1)] == [8797642262298044781, 10748155952466582653]


@settings(max_examples=40)
@given(size=st.integers(1, 10**12), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 10**6))
def test_the_position_of_a_row_is_found_again(size: int, seed: int, epoch: int) -> None:
    positions = np.unique(np.array([0, size // 3, size // 2, max(0, size - 2), size - 1]))
    rows = permute(positions, epoch, size=size, seed=seed)
    assert rows.min() >= 0 and rows.max() < size
    assert np.array_equal(unpermute(rows, epoch, size=size, seed=seed), positions)


def test_sizes_and_seeds_may_differ_from_one_position_to_the_next() -> None:
    sizes, seeds, epochs = np.array([1, 7, 100, 10**9]), np.array([3, 4, 5, 2**63], np.uint64), np.array([0, 1, 2, 3])
    positions = sizes - 1
    each = zip(positions.tolist(), epochs.tolist(), sizes.tolist(), seeds.tolist(), strict=True)
    expected = [int(permute(p, e, size=n, seed=s)) for p, e, n, s in each]
    rows = permute(positions, epochs, size=sizes, seed=seeds)
    assert rows.tolist() == expected
    assert np.array_equal(unpermute(rows, epochs, size=sizes, seed=seeds), positions)
