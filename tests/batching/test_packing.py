from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pretraining.batching import check_packing as check_packing_module
from pretraining.batching import packing as packing_module
from pretraining.batching.best_fit import place
from pretraining.batching.check_packing import check_packing
from pretraining.batching.packing import Packing, pack

METHODS = ["best_fit", "concatenate", "none"]


def rows(packing: Packing) -> list[list[list[int]]]:
    return [packing.pieces[a:b].tolist() for a, b in zip(packing.offsets[:-1], packing.offsets[1:], strict=True)]


def one_by_one(lengths: list[int], row_length: int) -> list[list[list[int]]]:
    """Best-fit decreasing as it is told in books: each piece, longest first, into the open row with the least room
    that holds it, the one touched last among equals; else into a new row."""
    pieces = [[d, s, min(row_length, n - s)] for d, n in enumerate(lengths) for s in range(0, n, row_length)]
    made: list[list[list[int]]] = []
    room: list[int] = []
    touched: list[int] = []
    for clock, piece in enumerate(sorted(pieces, key=lambda piece: -piece[2])):
        fitting = [row for row in range(len(made)) if room[row] >= piece[2]]
        if fitting:
            row = min(fitting, key=lambda row: (room[row], -touched[row]))
        else:
            row = len(made)
            made.append([])
            room.append(row_length)
            touched.append(clock)
        made[row].append(piece)
        room[row] -= piece[2]
        touched[row] = clock
    return [sorted(row) for row in made]


def test_the_pictured_example() -> None:
    lengths = [10, 3, 1, 2]
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
    assert rows(pack(lengths, 4, "none")) == [
        [[0, 0, 4]],
        [[0, 4, 4]],
        [[1, 0, 3]],
        [[0, 8, 2]],
        [[3, 0, 2]],
        [[2, 0, 1]],
    ]


@given(lengths=st.lists(st.integers(0, 60), max_size=80), row_length=st.integers(1, 40), block=st.integers(1, 9))
@example(lengths=[5, 4, 4, 3, 3, 3, 3, 3], row_length=10, block=4)
def test_best_fit_gives_the_rows_of_the_algorithm_that_places_one_piece_at_a_time(
    lengths: list[int], row_length: int, block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing_module, "BLOCK", block)
        assert rows(pack(lengths, row_length, "best_fit")) == one_by_one(lengths, row_length)


def test_best_fit_gives_these_rows_for_many_documents_too() -> None:
    lengths = np.random.default_rng(0).lognormal(4, 1.2, 1500).astype(np.int64) + 1
    assert rows(pack(lengths, 256, "best_fit")) == one_by_one(lengths.tolist(), 256)


@pytest.mark.parametrize("method", METHODS)
@given(
    lengths=st.lists(st.integers(0, 40), max_size=60),
    row_length=st.integers(1, 16),
    block=st.sampled_from([1, 3, 1 << 16]),
)
def test_every_token_is_in_exactly_one_place(method: str, lengths: list[int], row_length: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing_module, "BLOCK", block)
        patch.setattr(check_packing_module, "BLOCK", block)
        packing = pack(lengths, row_length, method)
        check_packing(packing, np.array(lengths, np.int64), row_length)
    seen = [(d, s + i) for d, s, n in packing.pieces.tolist() for i in range(n)]
    assert sorted(seen) == [(d, i) for d, n in enumerate(lengths) for i in range(n)]
    filled = [sum(n for _, _, n in row) for row in rows(packing)]
    assert all(0 < n <= row_length for n in filled)
    if method == "concatenate":
        assert all(n == row_length for n in filled[:-1])
        assert packing.pieces.tolist() == sorted(packing.pieces.tolist())
    if method == "none":
        assert filled == sorted(filled, reverse=True) and len(packing.pieces) == packing.samples


@pytest.mark.parametrize("method", ["best_fit", "none"])
@given(lengths=st.lists(st.integers(1, 12), max_size=60))
def test_documents_that_fit_a_row_stay_whole(method: str, lengths: list[int]) -> None:
    assert len(pack(lengths, 12, method).pieces) == len(lengths)


def test_real_lengths_fill_the_rows() -> None:
    lengths = np.random.default_rng(0).lognormal(4.5, 1.0, 20_000).astype(np.int64) + 2
    packing = pack(lengths, 512, "best_fit")
    assert lengths.sum() / (packing.samples * 512) > 0.995


