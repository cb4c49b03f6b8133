"""How good scores are, against labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def area_under_curve(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """ROC AUC: how probably a positive has the higher score, equal scores counting half (Mann-Whitney)."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positive = int(labels.sum())
    above = ranks[labels == 1].sum() - positive * (positive + 1) / 2
    return float(above / (positive * (len(labels) - positive)))


def at_threshold(scores: NDArray[np.float64], labels: NDArray[np.int64], threshold: float) -> dict[str, Any]:
    """Counts, precision, recall and F1 when scores of ``threshold`` and more are kept; None where nothing is kept."""
    kept = scores >= threshold
    hits, positive = int((kept & (labels == 1)).sum()), int(labels.sum())
    precision = hits / int(kept.sum()) if kept.any() else None
    return {
        "threshold": threshold,
        "kept": int(kept.sum()),
        "kept_positive": hits,
        "precision": None if precision is None else round(precision, 4),
        "recall": round(hits / positive, 4),
        "f1": round(2 * hits / (int(kept.sum()) + positive), 4),
    }


def measure(scores: list[float], labels: list[int]) -> dict[str, Any]:
    """All of it: documents, AUC, the measures at 0.5, and at each of ``THRESHOLDS``."""
    values, truth = np.array(scores), np.array(labels)
    table = [at_threshold(values, truth, threshold) for threshold in THRESHOLDS]
    half = next(row for row in table if row["threshold"] == 0.5)
    return {
        "documents": len(labels),
        "positive": int(truth.sum()),
        "auc": round(area_under_curve(values, truth), 4),
        **{name: half[name] for name in ("precision", "recall", "f1")},
        "thresholds": table,
    }
