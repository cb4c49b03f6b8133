"""Adaptive mixtures: a function of the user's decides, from the held-out loss of each source, what comes next."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pretraining.batching.mixture import normalised
from pretraining.errors import DataError

Adapt = Callable[[dict[str, float], dict[str, float], list[dict[str, Any]]], Mapping[str, float]]
"""``(weights, losses, history) -> new weights``; see ``adapt``."""

SMOOTHING = 1e-3
"""Share of equal weights in those of ``exponentiated`` (the c of DoReMi, algorithm 1)."""


def load_function(name: str) -> Adapt:
    """The function ``module:function`` of an installed package.

    Raises:
        DataError: there is no such function.
    """
    where = f"batches.mixture.adapt.function = {name!r}"
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise DataError(f"{where} is not module:function, as in pretraining.batching.adaptive:exponentiated")
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # a module may fail in any way when it is imported
        raise DataError(f"{where} cannot be imported ({error}); install its package or correct the name") from error
    if not callable(found):
        raise DataError(f"{where} is a {type(found).__name__}, not a function")
    adapt: Adapt = found
    return adapt


def adapt(
    name: str, weights: Mapping[str, float], losses: Mapping[str, float], history: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """The weights from now on: those that the function decides for, normalised.

    Args:
        name: ``batches.mixture.adapt.function``.
        weights: the shares of the sources, in tokens, that have held so far; they sum to 1.
        losses: mean held-out loss of each source now, in nats per target token.
        history: the decisions before this one, oldest first: ``{"step", "weights", "losses"}`` each, with the weights
            that were decided then.

    Raises:
        DataError: the function cannot be loaded, fails, or gives anything but a finite weight of 0 or more for every
            source, one of them above 0.
    """
    function = load_function(name)
    try:
        decided = function(dict(weights), dict(losses), [dict(each) for each in history])
    except Exception as error:
        raise DataError(f"{name} failed with {type(error).__name__}: {error}; --debug shows where") from error
    if not isinstance(decided, Mapping) or set(decided) != set(weights):
        given = f"weights for {', '.join(map(str, decided))}" if isinstance(decided, Mapping) else repr(decided)
        raise DataError(f"{name} gave {given}; it must give a dict with a weight for each of {', '.join(weights)}")
    try:
        return normalised({source: float(decided[source]) for source in weights})
    except (DataError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{name} gave {dict(decided)}: {error}") from error


def exponentiated(
    weights: dict[str, float], losses: dict[str, float], history: list[dict[str, Any]]
) -> dict[str, float]:
    """Weights times ``exp(|change of the loss|)``: more of what is learnt or forgotten, less of what stands still.

    The update is DoReMi's (Xie et al. 2023, arXiv 2305.10429, algorithm 1, with step size 1 and its smoothing towards
    equal weights). DoReMi has the excess over the loss of a reference model in the exponent; without one, what is left
    to learn from a source is taken from how far its held-out loss has moved since the last decision. The absolute
    value is that of Teacher-Student Curriculum Learning (Matiisen et al. 2017, arXiv 1707.00183): a source whose loss
    rises is practised again. The first decision has nothing to compare with and leaves the weights.
    """
    if not history:
        return weights
    before = history[-1]["losses"]
    moved = {source: abs(losses[source] - before.get(source, losses[source])) for source in weights}
    raised = normalised({source: weight * math.exp(moved[source]) for source, weight in weights.items()})
    return {source: (1 - SMOOTHING) * weight + SMOOTHING / len(raised) for source, weight in raised.items()}
