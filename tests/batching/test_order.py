from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.batching.order import permute


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
    assert (np.abs(np.diff(a)) == 1).mean() < 0.01
    # A random permutation keeps rank correlation with the identity at about 1 / sqrt(size).
    assert abs(np.corrcoef(a, np.arange(size))[0, 1]) < 0.05


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
