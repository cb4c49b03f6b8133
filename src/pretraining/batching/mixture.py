"""Shares: how much of what the model sees comes from which source. Light: the checks of a recipe use it.

Shares are asked in tokens, and samples are drawn in rows. Rows of one source may be fuller than those of another::

    asked, of the tokens        code 0.5    chat 0.5
    tokens in a row, mean           1024         256      short dialogues, one a row
    share of the rows                0.2         0.8      in proportion to 0.5 / 1024 and 0.5 / 256
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pretraining.batching.config import MixtureSection
from pretraining.errors import DataError


def token_shares(mixture: MixtureSection, tokens: Mapping[str, int]) -> dict[str, float]:
    """The share of each source in the tokens that the model sees; sources of share 0 are left out.

    With weights: each divided by their sum. With a temperature ``T``: in proportion to ``min(n, cap) ** (1 / T)`` for
    a source of ``n`` tokens, so that 1 takes sources as they come and a larger one brings them closer together
    (T5, Raffel et al. 2020, section 3.5.2, which counts examples where this counts tokens).

    Args:
        tokens: tokens of each source of the data; only a temperature asks for them.

    Raises:
        DataError: a weight is no share, or nothing is left.
    """
    if mixture.weights is None:
        temperature, cap = mixture.temperature, mixture.cap
        assert temperature is not None
        weights = {
            source: min(n, n if cap is None else cap) ** (1 / temperature) for source, n in tokens.items() if n > 0
        }
    else:
        weights = {source: weight for source, weight in mixture.weights.items() if weight != 0}
    return normalised(weights)


def row_shares(shares: Mapping[str, float], row_tokens: Mapping[str, float]) -> dict[str, float]:
    """The share of each source in the rows, with which its tokens have the share that is asked.

    Args:
        shares: share of each source in the tokens.
        row_tokens: mean tokens in a row of each source, padding not counted.
    """
    return normalised({source: share / row_tokens[source] for source, share in shares.items()})


def normalised(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights divided by their sum.

    Raises:
        DataError: a weight is negative or not finite, or none is above 0.
    """
    for source, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise DataError(f"the weight of {source} is {weight}; a weight is a finite number, 0 or more")
    total = math.fsum(weights.values())
    if total == 0:
        raise DataError("the weights of a mixture sum to 0; give at least one source a weight above 0")
    return {source: weight / total for source, weight in weights.items()}
