"""The ``fineweb`` step: the rules that FineWeb added to those of Gopher and C4."""

from __future__ import annotations

import math
from collections.abc import Iterator

from datatrove.utils.text import TERMINAL_PUNCTUATION

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.word_step import UNSEGMENTED_SCRIPT, WordStep
from pretraining.corpus.step import Rule


class FineWeb(WordStep):
    """``fineweb``; in the order and with the reasons of datatrove's ``FineWebQualityFilter``."""

    rules = (
        UNSEGMENTED_SCRIPT,
        Rule("line_punct_ratio", "<", "min_line_punctuation", "share"),
        Rule("short_line_ratio", ">", "max_short_lines", "share"),
        Rule("char_dup_ratio", ">", "max_duplicate_line_characters", "share"),
        Rule("list_ratio", ">", "max_newlines_per_word", "per word"),
    )

    def run(self, draft: Draft) -> Iterator[float]:
        """One value a rule, about the lines that are not blank; NaN where there are none."""
        yield self.unsegmented(draft)
        section, text = self.section, draft.text
        lines = [line for line in text.split("\n") if line and not line.isspace()]
        if not lines:
            yield from [math.nan] * 4
            return
        line_ends = TERMINAL_PUNCTUATION if section.line_ends is None else frozenset(section.line_ends)
        ended = sum(line[-1] in line_ends for line in lines) / len(lines)
        yield math.nan if ended == 0 and section.keep_without_punctuation else ended
        yield sum(len(line) <= section.short_line for line in lines) / len(lines)
        repeated = sum(map(len, lines)) - sum(map(len, set(lines)))
        yield repeated / (len(text) - text.count("\n"))
        words = len(self.words(draft)) if self.wants(self.rules[-1]) else 0
        yield text.count("\n") / words if words else math.nan
