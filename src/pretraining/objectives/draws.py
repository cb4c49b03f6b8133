"""Random numbers that belong to a sample: drawn from (seed, epoch, index), whatever batch it comes in.

A generator object for every sample would cost more than the masking itself. These numbers are a hash of (key of the
sample, counter), SplitMix64 (Steele et al. 2014) as in the order of the samples: one vectorised pass gives the
numbers of the whole batch, and row ``b`` depends on ``keys[b]`` alone.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_STREAM = np.uint64(0xD1342543DE82EF95)

Keys = npt.NDArray[np.uint64]


def mix(values: Keys) -> Keys:
    """The finaliser of SplitMix64, element by element."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


@functools.cache
def seed_key(seed: int) -> Keys:
    """The key of a seed, uint64 (1,)."""
    with np.errstate(over="ignore"):
        return mix(np.array([seed & (2**64 - 1)], np.uint64) + _GOLDEN)


def sample_keys(samples: Sequence[dict[str, Any]], seed: int) -> Keys:
    """One key a sample, uint64 ``(batch,)``, from (seed, epoch, index).

    A sample without ``index``, from a plain dataset in ``Trainer``, takes its key from torch's generator, as stock
    collators do.

    Raises:
        ValueError: some have an ``index`` and some have not, or it is no whole number from 0 on.
    """
    known = ["index" in sample for sample in samples]
    if any(known):
        if not all(known):
            raise ValueError(
                f"sample {known.index(False)} has no `index` and others of its batch have: give all or none"
            )
        index = np.array([whole("index", sample["index"], least=0) for sample in samples], np.uint64)
        epoch = np.array([whole("epoch", sample.get("epoch", 0), least=0) for sample in samples], np.uint64)
        with np.errstate(over="ignore"):
            return mix(mix(seed_key(seed) + epoch * _GOLDEN) + index * _STREAM)
    import torch

    return torch.randint(0, 2**63 - 1, (len(samples),)).numpy().astype(np.uint64)


def whole(name: str, value: object, *, least: int | None = None) -> int:
    """``value`` as an int.

    Raises:
        ValueError: it is no whole number, or below ``least``.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (least is not None and number < least):
        more = "" if least is None else f", {least} or more"
        raise ValueError(f"{name} = {value!r}: give a whole number{more}")
    return number


def bits(keys: Keys, count: int, *, stream: int = 0) -> Keys:
    """``count`` random 64-bit words for every key: uint64 ``(len(keys), count)``.

    Args:
        stream: draws with another number are independent of these.
    """
    with np.errstate(over="ignore"):
        start = mix(keys + np.uint64(stream + 1) * _STREAM)
        return mix(start[:, None] + np.arange(1, count + 1, dtype=np.uint64)[None] * _GOLDEN)


def uniform(keys: Keys, count: int, *, stream: int = 0) -> npt.NDArray[np.float64]:
    """Numbers in ``[0, 1)`` with 53 random bits: float64 ``(len(keys), count)``."""
    numbers: npt.NDArray[np.float64] = (bits(keys, count, stream=stream) >> np.uint64(11)) * 2.0**-53
    return numbers


def integers(keys: Keys, count: int, high: npt.ArrayLike, *, stream: int = 0) -> npt.NDArray[np.int64]:
    """Integers ``0 .. high - 1``: int64 ``(len(keys), count)``; ``high`` broadcasts against that shape."""
    drawn = uniform(keys, count, stream=stream) * np.asarray(high)
    below: npt.NDArray[np.int64] = np.minimum(drawn.astype(np.int64), np.asarray(high) - 1)
    return below
