from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pretraining.objectives.rows import Rows, make_rows
from pretraining.objectives.spans import (
    PieceDraws,
    Spans,
    apportion,
    apportion_spans,
    choose,
    compositions,
    place_spans,
    random_prefixes,
    random_spans,
    sampled_lengths,
)


def rows_of(*rows: list[int], seed: int = 0) -> Rows:
    samples = [{"input_ids": [5] * sum(row), "lengths": row, "index": i} for i, row in enumerate(rows)]
    return make_rows(samples, width=max([1, *map(sum, rows)]), pad_token_id=0, seed=seed)


def halves(size: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 2**32, size, dtype=np.uint32)


def assert_alike(found: list[Any], outcomes: int) -> None:
    """Every outcome occurs, each as often as the others, within 4.5 standard deviations."""
    expected = len(found) / outcomes
    counts = Counter(found)
    assert len(counts) == outcomes
    assert max(abs(count - expected) for count in counts.values()) < 4.5 * expected**0.5


@settings(max_examples=50)
@given(st.lists(st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=8))
@example([(3, 1), (2, 2)])  # the last of 2^n groups, all ones: the rank after it must not be 0
def test_choose_takes_exactly_so_many(groups: list[tuple[int, int]]) -> None:
    counts, picks = np.array(groups, np.int64).reshape(-1, 2).T
    drawn = halves(counts.sum())
    for numbers in (drawn, drawn * 0, ~(drawn * 0)):  # also when all agree
        chosen = choose(counts, picks, numbers)
        assert [part.sum() for part in np.split(chosen, np.cumsum(counts))[:-1]] == picks.tolist()


def test_choices_and_compositions_are_alike() -> None:
    for groups in (4095, 6000):  # ranked in 32 and in 64 bits
        chosen = choose(np.full(groups, 4), np.full(groups, 2), halves(4 * groups)).reshape(-1, 4)
        assert_alike([tuple(row) for row in chosen.tolist()], 6)
    parts = compositions(np.full(6000, 5), np.full(6000, 3), halves(30000)).reshape(-1, 3)
    assert (parts.sum(1) == 5).all()
    assert_alike([tuple(row) for row in parts.tolist()], 6)


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(1, 60), max_size=9), min_size=1, max_size=4), st.integers(0, 9), st.data())
def test_shares_add_up_and_fit(rows: list[list[int]], seed: int, data: st.DataObject) -> None:
    layout = rows_of(*rows, seed=seed)
    amounts = np.array([data.draw(st.integers(0, sum(row))) for row in rows])
    shares = apportion(amounts, layout.piece_length, layout, stream=0)
    for row, amount in enumerate(amounts):
        mine, capacity = shares[layout.piece_row == row], layout.piece_length[layout.piece_row == row]
        assert mine.sum() == amount
        assert (mine <= capacity).all()
        assert (abs(mine - amount * capacity / max(capacity.sum(), 1)) < 1).all()


def test_shares_are_in_proportion_on_average() -> None:
    layout = rows_of(*[[1, 2, 7]] * 4000)
    shares = apportion(np.full(4000, 3), layout.piece_length, layout, stream=0).reshape(-1, 3)
    assert shares.mean(0) == pytest.approx([0.3, 0.6, 2.1], abs=4 * 0.5 / 4000**0.5)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 80), min_size=1, max_size=9), st.floats(0.05, 0.95), st.floats(1, 9), st.booleans())
def test_spans_are_apart_and_within_their_piece(pieces: list[int], density: float, mean: float, loose: bool) -> None:
    from pretraining.objectives.span_lengths import span_counts

    layout = rows_of(pieces)
    planned = span_counts(sum(pieces), density, mean)
    noise, counts = apportion_spans(*(np.array([number]) for number in planned), layout)
    assert ((counts > 0) == (noise > 0)).all()
    assert ((counts <= noise) & (counts <= layout.piece_length - noise)).all()
    if len(pieces) == 1:
        assert (noise.sum(), counts.sum()) == planned
    spans = random_spans(layout.piece_length, noise, counts, PieceDraws(layout), loose=loose)
    assert [found.tolist() for found in spans.counts(len(pieces))] == [noise.tolist(), counts.tolist()]
    mask = spans.mask(sum(pieces))
    assert mask.sum() == noise.sum()
    for part, count in zip(np.split(mask, np.cumsum(pieces)[:-1]), counts, strict=True):
        assert (np.diff(part.astype(int), prepend=0) > 0).sum() == count  # as many runs as spans: none touch
        assert loose or count == 0 or (part[-1] and not part[0])


