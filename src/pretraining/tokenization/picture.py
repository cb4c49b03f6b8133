"""The picture of the report: bars of bytes per token as SVG, the same bytes for the same numbers.

Drawn here because loading matplotlib takes longer than all else that the report does for a small corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#7F7F7F")
"""Okabe and Ito (2008), and a grey: told apart with every kind of colour vision."""
LEFT, WIDTH, BAR, GAP = 120, 520, 15, 12
"""Room for the labels; width of the whole; height of a bar; room between groups. In units of the picture."""

Group = tuple[str, Sequence[float | None]]
"""A label, and the value of each series; None is a bar that is missing."""


def bars(series: Sequence[str], groups: Sequence[Group], *, said: str) -> str:
    """Horizontal bars: a group for each label, a colour for each series.

    Args:
        said: what the picture shows, for those who cannot see it.
    """
    most = max((value for _, values in groups for value in values if value is not None), default=1.0)
    parts: list[str] = []
    y = 4.0
    for label, values in groups:
        middle = y + len(values) * BAR / 2
        parts.append(f'<text x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(_short(label))}</text>')
        for number, value in enumerate(values):
            if value is not None:
                length = max(1.0, value / most * (WIDTH - LEFT - 48))
                colour = COLOURS[number % len(COLOURS)]
                parts.append(
                    f'<rect x="{LEFT}" y="{y:.1f}" width="{length:.1f}" height="{BAR - 2}" fill="{colour}">'
                    f"<title>{escape(label)}, {escape(series[number])}: {value:.3f}</title></rect>"
                    f'<text class="value" x="{LEFT + length + 5:.1f}" y="{y + BAR - 4:.1f}">{value:.2f}</text>'
                )
            y += BAR
        y += GAP
    return (
        f'<svg role="img" aria-label="{escape(said)}" viewBox="0 0 {WIDTH} {y:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _short(label: str, most: int = 17) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