def test_rows_longer_than_all_the_text_hold_all_of_it() -> None:
    for method in ("best_fit", "concatenate"):
        assert rows(pack([3, 0, 5], 10**12, method)) == [[[0, 0, 3], [2, 0, 5]]]
    assert rows(pack([3, 0, 5], 10**12, "none")) == [[[2, 0, 5]], [[0, 0, 3]]]


@pytest.mark.parametrize("method", METHODS)
def test_a_document_of_one_token_and_one_of_a_hundred_million(method: str) -> None:
    packing = pack([1, 10**8], 4096, method)
    assert packing.samples == -(-(10**8) // 4096) + (method == "none")
    assert packing.pieces[:, 2].sum() == 10**8 + 1
    assert packing.pieces.dtype == np.uint32 and packing.pieces[:, 1].max() >= 10**8 - 4096
    check_packing(packing, np.array([1, 10**8]), 4096)


def test_a_document_that_four_bytes_cannot_count_is_packed_with_eight() -> None:
    packing = pack([3, 2**32 + 2], 2**31, "best_fit")
    assert packing.pieces.dtype == np.int64
    assert rows(packing) == [[[1, 0, 2**31]], [[1, 2**31, 2**31]], [[0, 0, 3], [1, 2**32, 2]]]


def test_the_steps_of_best_fit_depend_on_the_lengths_and_not_on_the_number_of_pieces() -> None:
    counts = np.bincount(np.random.default_rng(0).lognormal(5, 1, 1000).astype(np.int64) % 512)
    counts[0] = 0
    few, many = place(counts, 512), place(counts * 10**9, 512)
    assert many.pieces.sum() == counts.sum() * 10**9
    assert len(many.pieces) < 10 * 512
    assert few.rows <= 1.1 * many.rows / 10**9 + 1


LENGTHS = np.array([10, 3, 1, 2])


def broken(change: str) -> Packing:
    packing = pack(LENGTHS, 4, "best_fit")
    pieces, offsets = packing.pieces.astype(np.int64), packing.offsets
    if change == "lost":
        return Packing(pieces[1:], np.maximum(offsets - 1, 0)[1:])
    if change == "repeated":
        return Packing(np.concatenate([pieces[:1], pieces]), np.append(0, offsets + 1))
    if change == "swapped":  # as many tokens of each document as there should be
        pieces[1, 1] = 0
    elif change == "beyond the document":
        pieces[4] = (0, 9, 2)
    elif change == "of the neighbour":  # token 10 of document 0 is the first of document 1
        pieces[2:4] = (0, 10, 3), (2, 0, 1)
    elif change == "empty":
        pieces[3, 2] = 0
    elif change == "no such document":
        pieces[3, 0] = 4
    elif change == "row without a piece":
        offsets = np.insert(offsets, 2, offsets[2])
    elif change == "row without an end":
        offsets = offsets[:-1]
    return Packing(pieces, offsets)


@pytest.mark.parametrize(
    "change",
    [
        "lost",
        "repeated",
        "swapped",
        "beyond the document",
        "of the neighbour",
        "empty",
        "no such document",
        "row without a piece",
        "row without an end",
    ],
)
def test_a_packing_that_is_wrong_is_refused(change: str) -> None:
    with pytest.raises(AssertionError, match="loses, repeats or overfills"):
        check_packing(broken(change), LENGTHS, 4)


def test_a_row_that_is_too_full_is_refused() -> None:
    check_packing(broken("nothing"), LENGTHS, 4)
    with pytest.raises(AssertionError, match="loses, repeats or overfills"):
        check_packing(broken("nothing"), LENGTHS, 3)


@given(data=st.data(), lengths=st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_any_change_of_a_piece_is_refused(data: Any, lengths: list[int]) -> None:
    packing = pack(lengths, 4, data.draw(st.sampled_from(METHODS)))
    pieces: npt.NDArray[np.int64] = packing.pieces.astype(np.int64)
    if not len(pieces):
        return
    row, column = data.draw(st.integers(0, len(pieces) - 1)), data.draw(st.integers(0, 2))
    pieces[row, column] = data.draw(st.integers(0, 9).filter(lambda value: value != pieces[row, column]))
    with pytest.raises(AssertionError):
        check_packing(Packing(pieces, packing.offsets), np.array(lengths), 4)
