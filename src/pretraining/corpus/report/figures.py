"""The histograms of the report: small SVG, drawn here because dozens stand on a page and drawing one may cost nothing.

Colours are classes, so that the style sheet decides for light and dark screens.
"""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.report.axis import Axis, Histogram
from pretraining.formats import count, short

WIDTH, HEIGHT, TOP, FLOOR = 260, 106, 6, 88
"""Units of the picture; bars stand on ``FLOOR``, the numbers of the axis below it."""


def histogram(shown: Histogram) -> str:
    """Documents by value: kept below, removed above; dashed lines at the thresholds, the removing side tinted."""
    axis = shown.axis
    parts = []
    for threshold in shown.thresholds:
        if threshold.value is not None:
            x = _limit(axis, threshold.value, threshold.rule.removes_if)
            left, right = (0.0, x) if threshold.rule.removes_if.startswith("<") else (x, float(WIDTH))
            parts.append(
                f'<rect class="gone" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{FLOOR - TOP}"/>'
            )
    whole = (shown.kept + shown.removed).max()
    parts += _bars(shown.kept, shown.removed, int(whole))
    for threshold in shown.thresholds:
        if threshold.value is not None:
            x = min(max(_limit(axis, threshold.value, threshold.rule.removes_if), 0.7), WIDTH - 0.7)
            parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{FLOOR}"/>')
    names = " and ".join(threshold.column for threshold in shown.thresholds)
    said = f"{names}: {count(int(shown.kept.sum()))} kept and {count(int(shown.removed.sum()))} removed documents"
    return _svg([*parts, *_ticks(axis, shown.outside)], said)


def similarities(counts: NDArray[np.int64], name: str) -> str:
    """Removed documents by similarity to their twin, from 0 to 1."""
    axis = Axis(0.0, 1.0, len(counts))
    said = f"{name}: {count(int(counts.sum()))} removed documents by similarity to their twin"
    return _svg([*_bars(np.zeros_like(counts), counts, int(counts.max())), *_ticks(axis, [False, False])], said)


def _limit(axis: Axis, value: float, removes_if: str) -> float:
    """Where a threshold is drawn: between two bins, where a bin is a whole number."""
    if axis.whole:
        value += 0.5 if removes_if in ("<=", ">") else -0.5
    return float(np.clip(axis.scale(np.array([value]))[0], 0, 1)) * WIDTH


def _bars(kept: NDArray[np.int64], removed: NDArray[np.int64], whole: int) -> list[str]:
    """Two paths; a bin with a single document can still be seen."""
    width = WIDTH / len(kept)
    high = FLOOR - TOP
    paths: dict[str, list[str]] = {"kept": [], "removed": []}
    for i, (below, above) in enumerate(zip(kept.tolist(), removed.tolist(), strict=True)):
        foot = 0.0
        for name, number in (("kept", below), ("removed", above)):
            if number:
                tall = max(1.2, high * number / whole)
                x, y = i * width + 0.3, FLOOR - foot - tall
                paths[name].append(f"M{x:.1f} {y:.1f}h{width - 0.6:.1f}v{tall:.1f}h-{width - 0.6:.1f}z")
                foot += tall
    return [f'<path class="{name}" d="{"".join(path)}"/>' for name, path in paths.items() if path]


def _ticks(axis: Axis, outside: list[bool]) -> list[str]:
    whole = axis.whole
    low, high = (axis.low + 0.5, axis.high - 0.5) if whole else (axis.low, axis.high)
    middle = float(np.sqrt(low * high)) if axis.log else (low + high) / 2
    inset = WIDTH / axis.bins / 2 if whole else 0.0
    line = f'<line class="axis" x1="0" x2="{WIDTH}" y1="{FLOOR}" y2="{FLOOR}"/>'
    texts = [
        (inset, "start" if inset < 12 else "middle", ("≤ " if outside[0] else "") + short(low)),
        (WIDTH - inset, "end" if inset < 12 else "middle", ("≥ " if outside[1] else "") + short(high)),
    ]
    if not whole or (high - low) % 2 == 0:
        texts.insert(1, (WIDTH / 2, "middle", short(middle)))
    return [line, *(f'<text x="{x:.0f}" y="{HEIGHT - 4}" text-anchor="{a}">{escape(t)}</text>' for x, a, t in texts)]


def _svg(parts: list[str], said: str) -> str:
    label = escape(said)
    return f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
