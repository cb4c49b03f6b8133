from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.batching.buckets import permute_buckets, unpermute_buckets


@settings(max_examples=40)
@given(size=st.integers(1, 700), bucket=st.integers(1, 70), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 100))
def test_buckets_stay_together_and_an_epoch_is_a_permutation(size: int, bucket: int, seed: int, epoch: int) -> None:
    rows = permute_buckets(np.arange(size), epoch, size=size, bucket=bucket, seed=seed)
    assert np.array_equal(np.sort(rows), np.arange(size))
    runs = 1 + int((np.diff(rows // bucket) != 0).sum())
    assert runs == -(-size // bucket)


@settings(max_examples=40)
@given(size=st.integers(1, 10**12), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 10**6))
def test_the_position_of_a_row_is_found_again(size: int, seed: int, epoch: int) -> None:
    positions = np.unique(np.array([0, size // 3, size // 2, max(0, size - 2), size - 1]))
    rows = permute_buckets(positions, epoch, size=size, bucket=64, seed=seed)
    assert rows.min() >= 0 and rows.max() < size
    assert np.array_equal(unpermute_buckets(rows, epoch, size=size, bucket=64, seed=seed), positions)


def test_sizes_and_seeds_may_differ_from_one_position_to_the_next() -> None:
    sizes, seeds, epochs = np.array([1, 7, 100, 10**9]), np.array([3, 4, 5, 2**63], np.uint64), np.array([0, 1, 2, 3])
    positions = sizes - 1
    each = zip(positions.tolist(), epochs.tolist(), sizes.tolist(), seeds.tolist(), strict=True)
    expected = [int(permute_buckets(p, e, size=n, bucket=8, seed=s)) for p, e, n, s in each]
    rows = permute_buckets(positions, epochs, size=sizes, bucket=8, seed=seeds)
    assert rows.tolist() == expected
    assert np.array_equal(unpermute_buckets(rows, epochs, size=sizes, bucket=8, seed=seeds), positions)


def test_the_shorter_bucket_may_come_anywhere_and_rows_move_inside_theirs() -> None:
    epochs = np.arange(200)
    positions = unpermute_buckets(np.full(200, 9), epochs, size=10, bucket=3, seed=1)  # row 9 is alone in its bucket
    assert set(positions.tolist()) == {0, 3, 6, 9}
    first = {tuple(permute_buckets(np.arange(3), epoch, size=3, bucket=3, seed=1).tolist()) for epoch in range(100)}
    assert len(first) == 6


def test_a_part_of_an_epoch_has_the_lengths_of_the_whole() -> None:
    lengths = np.sort(np.random.default_rng(0).lognormal(6, 1, 100_000).clip(1, 1024))
    drawn = lengths[permute_buckets(np.arange(50_000), 0, size=100_000, bucket=64, seed=1)]
    for end in (5_000, 20_000, 50_000):
        # buckets in any order: a standard deviation of 330 / 520 / sqrt(end / 64), which is 0.02 for the last
        assert abs(drawn[:end].mean() / lengths.mean() - 1) < 0.004 * 50_000 / end
    slots = permute_buckets(np.arange(0, 64 * 1000, 64), 0, size=64 * 1000, bucket=64, seed=1) // 64
    assert (np.abs(np.diff(slots)) == 1).mean() < 0.02


def test_the_order_never_changes_between_versions() -> None:
    """A new release must not reorder the data of a run that is under way."""
    assert permute_buckets(np.arange(5), 0, size=1_000_003, bucket=64, seed=1234).tolist() == [
        674516,
        674550,
        674545,
        674528,
        674530,
    ]
