"""Where the bins of a histogram lie, and how many documents are in each."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.report.rules import Threshold

BINS = 40
NEAR = 0.05
"""A value this share of the threshold away from it is near."""
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_WIDE = 30.0
"""A logarithmic axis, if the upper end is so many times the median."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """Equal bins from ``low`` to ``high``, of the logarithm where ``log``; what lies outside is in the outer bins."""

    low: float
    high: float
    bins: int
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether every bin is one whole number."""
        return not self.log and self.high - self.low == self.bins

    @classmethod
    def of(cls, values: Numbers, thresholds: list[float]) -> Axis:
        """For the middle 99 % of the values, and all the thresholds."""
        low, median, high = np.quantile(values, [0.005, 0.5, 0.995])
        low, high = float(min([low, *thresholds])), float(max([high, *thresholds]))
        positive = values[values > 0]
        if low >= 0 and high >= 100 and len(positive) and high > _WIDE * max(median, 1e-9):
            start = max(min([float(np.quantile(positive, 0.005)), *(t for t in thresholds if t > 0)]), high / 1e7)
            return cls(start, high, BINS, log=True)
        if 1 < high < low + BINS and not np.any(values % 1):
            return cls(np.floor(low) - 0.5, np.ceil(high) + 0.5, int(np.ceil(high) - np.floor(low)) + 1)
        if 0 <= low < 0.4 * high:
            low = 0.0
        return cls(low, high if high > low else low + 1.0, BINS)

    def scale(self, values: Numbers) -> Numbers:
        """0 at ``low``, 1 at ``high``."""
        if self.log:
            whole: Numbers = np.log(np.maximum(values, self.low) / self.low) / np.log(self.high / self.low)
            return whole
        return (values - self.low) / (self.high - self.low)

    def bin(self, values: Numbers) -> NDArray[np.int64]:
        """Number of the bin of each value."""
        return np.clip(self.scale(values) * self.bins, 0, self.bins - 1).astype(np.int64)


@dataclass
class Histogram:
    """What one rule, or several on the same number, measured: documents by bin and fate, [bins]."""

    thresholds: tuple[Threshold, ...]
    axis: Axis
    kept: NDArray[np.int64] = field(init=False)
    removed: NDArray[np.int64] = field(init=False)
    near: list[list[int]] = field(init=False)
    """Of each threshold: documents just on its keeping side, documents just on its removing side."""
    outside: list[bool] = field(default_factory=lambda: [False, False])
    """Whether values lie below, above the axis."""

    def __post_init__(self) -> None:
        self.kept, self.removed = (np.zeros(self.axis.bins, dtype=np.int64) for _ in range(2))
        self.near = [[0, 0] for _ in self.thresholds]

    @property
    def measured(self) -> int:
        """Documents with a value."""
        return int(self.kept.sum() + self.removed.sum())

    def add(self, values: Numbers, kept: NDArray[np.bool_]) -> None:
        """Count documents; NaN is no value."""
        known = ~np.isnan(values)
        values, kept = values[known], kept[known]
        places = self.axis.bin(values)
        self.kept += np.bincount(places[kept], minlength=self.axis.bins)
        self.removed += np.bincount(places[~kept], minlength=self.axis.bins)
        if len(values):
            self.outside[0] |= bool(values.min() < self.axis.low)
            self.outside[1] |= bool(values.max() > self.axis.high)
        for count, threshold in zip(self.near, self.thresholds, strict=True):
            if threshold.value:
                close = values[np.abs(values - threshold.value) <= NEAR * abs(threshold.value)]
                gone = int(_COMPARE[threshold.rule.removes_if](close, threshold.value).sum())
                count[0] += len(close) - gone
                count[1] += gone
