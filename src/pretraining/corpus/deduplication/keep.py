"""Which document of a group stays."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.hashing import name_hash
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.deduplication import DocumentDeduplicationStep

RECORD = np.dtype([("source", "<u8"), ("priority", "<i4"), ("preference", "<f8")])
"""What is remembered of a document besides its signature: its source (hash of the name), the source's place in
``priority``, and what ``keep`` compares (the highest stays; -inf where the document does not say it). 20 bytes."""

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?$")


def record(draft: Draft, section: DocumentDeduplicationStep) -> tuple[int, int, float]:
    """A ``RECORD``."""
    listed = draft.source in section.priority
    priority = section.priority.index(draft.source) if listed else len(section.priority)
    return name_hash(draft.source), priority, _preference(draft, section)


def _preference(draft: Draft, section: DocumentDeduplicationStep) -> float:
    if section.keep == "longest":
        return float(len(draft.text))
    if section.keep == "newest":
        return moment(draft.fields.get(section.date_field))
    if section.keep == "best_score":
        return _number(draft.fields.get(section.score_field))
    return 0.0


def _number(value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    return float(value) if known else -math.inf


def moment(value: Any) -> float:
    """Seconds since 1970 of an ISO 8601 date or time (UTC where it says nothing), a number as it is, else -inf."""
    if not isinstance(value, str):
        return _number(value)
    value = value.strip()
    try:
        if match := _DATE.match(value):
            time = datetime(int(match[1]), int(match[2] or 1), int(match[3] or 1))
        else:
            time = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", value))
    except ValueError:
        return -math.inf
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()


def best_first(records: NDArray[np.void], positions: NDArray[np.int64], *before: NDArray[Any]) -> NDArray[np.int64]:
    """The order [n] in which documents would stay, best first.

    Args:
        records: ``RECORD`` [n].
        positions: places in reading order [n], which break ties.
        before: what counts more than the records, the most important last (as in ``numpy.lexsort``).
    """
    return np.lexsort((positions, -records["preference"], records["priority"], *before))
