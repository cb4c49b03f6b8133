"""``sentence_deduplication``: runs of sentences that occurred before are cut, as C4 describes it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pretraining.corpus.deduplication.hashing import hash_pair
from pretraining.corpus.deduplication.lines import normalized
from pretraining.corpus.deduplication.spans import Span, SpanStep, without
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import Preparation, Rule
from pretraining.corpus.text.sentences import sentence_view
from pretraining.corpus.text.words import require_jieba, word_view


def sentence_spans(draft: Draft) -> list[Span]:
    """The sentences, without the white space around them."""
    spans = []
    start = 0
    for sentence in draft.view(sentence_view(draft.language, draft.text)):
        if inner := sentence.strip():
            begin = start + sentence.index(inner)
            spans.append((begin, begin + len(inner)))
        start += len(sentence)
    return spans


class SentenceDeduplication(SpanStep):
    """Cut every sentence of a run whose normalised text stood earlier in reading order."""

    rules = (
        Rule("too_few_sentences_left", "<", "min_sentences", "sentences"),
        Rule("too_few_words_left", "<", "min_words", "words"),
    )
    edits = ("sentences_removed", "characters_removed")

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self.run_length = self.section.sentences

    def prepare(self, preparation: Preparation) -> None:
        """Raise DataError where a package is missing that finds words."""
        if self.section.min_words is not None or self.measure_all:
            require_jieba(self.section.words, self.section.languages or [])

    def units(self, draft: Draft) -> tuple[list[Span], list[int]]:
        """The sentences, and a hash of every run of them."""
        section, text, length = self.section, draft.text, self.run_length
        scope = draft.source if section.scope == "source" else ""
        spans = sentence_spans(draft)
        plain = [normalized(text[start:end], section.normalize) for start, end in spans]
        runs = range(len(plain) - length + 1)
        return spans, [hash_pair("\n".join([scope, *plain[i : i + length]]))[0] for i in runs]

    def run(self, draft: Draft) -> Iterator[float]:
        """Sentences and words that are left of a document of which something was cut; NaN of the others."""
        spans = self.next_cuts()
        if not spans:
            yield math.nan
            yield math.nan
            return
        before = draft.text
        draft.text = without(before, spans)
        removed = len(before) - len(draft.text)
        self.edited = {"sentences_removed": len(spans), "characters_removed": removed}
        yield float(len(sentence_spans(draft)))
        view = word_view(self.section.words, draft.language, draft.text)
        yield float(len(draft.view(view))) if self.wants(self.rules[1]) else math.nan
