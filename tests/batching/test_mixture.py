from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.batching.config import MixtureSection
from pretraining.batching.mixture import normalised, row_shares, token_shares
from pretraining.errors import DataError

# Touvron et al. 2023, table 1.
LLAMA = {"commoncrawl": 67, "c4": 15, "github": 4.5, "wikipedia": 4.5, "books": 4.5, "arxiv": 2.5, "stackexchange": 2}


def test_weights_are_divided_by_their_sum_and_a_source_of_weight_0_is_left_out() -> None:
    shares = token_shares(MixtureSection(weights={"a": 3.0, "b": 1.0, "c": 0.0}), {"a": 1, "b": 10**9, "c": 5})
    assert shares == {"a": 0.75, "b": 0.25}
    llama = token_shares(MixtureSection(weights={name: float(weight) for name, weight in LLAMA.items()}), {})
    assert llama == pytest.approx({name: weight / 100 for name, weight in LLAMA.items()})


def test_temperature_brings_sources_together_and_the_cap_bounds_the_largest() -> None:
    tokens = {"large": 8_000_000, "small": 1000, "none": 0}
    asked: list[tuple[dict[str, Any], float]] = [
        ({"temperature": 1.0}, 8_000_000 / 8_001_000),
        ({"temperature": 3.0}, 200 / 210),
        ({"temperature": 2.0, "cap": 4000}, 2 / 3),
        ({"temperature": 1e9}, 0.5),
    ]
    for keys, large in asked:
        assert token_shares(MixtureSection(**keys), tokens) == pytest.approx({"large": large, "small": 1 - large})


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.floats(0.01, 1), st.floats(1, 4096)), min_size=1))
def test_rows_of_these_shares_hold_tokens_of_the_shares_that_are_asked(sources: dict[str, tuple[float, float]]) -> None:
    shares = normalised({source: weight for source, (weight, _) in sources.items()})
    rows = row_shares(shares, {source: tokens for source, (_, tokens) in sources.items()})
    assert math.isclose(sum(rows.values()), 1)
    assert normalised({source: rows[source] * tokens for source, (_, tokens) in sources.items()}) == pytest.approx(
        shares
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": -1.0, "b": 2.0}, "the weight of a is -1.0"),
        ({"a": 0.0}, "sum to 0"),
        ({}, "sum to 0"),
    ],
)
def test_weights_that_are_no_shares_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        token_shares(MixtureSection(weights=weights), {"a": 1, "b": 1})
