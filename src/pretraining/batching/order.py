"""The order of the samples: a pure function of (seed, epoch, position), with no table to store or to replay.

Every epoch is another permutation of all samples. It is an alternating Feistel network (Luby and Rackoff 1988; on
pairs of residues Black and Rogaway 2002) on a rectangle ``a x b`` just larger than the number of samples; the few
positions that fall outside walk the cycle until they are inside again. Any position of any epoch costs the same few
microseconds, so a run can start anywhere.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_ROUNDS = 6
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele et al. 2014): every bit of the input changes half of the output's."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return mixed


def permute(positions: npt.ArrayLike, epochs: npt.ArrayLike, *, size: int, seed: int) -> npt.NDArray[np.int64]:
    """The sample at each position of each epoch.

    Args:
        positions: integers ``0 .. size - 1``, any shape.
        epochs: the epoch of each position, same shape (or one number).
        size: number of samples.
        seed: the recipe's seed.

    Returns:
        int64 sample numbers, same shape; for one epoch and all positions a permutation of ``0 .. size - 1``.
    """
    values = np.atleast_1d(np.asarray(positions)).astype(np.uint64)
    epoch = np.broadcast_to(np.asarray(epochs).astype(np.uint64), values.shape)
    width = np.uint64(math.isqrt(size - 1) + 1)
    height = np.uint64(-(-size // int(width)))
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.full(values.shape, seed & (2**64 - 1), np.uint64) + _GOLDEN) + epoch * _GOLDEN)
        result = _encrypt(values, key, height, width)
        outside = result >= size
        while outside.any():
            result[outside] = _encrypt(result[outside], key[outside], height, width)
            outside = result >= size
    return result.astype(np.int64).reshape(np.shape(positions))


def _encrypt(
    values: npt.NDArray[np.uint64], key: npt.NDArray[np.uint64], height: np.uint64, width: np.uint64
) -> npt.NDArray[np.uint64]:
    """A permutation of ``0 .. height * width - 1``: rows and columns are shifted in turn, each by a hash of the
    other."""
    row, column = np.divmod(values, width)
    for round_number in range(0, _ROUNDS, 2):
        row = (row + _mix(column + key + np.uint64(round_number + 1) * _GOLDEN) % height) % height
        column = (column + _mix(row + key + np.uint64(round_number + 2) * _GOLDEN) % width) % width
    joined: npt.NDArray[np.uint64] = row * width + column
    return joined
