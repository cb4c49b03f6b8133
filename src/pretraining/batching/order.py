"""The order of the rows: a pure function of (seed, epoch, position), with no table to store or to replay.

Every epoch is another permutation of all rows. It is an alternating Feistel network (Luby and Rackoff 1988; on
pairs of residues Black and Rogaway 2002) on a rectangle ``a x b`` just larger than the number of rows; the few
positions that fall outside walk the cycle until they are inside again. Any position of any epoch costs the same few
microseconds, so a run can start anywhere; run backwards, the network finds the position of a row.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

_MASK = 2**64 - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = [(np.uint64(n * int(_GOLDEN) & _MASK), np.uint64((n + 1) * int(_GOLDEN) & _MASK)) for n in (1, 3, 5)]

Unsigned = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]


def _mix(values: Unsigned) -> Unsigned:
    """The finaliser of SplitMix64 (Steele et al. 2014): every bit of the input changes half of the output's."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Unsigned = values ^ (values >> np.uint64(31))
    return mixed


def derived_seed(seed: int, number: int) -> int:
    """Another seed for each ``number``, so that two streams of rows are not permuted alike."""
    with np.errstate(over="ignore"):
        return int(_mix(_mix(np.asarray([seed & _MASK], np.uint64)) + np.uint64(number + 1) * _GOLDEN)[0])


def permute(positions: npt.ArrayLike, epochs: npt.ArrayLike, *, size: npt.ArrayLike, seed: npt.ArrayLike) -> Integers:
    """The row at each position of each epoch.

    Args:
        positions: integers ``0 .. size - 1``, any shape.
        epochs: the epoch of each position, same shape (or one number).
        size: number of rows, the same shape (or one number).
        seed: the seed of each position, same shape (or one number).

    Returns:
        int64 row numbers, same shape; for one epoch and all positions a permutation of ``0 .. size - 1``.
    """
    return _walk(_encrypt, positions, epochs, size, seed)


def unpermute(rows: npt.ArrayLike, epochs: npt.ArrayLike, *, size: npt.ArrayLike, seed: npt.ArrayLike) -> Integers:
    """The position of each row in each epoch: the inverse of ``permute``, with the same arguments."""
    return _walk(_decrypt, rows, epochs, size, seed)


def as_seeds(seed: npt.ArrayLike) -> Unsigned:
    """Seeds of 64 bits."""
    seeds: Unsigned = np.asarray(seed & _MASK if isinstance(seed, int) else seed, np.uint64)
    return seeds


def _walk(
    step: Callable[[Unsigned, Unsigned, Unsigned, Unsigned], Unsigned],
    values: npt.ArrayLike,
    epochs: npt.ArrayLike,
    size: npt.ArrayLike,
    seed: npt.ArrayLike,
) -> Integers:
    """Apply the network until every value is below its size again."""
    shape = np.broadcast_shapes(*(np.shape(each) for each in (values, epochs, size, seed)))
    result, epoch, sizes = (np.asarray(each).astype(np.uint64).reshape(-1) for each in (values, epochs, size))
    # exact below 2^52 rows: IEEE square roots are rounded correctly
    width = np.sqrt((sizes - np.uint64(1)).astype(np.float64)).astype(np.uint64) + np.uint64(1)
    height = (sizes + width - np.uint64(1)) // width
    with np.errstate(over="ignore"):
        key = _mix(_mix(as_seeds(seed).reshape(-1) + _GOLDEN) + epoch * _GOLDEN)
        result = step(result, key, height, width)
        outside = np.flatnonzero(result >= sizes)
        while len(outside):
            inside = step(result[outside], *(_at(each, outside) for each in (key, height, width)))
            result[outside] = inside
            outside = outside[inside >= _at(sizes, outside)]
    return result.astype(np.int64).reshape(shape)


def _at(values: Unsigned, where: npt.NDArray[np.intp]) -> Unsigned:
    """Some of the values; one value is that of all."""
    return values if len(values) == 1 else values[where]


def _encrypt(values: Unsigned, key: Unsigned, height: Unsigned, width: Unsigned) -> Unsigned:
    """A permutation of ``0 .. height * width - 1``: rows and columns are shifted in turn, each by a hash of the
    other."""
    row, column = np.divmod(values, width)
    for first, second in _ROUNDS:
        row = (row + _mix(column + (key + first)) % height) % height
        column = (column + _mix(row + (key + second)) % width) % width
    joined: Unsigned = row * width + column
    return joined


def _decrypt(values: Unsigned, key: Unsigned, height: Unsigned, width: Unsigned) -> Unsigned:
    """The inverse of ``_encrypt``: the same shifts, the other way and in the other order."""
    row, column = np.divmod(values, width)
    for first, second in reversed(_ROUNDS):
        column = (column + width - _mix(row + (key + second)) % width) % width
        row = (row + height - _mix(column + (key + first)) % height) % height
    joined: Unsigned = row * width + column
    return joined
