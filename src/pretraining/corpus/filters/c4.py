"""The ``c4`` and ``c4_paragraph`` steps: lines that are no prose go, then pages with too little prose."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterator

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.word_step import UNSEGMENTED_SCRIPT, WordStep
from pretraining.corpus.sections.heuristics import C4Step
from pretraining.corpus.step import Rule, Step
from pretraining.corpus.text.languages import spacy_code
from pretraining.corpus.text.sentences import chinese_sentences, spacy_sentence_counts

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
ELLIPSIS = "..."
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
LOREM_IPSUM, CURLY_BRACKET = "lorem_ipsum", "curly_bracket"
PAGE = "page"


class C4(WordStep):
    """``c4``; in the order of datatrove's ``C4QualityFilter``, whose edits it makes to the letter.

    A page is not looked at any further once it has more lines with lorem ipsum or a curly bracket than it may have.
    """

    rules = (
        UNSEGMENTED_SCRIPT,
        Rule(LOREM_IPSUM, ">", "max_lorem_ipsum_lines", "lines"),
        Rule(CURLY_BRACKET, ">", "max_curly_bracket_lines", "lines"),
        Rule("too_few_sentences", "<", "min_sentences", "sentences"),
    )
    edits = (
        "lines_long_word",
        "lines_no_end",
        "lines_few_words",
        "lines_javascript",
        "lines_policy",
        "citations",
    )

    def __init__(self, section: C4Step, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._line_ends = None if section.line_ends is None else tuple(section.line_ends)
        self._words_after_citations = section.variant == "c4-reference"

    def run(self, draft: Draft) -> Iterator[float]:
        """Measure, and edit the page if it stays."""
        yield self.unsegmented(draft)
        counts: Counter[str] = Counter()
        kept = self._kept_lines(draft.text, counts)
        yield float(counts[LOREM_IPSUM])
        yield float(counts[CURLY_BRACKET])
        if kept is None:
            yield math.nan
            return
        yield float(self._sentences(draft, kept)) if self.wants(self.rules[-1]) else math.nan
        draft.text = "\n".join(kept).strip()
        self.edited = {name: counts[name] for name in self.edits if counts[name]}

    def _kept_lines(self, text: str, counts: Counter[str]) -> list[str] | None:
        """The lines that stay, or None if the page has to go; what was found is counted."""
        kept = []
        cites = self.section.remove_citations and _CITATION.search(text) is not None
        subjects = cites or self._has_subject(text.lower())
        for line in map(str.strip, text.splitlines()):
            cut, citations = _CITATION.subn("", line) if cites else (line, 0)
            why = self._no_prose(line, cut) or (subjects and self._subject(cut.lower(), counts))
            if not why:
                kept.append(cut)
                counts["citations"] += citations
            elif why == PAGE:
                return None
            else:
                counts[why] += 1
        return kept

    def _no_prose(self, line: str, cut: str) -> str:
        """Why the form of a line shows that it is no prose, before and after its citations were cut; or ``""``."""
        section = self.section
        longest = section.max_word_length
        if longest is not None and len(line) > longest and any(len(word) > longest for word in line.split()):
            return "lines_long_word"
        ends = self._line_ends
        if ends is not None and (not cut.endswith(ends) or cut.endswith(ELLIPSIS)):
            return "lines_no_end"
        least = section.min_words_per_line
        if least is not None and self._count_words(cut if self._words_after_citations else line) < least:
            return "lines_few_words"
        return ""

    def _count_words(self, line: str) -> int:
        words = line.split()
        return len(words) if self.section.words == "whitespace" else sum(map(len, words))

    def _has_subject(self, lowered: str) -> bool:
        """Whether ``_subject`` would find anything in some line of a page."""
        return any(phrase in lowered for phrase in ("{", "lorem ipsum", "javascript", *POLICY))

    def _subject(self, lowered: str, counts: Counter[str]) -> str:
        """Why the subject of a line in lower case is none for a corpus, or ``PAGE`` if the page has to go; or
        ``""``."""
        if "lorem ipsum" in lowered and self._one_too_many(LOREM_IPSUM, counts):
            return PAGE
        if self.section.remove_javascript_lines and "javascript" in lowered:
            return "lines_javascript"
        if "{" in lowered and self._one_too_many(CURLY_BRACKET, counts):
            return PAGE
        if self.section.remove_policy_lines and any(phrase in lowered for phrase in POLICY):
            return "lines_policy"
        return ""

    def _one_too_many(self, what: str, counts: Counter[str]) -> bool:
        counts[what] += 1
        limit = getattr(self.section, f"max_{what}_lines")
        return limit is not None and counts[what] > limit

    def _sentences(self, draft: Draft, lines: list[str]) -> int:
        if self.section.words == "characters":
            return sum(len(chinese_sentences(line)) for line in lines)
        return sum(spacy_sentence_counts(spacy_code(draft.language) or "xx")(lines))


class C4Paragraph(Step):
    """``c4_paragraph``; as datatrove's ``C4ParagraphFilter``."""

    rules = (Rule("paragraphs_too_short", "<", "min_characters", "characters"),)

    def run(self, draft: Draft) -> Iterator[float]:
        """Characters of the third-longest line; 0 where there are fewer lines."""
        longest = heapq.nlargest(self.section.paragraphs, map(len, draft.text.split("\n")))
        yield float(longest[-1]) if len(longest) == self.section.paragraphs else 0.0
