from __future__ import annotations

from typing import Any

from pretraining.corpus.checks.heuristics import RULES
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.cleaning import RefinedWebLinesStep, TextbookStep
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep
from pretraining.corpus.sections.heuristics import (
    C4Step,
    FineWebStep,
    GopherQualityStep,
    GopherRepetitionStep,
    LengthStep,
)
from pretraining.corpus.sections.sources import TextSource
from pretraining.section import Finding


def findings(rule: str, *steps: Any, language: str | None = None) -> list[Finding]:
    source = TextSource(type="text", path="x.txt", name="books", language=language)
    corpus = CorpusSection.model_construct(sources=[source], steps=list(steps))
    return list(next(known for known in RULES if known.id == rule).check(corpus))


def test_chinese_is_not_counted_by_spaces() -> None:
    step = GopherQualityStep(type="gopher_quality")
    [found] = findings("words_fit_languages", step, language="cmn_Hani")
    assert found.path == "corpus.steps[0].words" and "cmn_Hani" in found.message and "words: auto" in found.fix
    [found] = findings("words_fit_languages", C4Step(type="c4"), language="jpn_Jpan")
    assert "words: characters" in found.fix
    assert findings("words_fit_languages", step, language="eng_Latn") == []
    assert findings("words_fit_languages", FineWebStep(type="fineweb"), language="cmn_Hani") == []
    elsewhere = GopherRepetitionStep(type="gopher_repetition", sources=["web"])
    english = GopherRepetitionStep(type="gopher_repetition", languages=["eng_Latn"])
    assert findings("words_fit_languages", elsewhere, english, language="cmn_Hani") == []


def test_what_is_right_for_chinese_is_not_complained_about() -> None:
    steps = [
        TextbookStep.model_validate({"type": "textbook", "variant": "textbook-cmn_Hani"}),
        RefinedWebLinesStep.model_validate({"type": "refinedweb_lines", "variant": "refinedweb-cmn_Hani"}),
        MinhashDeduplicationStep(type="minhash_deduplication"),
    ]
    for rule in RULES:
        assert findings(rule.id, *steps, language="cmn_Hani") == []
    english = RefinedWebLinesStep(type="refinedweb_lines", languages=["cmn_Hani", "eng_Latn"])
    shingles = MinhashDeduplicationStep(type="minhash_deduplication", words="whitespace")
    said = findings("words_fit_languages", english, shingles, language="jpn_Jpan")
    assert [found.path for found in said] == ["corpus.steps[0].words", "corpus.steps[1].words"]
    assert "words: characters" in said[0].fix and "words: auto" in said[1].fix


def test_limits() -> None:
    length = LengthStep(type="length", min_characters=10, max_characters=5)
    quality = GopherQualityStep(type="gopher_quality", min_words=2, max_words=None, max_mean_word_length=2.0)
    textbook = TextbookStep(type="textbook", min_characters=None, min_mean_word_length=16.0)
    assert [found.path for found in findings("limits_in_order", length, quality, textbook)] == [
        "corpus.steps[0].min_characters",
        "corpus.steps[1].min_mean_word_length",
        "corpus.steps[2].min_mean_word_length",
    ]


def test_lists() -> None:
    few = GopherQualityStep(type="gopher_quality", stop_words=["the", "the"])
    none = C4Step(type="c4", line_ends=[])
    textbook = TextbookStep(type="textbook", stop_words=["le"])
    said = findings("lists_suffice", few, none, C4Step(type="c4", line_ends=None), textbook)
    assert [found.path for found in said] == [
        "corpus.steps[0].min_stop_words",
        "corpus.steps[1].line_ends",
        "corpus.steps[3].min_stop_words",
    ]
