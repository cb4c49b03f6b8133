from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.batching.packing import Packing, cut, pack


def rows(packing: Packing) -> list[list[list[int]]]:
    return [packing.pieces[a:b].tolist() for a, b in zip(packing.offsets[:-1], packing.offsets[1:], strict=True)]


def test_the_pictured_example() -> None:
    lengths = np.array([10, 3, 1, 2])
    assert rows(pack(lengths, 4, "best_fit")) == [
        [[0, 0, 4]],
        [[0, 4, 4]],
        [[1, 0, 3], [2, 0, 1]],
        [[0, 8, 2], [3, 0, 2]],
    ]
    assert rows(pack(lengths, 4, "concatenate")) == [
        [[0, 0, 4]],
        [[0, 4, 4]],
        [[0, 8, 2], [1, 0, 2]],
        [[1, 2, 1], [2, 0, 1], [3, 0, 2]],
    ]


@pytest.mark.parametrize("method", ["best_fit", "concatenate"])
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=60), size=st.integers(2, 16))
def test_every_token_is_in_exactly_one_place(method: str, lengths: list[int], size: int) -> None:
    packing = pack(np.array(lengths), size, method)
    seen = [(d, s + i) for d, s, n in packing.pieces.tolist() for i in range(n)]
    assert sorted(seen) == [(d, i) for d, n in enumerate(lengths) for i in range(n)]
    assert all(0 < sum(n for _, _, n in row) <= size for row in rows(packing))
    if method == "concatenate":
        assert all(sum(n for _, _, n in row) == size for row in rows(packing)[:-1])


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=60))
def test_best_fit_keeps_short_documents_whole_and_is_near_the_optimum(lengths: list[int]) -> None:
    packing = pack(np.array(lengths), 12, "best_fit")
    assert len(packing.pieces) == len(lengths)
    # First-fit and best-fit decreasing need at most 11/9 of the optimum + 4 (Johnson 1974).
    assert packing.samples <= 11 / 9 * -(-sum(lengths) // 12) * 1.5 + 4


def test_real_lengths_fill_the_rows() -> None:
    lengths = np.random.default_rng(0).lognormal(4.5, 1.0, 20_000).astype(np.int64) + 2
    packing = pack(lengths, 512, "best_fit")
    assert lengths.sum() / (packing.samples * 512) > 0.995


def test_cut_gives_full_pieces_first() -> None:
    assert cut(np.array([5, 0, 4]), 2).tolist() == [[0, 0, 2], [0, 2, 2], [0, 4, 1], [2, 0, 2], [2, 2, 2]]
