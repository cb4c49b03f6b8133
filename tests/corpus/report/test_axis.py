from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.report.axis import Axis, Histogram
from pretraining.corpus.report.figures import histogram
from pretraining.corpus.report.rules import Threshold
from pretraining.corpus.step import Rule

VALUES = st.lists(st.floats(-1e9, 1e9), min_size=2).filter(lambda values: min(values) < max(values))


def of(values: list[float], *limits: tuple[str, float | None]) -> Histogram:
    rules = [Threshold("step", Rule(f"rule_{i}", sign, "key", "words"), v, False) for i, (sign, v) in enumerate(limits)]  # type: ignore[arg-type]
    known = np.array([value for value in values if value == value])
    found = Histogram(tuple(rules), Axis.of(known, [value for _, value in limits if value is not None]))
    found.add(np.array(values), np.arange(len(values)) % 2 == 0)
    return found


@given(VALUES, st.floats(-1e6, 1e6))
def test_every_value_is_in_one_bin_and_can_be_drawn(values: list[float], limit: float) -> None:
    found = of(values, (">", limit))
    assert found.measured == len(values) and int(found.kept.sum()) == -(-len(values) // 2)
    assert "nan" not in histogram(found)


def test_missing_values_are_not_counted() -> None:
    assert of([1.0, float("nan"), 3.0], ("<", 2.0)).measured == 2


def test_whole_numbers_have_a_bin_each() -> None:
    axis = of([0.0, 1.0, 2.0, 2.0, 7.0], ("<", 3.0)).axis
    assert axis.whole and axis.bins == 8
    assert axis.bin(np.array([0.0, 2.0, 7.0])).tolist() == [0, 2, 7]


def test_a_threshold_between_whole_numbers_is_drawn_between_their_bins() -> None:
    for sign, place in (("<", 3), (">=", 3), (">", 4), ("<=", 4)):
        svg = histogram(of([0.0, 1.0, 2.0, 7.0], (sign, 3.0)))
        assert f'class="limit" x1="{260 * place / 8:.1f}"' in svg


def test_a_long_tail_gets_a_logarithmic_axis() -> None:
    values = [*np.linspace(50, 900, 100), 90_000.0]
    assert of(values, ("<", 50.0), (">", 100_000.0)).axis.log
    assert not of([0.1, 0.2, 0.9], (">", 0.3)).axis.log


def test_near_is_within_five_per_cent_on_either_side() -> None:
    near = of([90.0, 96.0, 99.0, 100.0, 104.0, 106.0], ("<", 100.0)).near
    assert near == [[2, 2]]


def test_values_beyond_the_axis_are_said_at_its_ends() -> None:
    svg = histogram(of([0.5, *[0.6 + i / 1000 for i in range(1000)], 9.75], (">", 1.0)))
    assert "≥ 1.59" in svg or "≥ 1.6" in svg


@pytest.mark.parametrize(("sign", "words"), [("<", "< 50 words"), (">=", "≥ 50 words"), ("<=", "≤ 50 words")])
def test_thresholds_in_words(sign: str, words: str) -> None:
    assert Threshold("s", Rule("r", sign, "k", "words"), 50.0, False).words == words  # type: ignore[arg-type]


def test_thresholds_that_say_nothing() -> None:
    assert Threshold("s", Rule("r", "<", "k"), None, False).words == ""
    assert Threshold("s", Rule("r", ">="), 0.0, False).words == ""
    assert (
        Threshold("s", Rule("r", ">", "k", "share"), 10_000_000.0, True).words
        == "> 10,000,000 (others for some languages)"
    )
