"""The figures of the report: SVG with text as text, the same bytes for the same numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from pretraining import formats

# Okabe and Ito (2008): told apart with every kind of colour vision, and in grey.
BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#C3C7CD", "#33373D"
WIDTH = 5.0
"""Inches. Small, so that the text is still read where a phone shrinks the figure to its width."""
MOST_POINTS = 500

STYLE = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # its widths are known everywhere: it comes with matplotlib
    "font.size": 9.5,
    "axes.edgecolor": "#9AA0A8",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E8EB",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@matplotlib.rc_context(STYLE)
def curve(
    title: str,
    unit: str,
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    from_zero: bool = False,
    log: bool = False,
) -> str:
    """One or two curves over the tokens trained on.

    Args:
        lines: (label, tokens, values) of each; the second is drawn with its points.
        from_zero: the vertical axis begins at zero.
        log: the vertical axis is logarithmic.
    """
    figure, axes = _new(2.7)
    for (label, tokens, values), colour, marker in zip(lines, (BLUE, ORANGE), (None, "o"), strict=False):
        axes.plot(thinned(tokens), thinned(values), color=colour, label=label, marker=marker, markersize=4)
    axes.set_title(f"{title} ({unit})" if unit else title, loc="left", fontsize=10.5, fontweight="bold", pad=9)
    axes.set_xlabel("tokens")
    axes.xaxis.set_major_formatter(lambda value, _: formats.short(value))
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    if from_zero:
        axes.set_ylim(bottom=0)
    if unit == "tokens/s":
        axes.yaxis.set_major_formatter(lambda value, _: formats.short(value))
    if len(lines) > 1:
        axes.legend(loc="upper right")
    ends = ", ".join(f"{label} ends at {values[-1]:.4g}" for label, _, values in lines)
    return _svg(figure, title, f"{title} over tokens: {ends}")


def thinned(values: Sequence[float], most: int = MOST_POINTS) -> list[float]:
    """At most ``most`` means of neighbours, so that a long training does not make a large file."""
    width = -(-len(values) // most)
    return [sum(part) / len(part) for part in (values[i : i + width] for i in range(0, len(values), width or 1))]


@matplotlib.rc_context(STYLE)
def funnel(steps: Sequence[dict[str, Any]]) -> str:
    """Bytes that come out of each step of the corpus: what came in, then a bar a step, what it removed at its end."""
    came_in = {
        "step": "in",
        "documents_out": steps[0]["documents_in"],
        "bytes_out": steps[0]["bytes_in"],
        "removed": {},
    }
    rows = [came_in, *steps]
    figure, axes = _new(0.3 + 0.42 * len(rows))
    most = max(row["bytes_out"] for row in rows) or 1
    for place, row in enumerate(rows):
        out = row["bytes_out"]
        documents, gone = (sum(reason[unit] for reason in row["removed"].values()) for unit in ("documents", "bytes"))
        axes.barh(place, out, color=BLUE if place else GREY, height=0.68)
        axes.barh(place, gone, left=out, color=ORANGE, height=0.68)
        label, inside = f"{formats.count(row['documents_out'])} documents, {formats.size(out)}", out > 0.5 * most
        removed = f"−{formats.count(documents)}" if documents else ""
        if inside:
            _write(axes, label, (out, place), inside=True, color="white" if place else INK)
        _write(axes, removed if inside else f"{removed}  {label}".strip(), (out + gone, place))
    axes.set_yticks(range(len(rows)), [str(row["step"]) for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.12)
    _bars_only(axes)
    return _svg(figure, "funnel", "Text left after each step: " + ", ".join(_left(row) for row in rows))


def _write(axes: Axes, text: str, end: tuple[float, float], *, inside: bool = False, **style: Any) -> None:
    """``text`` beside the end of a bar: after it, or inside."""
    place = {"xytext": (-6 if inside else 5, 0), "textcoords": "offset points", "ha": "right" if inside else "left"}
    axes.annotate(text, end, **{**place, "va": "center", "fontsize": 9, "color": INK, **style})


def _left(step: dict[str, Any]) -> str:
    return f"{step['step']} {formats.count(step['documents_out'])} documents, {formats.size(step['bytes_out'])}"


@matplotlib.rc_context(STYLE)
def comparison(model: float, yardsticks: Sequence[dict[str, Any]]) -> str:
    """Bits per byte of the model (highlighted) among the yardsticks, the lowest first."""
    bars = [("this model", model, BLUE)] + [(y["name"], y["bits_per_byte"], GREY) for y in yardsticks]
    bars.sort(key=lambda bar: bar[1])
    figure, axes = _new(0.55 + 0.44 * len(bars))
    for place, (_, value, colour) in enumerate(bars):
        axes.barh(place, value, color=colour, height=0.66)
        _write(axes, f"{value:.3f}", (value, place), fontweight="bold" if colour == BLUE else "normal")
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, max(value for _, value, _ in bars) * 1.16)
    _bars_only(axes)
    said = ", ".join(f"{name} {value:.3f}" for name, value, _ in bars)
    return _svg(figure, "comparison", f"Bits per byte, lower is better: {said}")


def _new(height: float) -> tuple[Figure, Axes]:
    """A figure that no global state of matplotlib knows of."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def _bars_only(axes: Axes) -> None:
    axes.grid(False)
    axes.set_xticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _svg(figure: Figure, name: str, said: str) -> str:
    """The figure as an ``<svg>`` element that stands in a page beside others: ids of its own, no fixed size."""
    prefix = re.sub("[^a-z]+", "-", name.lower()).strip("-")
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": prefix}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", svg)
    head, rest = svg.split(">", 1)
    svg = re.sub(r' (width|height)="[^"]*"', "", head) + ">" + rest
    label = escape(said)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()
