from __future__ import annotations

import math
import sys
import types
from typing import Any

import pytest

from pretraining.batching.adaptive import adapt, exponentiated, load_function
from pretraining.errors import DataError

EXPONENTIATED = "pretraining.batching.adaptive:exponentiated"


@pytest.fixture()
def user_module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module as a user would install it."""
    module = types.ModuleType("users_mixing")
    monkeypatch.setitem(sys.modules, "users_mixing", module)
    return module


def test_a_function_of_the_user_decides(user_module: Any) -> None:
    seen: list[Any] = []

    def decide(weights: dict[str, float], losses: dict[str, float], history: list[dict[str, Any]]) -> dict[str, float]:
        seen.append((dict(weights), losses, history))
        weights.clear()  # what is given may be used up
        return {"b": losses["b"], "a": 0}

    user_module.decide = decide
    weights, history = {"a": 0.5, "b": 0.5}, [{"step": 10, "weights": {}, "losses": {"a": 1.0}}]
    assert adapt("users_mixing:decide", weights, {"a": 2.0, "b": 3.0}, history) == {"a": 0.0, "b": 1.0}
    assert seen == [({"a": 0.5, "b": 0.5}, {"a": 2.0, "b": 3.0}, history)] and weights == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "gave None; it must give a dict with a weight for each of a, b"),
        ({"a": 1.0}, "gave weights for a; it must give a dict with a weight for each of a, b"),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, "gave weights for a, b, c"),
        ({"a": math.nan, "b": 1.0}, "the weight of a is nan"),
        ({"a": 1.0, "b": math.inf}, "the weight of b is inf"),
        ({"a": -1.0, "b": 2.0}, "the weight of a is -1.0"),
        ({"a": 0, "b": 0}, "sum to 0"),
        ({"a": "much", "b": 1.0}, "could not convert string to float"),
    ],
)
def test_what_is_not_a_mixture_is_refused(user_module: Any, given: Any, message: str) -> None:
    user_module.decide = lambda weights, losses, history: given
    with pytest.raises(DataError, match=f"users_mixing:decide gave .*{message.removeprefix('gave ')}"):
        adapt("users_mixing:decide", {"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 1.0}, [])


def test_a_function_that_fails_is_named(user_module: Any) -> None:
    user_module.decide = lambda weights, losses, history: losses["nobody"]
    with pytest.raises(DataError, match="users_mixing:decide failed with KeyError: 'nobody'; --debug"):
        adapt("users_mixing:decide", {"a": 1.0}, {"a": 1.0}, [])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("exponentiated", "is not module:function"),
        (":f", "is not module:function"),
        ("no_such_module_here:f", "cannot be imported .*no_such_module_here"),
        ("pretraining.batching.adaptive:nothing", "cannot be imported .*nothing"),
        ("pretraining.batching.adaptive:SMOOTHING", "is a float, not a function"),
    ],
)
def test_a_function_that_cannot_be_found_is_said(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_function(name)


def test_exponentiated_gives_more_to_what_moves() -> None:
    weights = {"falls": 0.25, "rises": 0.25, "stands": 0.5}
    assert adapt(EXPONENTIATED, weights, {"falls": 3.0, "rises": 2.0, "stands": 2.0}, []) == weights
    history = [{"step": 5, "weights": weights, "losses": {"falls": 4.0, "rises": 1.5, "stands": 2.0}}]
    moved = exponentiated(weights, {"falls": 3.0, "rises": 2.0, "stands": 2.0}, history)
    total = 0.25 * math.e + 0.25 * math.exp(0.5) + 0.5
    expected = {"falls": 0.25 * math.e / total, "rises": 0.25 * math.exp(0.5) / total, "stands": 0.5 / total}
    assert moved == pytest.approx({source: 0.999 * share + 0.001 / 3 for source, share in expected.items()})
    assert math.isclose(sum(moved.values()), 1)
