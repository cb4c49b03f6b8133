from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.deduplication.spans import Spans, unit_numbers, without


@pytest.mark.parametrize(
    ("text", "cut", "expected"),
    [
        ("One. Two. Three.", ["Two."], "One. Three."),
        ("One. Two. Three.", ["Three."], "One. Two."),
        ("One. Two. Three.", ["One."], "Two. Three."),
        ("a\n\nb\n\nc", ["b"], "a\n\nc"),
        ("a\nb\nc\n", ["c"], "a\nb"),
        ("def f():\n    a\n    b\n        c\n", ["b"], "def f():\n    a\n        c\n"),
        ("    b\n    c", ["b"], "    c"),
        ("a\nb\n\nc\nd", ["b", "c"], "a\nd"),
        ("a b c d", ["b", "c"], "a d"),
        ("a b", ["a", "b"], ""),
        ("天地玄黄。宇宙洪荒。", ["天地玄黄。"], "宇宙洪荒。"),
    ],
)
def test_white_space_around_a_cut_is_not_doubled(text: str, cut: list[str], expected: str) -> None:
    assert without(text, [(text.index(piece), text.index(piece) + len(piece)) for piece in cut]) == expected


def test_nothing_to_cut_changes_nothing() -> None:
    assert without(" a \n", []) == " a \n"


@given(st.text("ab \n", max_size=30), st.lists(st.integers(0, 30), max_size=8, unique=True))
def test_all_that_is_not_cut_stays_in_order(text: str, edges: list[int]) -> None:
    edges = sorted(min(edge, len(text)) for edge in edges)
    spans = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if a < b]
    kept = "".join(c for i, c in enumerate(text) if not any(a <= i < b for a, b in spans))
    assert "".join(without(text, spans).split()) == "".join(kept.split())
    assert len(without(text, spans)) <= len(text)


def test_spans_are_written_and_chosen(tmp_path: Path) -> None:
    offsets = np.array([0, 2, 2, 3])
    spans = Spans(offsets, np.array([0, 5, 1]), np.array([4, 9, 2]), np.array([-1, -1, -1]))
    chosen = spans.only(np.array([False, True, True]), np.array([7, 8]))
    chosen.save(tmp_path / "spans.npz")
    assert list(Spans.load(tmp_path / "spans.npz").by_document()) == [([(5, 9)], 7), ([], -1), ([(1, 2)], 8)]


def test_the_unit_with_which_each_run_begins() -> None:
    assert unit_numbers(np.array([0, 5, 6, 10]), np.array([0, 3, 3, 5])).tolist() == [0, 1, 2, 6, 7]
