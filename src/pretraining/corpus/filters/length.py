"""The ``length`` step."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Rule, Step


class Length(Step):
    """``length``: characters within the limits."""

    rules = (
        Rule("too_short", "<", "min_characters", "characters"),
        Rule("too_long", ">", "max_characters", "characters"),
    )

    def run(self, draft: Draft) -> Iterator[float]:
        """The number of characters, for both rules."""
        yield float(len(draft.text))
        yield float(len(draft.text))
