"""Sequences of pieces that are put together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pretraining.objectives.seq2seq import Segments


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6), st.integers(0, 3), st.booleans())
def test_a_token_is_inserted_at_the_end_or_before_the_pieces_that_are_named(
    pieces: list[tuple[int, bool]], rest: int, at_end: bool
) -> None:
    lengths = np.array([*(length for length, _ in pieces), rest], np.int64)
    chosen = np.array([number for number, (_, one) in enumerate(pieces) if one], np.int64)
    ids = np.arange(lengths.sum())
    expected = [part.tolist() for part in np.split(ids, np.cumsum(lengths))[:-1]]
    for number in chosen:
        expected[number] = [*expected[number], -1] if at_end else [-1, *expected[number]]
    longer = Segments(ids, lengths).insert(chosen, -1, at_end=at_end)
    assert longer.ids.tolist() == [token for part in expected for token in part]
    assert longer.lengths.tolist() == [len(part) for part in expected]
