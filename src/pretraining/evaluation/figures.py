"""A figure of the evaluation: what ``results.json``, the report and the model card say beside bits per byte."""

from __future__ import annotations

import math
from typing import Any

Figure = dict[str, Any]
"""``{"name", "value", "note"}``."""


def figure(name: str, value: float, note: str) -> Figure:
    """A figure; JSON has no infinity, so one that no float holds is null.

    Args:
        name: in ``snake_case``, with the name of a task before a slash.
        note: the unit, and over what it was taken.
    """
    return {"name": name, "value": value if math.isfinite(value) else None, "note": note}


def exponential(value: float) -> float:
    """exp(value), infinite where no float holds it."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