def test_totals_are_those_of_the_row_unless_pieces_are_tiny() -> None:
    for pieces in ([200, 300, 68], [20] * 28 + [8], [8] * 71):
        layout = rows_of(pieces)
        noise, counts = apportion_spans(np.array([85]), np.array([28]), layout)
        assert (noise.sum(), counts.sum()) == (85, 28)
    noise, counts = apportion_spans(np.array([85]), np.array([28]), rows_of([2] * 284))
    assert (noise.sum(), counts.sum()) == (28, 28)
    noise, counts = apportion_spans(np.array([85]), np.array([28]), rows_of([1] * 568))
    assert (noise.sum(), counts.sum()) == (0, 0)


@pytest.mark.parametrize(("loose", "outcomes"), [(False, 6), (True, 20)])
def test_all_masks_are_alike(loose: bool, outcomes: int) -> None:
    # 7 tokens, 3 of them noise in 2 spans: 2 compositions of the noise, times 3 of the rest, or times 10 choices of
    # 2 among the 5 gaps of the rest.
    layout = rows_of(*[[7]] * 12000)
    full = np.full(12000, 1)
    spans = random_spans(layout.piece_length, 3 * full, 2 * full, PieceDraws(layout), loose=loose)
    assert_alike([tuple(row) for row in spans.mask(7 * 12000).reshape(-1, 7).tolist()], outcomes)


def test_prefixes() -> None:
    layout = rows_of(*[[6, 1, 2]] * 5000)
    prefixes = random_prefixes(layout.piece_length, 0.5, PieceDraws(layout)).reshape(-1, 3)
    assert_alike(prefixes[:, 0].tolist(), 5)
    assert (prefixes[:, 1:] == 1).all()
    layout = rows_of(*[[401]] * 4000)
    prefixes = random_prefixes(layout.piece_length, 0.25, PieceDraws(layout))
    assert (prefixes.min(), prefixes.max()) == (200, 400)
    assert (401 - prefixes).mean() / 401 == pytest.approx(0.251, abs=4 * 0.15 / 4000**0.5)


def test_sampled_lengths_hit_the_budget() -> None:
    budgets = np.array([0, 1, 2, 40, 0, 154] * 50)
    layout = rows_of(*[[200] * 6] * 50)
    distribution = np.array([0.05, 0.15, 0.3, 0.3, 0.2])
    counts, lengths = sampled_lengths(budgets, distribution, PieceDraws(layout))
    piece = np.repeat(np.arange(300), counts)
    assert np.bincount(piece, lengths, 300).tolist() == budgets.tolist()
    assert (counts[budgets == 0] == 0).all()
    share = np.bincount(lengths[np.isin(piece % 6, [5])], minlength=5) / counts[5::6].sum()
    assert abs(share - distribution).max() < 0.03  # one in fifty is cut
    assert (lengths == 0).any()


def test_spans_replaced_and_gathered() -> None:
    ids = np.arange(10, 16)
    spans = Spans(np.array([0, 0, 0]), np.array([2, 4, 5]), np.array([2, 0, 1]))
    assert spans.replace(ids, [1, 2, 3]).tolist() == [10, 11, 1, 2, 14, 3]
    assert spans.replace(ids, 9).tolist() == [10, 11, 9, 9, 14, 9]
    assert spans.gather(ids, before=[1, 2, 3]).tolist() == [1, 12, 13, 2, 3, 15]
    assert spans.take(np.array([2, 0])).gather(ids, after=7).tolist() == [15, 7, 12, 13, 7]
    assert spans.numbers().tolist() == [0, 1, 2]


def test_place_spans_leaves_texts_without_spans_alone() -> None:
    none = np.zeros(3, np.int64)
    layout = rows_of([3, 2], [4])
    for loose in (False, True):
        assert len(place_spans(layout.piece_length, none, none[:0], PieceDraws(layout), loose=loose).start) == 0
    empty: Callable[..., Any] = make_rows
    nothing = empty([], width=4, pad_token_id=0, seed=0)
    assert len(place_spans(none[:0], none[:0], none[:0], PieceDraws(nothing)).start) == 0


def test_what_is_chosen_does_not_depend_on_how_many_groups_there_are() -> None:
    one, other = 0x80000FFF, 0x80000001  # they differ in bits that 4,096 groups leave no room for
    for groups in (1, 64, 4096, 5000):
        numbers = np.concatenate([[one, other], np.zeros(groups - 1)]).astype(np.uint32)
        counts = np.concatenate([[2], np.ones(groups - 1, np.int64)])
        picks = np.concatenate([[1], np.zeros(groups - 1, np.int64)])
        assert np.flatnonzero(choose(counts, picks, numbers)).tolist() == [1]
