"""Precision, recall, F1 and AUC."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.models.measures import area_under_curve, at_threshold, measure


@given(
    scores=st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.9]), min_size=4, max_size=12),
    labels=st.lists(st.integers(0, 1), min_size=12, max_size=12),
)
def test_auc_is_the_share_of_pairs_in_order(scores: list[float], labels: list[int]) -> None:
    labels = [0, 1, *labels[2 : len(scores)]]
    pairs = [
        (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
        for i in range(len(scores))
        for j in range(len(scores))
        if labels[i] == 1 and labels[j] == 0
    ]
    assert area_under_curve(np.array(scores), np.array(labels)) == pytest.approx(sum(pairs) / len(pairs))


def test_at_a_threshold_the_equal_score_is_kept() -> None:
    row = at_threshold(np.array([0.5, 0.6, 0.7, 0.1]), np.array([1, 0, 1, 1]), 0.5)
    assert row == {
        "threshold": 0.5,
        "kept": 3,
        "kept_positive": 2,
        "precision": 0.6667,
        "recall": 0.6667,
        "f1": 0.6667,
    }


def test_nothing_kept_has_no_precision() -> None:
    assert at_threshold(np.array([0.1, 0.2]), np.array([1, 0]), 0.9)["precision"] is None


def test_measure_has_the_table_and_its_middle_row() -> None:
    measured = measure([0.95, 0.55, 0.45, 0.05], [1, 1, 0, 0])
    assert (measured["auc"], measured["precision"], measured["recall"], measured["f1"]) == (1.0, 1.0, 1.0, 1.0)
    assert [row["kept"] for row in measured["thresholds"]] == [3, 3, 3, 3, 2, 1, 1, 1, 1]
