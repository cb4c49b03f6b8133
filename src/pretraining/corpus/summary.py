"""What a build did, in one line for each step that did something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def summary_lines(ledger: dict[str, Any]) -> Iterator[str]:
    """A line per step that removed or edited something, from what ``ledger.json`` holds."""
    for step in ledger["steps"]:
        gone = {reason: count["documents"] for reason, count in step["removed"].items() if count["documents"]}
        parts = []
        if gone:
            reasons = sorted(gone.items(), key=lambda item: -item[1])
            shown = ", ".join(f"{reason} {number:,}" for reason, number in reasons[:4])
            more = f", {len(reasons) - 4} more" if len(reasons) > 4 else ""
            word = "unreadable" if step["step"] == "read" else "removed"
            parts.append(f"{sum(gone.values()):,} {word} ({shown}{more})")
        if step["bytes_edited"]:
            direction = "less" if step["bytes_edited"] > 0 else "more"
            parts.append(f"{abs(step['bytes_edited']):,} bytes {direction}")
        if parts:
            yield f"{step['step']}: {'; '.join(parts)}"
