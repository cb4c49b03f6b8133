"""``line_deduplication``: lines or paragraphs that occurred before are cut, as CCNet does."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.corpus.deduplication.hashing import ccnet_form, hash_pair
from pretraining.corpus.deduplication.spans import CuttingStep, Span, SpanStep, without
from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Rule


def normalized(text: str, how: str) -> str:
    """What is compared of a line (``sections.span_deduplication.Normalization``)."""
    text = text.strip()
    if how == "ccnet":
        return ccnet_form(text)
    return text.lower() if how == "c4" else text


def line_hash(text: str, how: str, scope: str = "") -> int:
    """64 bits of blake2b of a line in the form that is compared; another ``scope`` gives another hash."""
    form = normalized(text, how)
    return hash_pair(f"{scope}\0{form}" if scope else form)[0]


def line_spans(text: str) -> Iterator[Span]:
    """The lines that are not blank, without the white space around them."""
    at = 0
    for line in text.split("\n"):
        if inner := line.strip():
            start = at + line.index(inner)
            yield start, start + len(inner)
        at += len(line) + 1


def paragraph_spans(text: str) -> Iterator[Span]:
    """The runs of lines between blank lines, without the white space around them."""
    at = 0
    start = end = -1
    for line in text.split("\n"):
        if inner := line.strip():
            begin = at + line.index(inner)
            start, end = begin if start < 0 else start, begin + len(inner)
        elif start >= 0:
            yield start, end
            start = -1
        at += len(line) + 1
    if start >= 0:
        yield start, end


class LineDeduplication(SpanStep):
    """Cut every line whose normalised text stood earlier in reading order."""

    rules = (Rule("too_much_removed", ">", "max_removed", "share"),)
    edits = ("lines_removed", "characters_removed")

    def units(self, draft: Draft) -> tuple[list[Span], list[int]]:
        """Lines of ``min_characters`` or more."""
        section, text = self.section, draft.text
        scope = draft.source if section.scope == "source" else ""
        find = line_spans if section.unit == "line" else paragraph_spans
        spans = [span for span in find(text) if span[1] - span[0] >= section.min_characters]
        return spans, [line_hash(text[start:end], section.normalize, scope) for start, end in spans]

    def run(self, draft: Draft) -> Iterator[float]:
        """The share of the characters that was cut."""
        yield cut_lines(self, draft, self.next_cuts())


def cut_lines(step: CuttingStep, draft: Draft, spans: list[Span]) -> float:
    """Cut them, count them as ``lines_removed`` and ``characters_removed``; returns their share."""
    before = draft.text
    if not spans:
        return 0.0
    draft.text = without(before, spans)
    removed = len(before) - len(draft.text)
    step.edited = {"lines_removed": len(spans), "characters_removed": removed}
    return removed / len(before)
