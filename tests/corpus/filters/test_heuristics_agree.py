"""Decisions, reasons and edits of the heuristic filters are those of datatrove's own."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from pydoc_data.topics import topics
from typing import Any

import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4ParagraphFilter,
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.c4 import C4, C4Paragraph
from pretraining.corpus.filters.fineweb import FineWeb
from pretraining.corpus.filters.gopher_quality import GopherQuality
from pretraining.corpus.filters.gopher_repetition import GopherRepetition
from pretraining.corpus.sections.heuristics import (
    C4ParagraphStep,
    C4Step,
    FineWebStep,
    GopherQualityStep,
    GopherRepetitionStep,
)
from pretraining.corpus.step import Step, apply

DATATROVE_REASONS = {
    "too_few_words": "gopher_short_doc",
    "too_many_words": "gopher_long_doc",
    "words_too_short": "gopher_below_avg_threshold",
    "words_too_long": "gopher_above_avg_threshold",
    "too_many_hashes": "gopher_too_many_hashes",
    "too_many_ellipses": "gopher_too_many_ellipsis",
    "too_many_bullet_lines": "gopher_too_many_bullets",
    "too_many_ellipsis_lines": "gopher_too_many_end_ellipsis",
    "too_few_alphabetic_words": "gopher_below_alpha_threshold",
    "too_few_stop_words": "gopher_enough_stop_words",
    "paragraphs_too_short": "< 3 paragraphs",
}
PROSE = "The committee has to report to the House that it will meet with the others, and to have it in print. "
GOOD = PROSE + "We saw the river. They met at noon. Nobody spoke! Was it late? All went home to be with friends."
CHINESE = "春天来了，孩子们在公园里放风筝。老人坐在长椅上看书的时候，心情是非常愉快的。\n"

PAIRS: dict[str, tuple[Callable[[], Step], Callable[[], Any]]] = {
    "gopher_quality": (
        lambda: GopherQuality(GopherQualityStep(type="gopher_quality", variant="gopher-datatrove")),
        GopherQualityFilter,
    ),
    "gopher_repetition": (
        lambda: GopherRepetition(GopherRepetitionStep(type="gopher_repetition", variant="gopher-datatrove")),
        GopherRepetitionFilter,
    ),
    "c4": (lambda: C4(C4Step(type="c4", variant="c4-datatrove")), C4QualityFilter),
    "c4_paragraph": (lambda: C4Paragraph(C4ParagraphStep(type="c4_paragraph")), C4ParagraphFilter),
    "fineweb": (lambda: FineWeb(FineWebStep(type="fineweb")), FineWebQualityFilter),
}

DIFFICULT = [
    "word",
    "?!... --- ***",
    GOOD,
    "\r\n".join([GOOD] * 3),
    GOOD.replace(". ", ".\u2028"),
    "\n".join(f"- {line}." for line in GOOD.split(". ")),
    "\n".join(f"{line} ..." for line in GOOD.split(". ")) * 2,
    GOOD + "#" * 40,
    GOOD + " ... … ... … ... … ... …",
    "1790 1791 1792 " * 30 + PROSE * 2,
    "incomprehensibilities of internationalization " * 30,
    "a b c d the of " * 20,
    "Amérique française toujours grande " * 20,
    GOOD + "\n" + "x" * 1001 + " is a line that has to go.",
    GOOD + "\nSee the note[12] of the others[citation needed].[edit]\nRead java[3]script now please.",
    GOOD + "\nPlease enable JavaScript to read this.\nWe use cookies on this site, and that is all.",
    GOOD + "\nLorem ipsum dolor sit amet.\nint main() { return 0; }.",
    GOOD + "\nint main() { return 0; }.\nLorem ipsum dolor sit amet.",
    GOOD + "\nno end {\nat all lorem ipsum",
    (PROSE + "\n\n") * 6,
    (PROSE + "\n") * 3 + GOOD,
    "1 11 0 0 1\n11 1 0 0 1\n" * 20 + GOOD,
    "x" * 1_000_000,
    PROSE * 1_000,
    "one line of it. " * 40,
    ("A long enough paragraph " * 10 + "\n") * 3,
    "x IS_ALPHA y. " + GOOD,
    GOOD + "\nThe flag (IS_ALPHA) has to be set. And fooIS_ALPHA too.",
    "１ " * 45 + "We have to be with the others １.",  # a full-width digit is punctuation to datatrove
    "\x1f\x0b" + GOOD + "\x85" + PROSE,
]


def documents() -> list[str]:
    docstrings = [doc for name in dir(inspect) if (doc := inspect.getdoc(getattr(inspect, name)))]
    return [*list(topics.values())[:15], inspect.getsource(random), *docstrings[:20], *DIFFICULT]


def ours_and_theirs(name: str, text: str) -> tuple[tuple[str | None, str], tuple[str | None, str]]:
    """(reason, text afterwards) by our step and by datatrove's filter."""
    step, stock = PAIRS[name]
    draft, document = Draft(text, "1", source="s", file="f", language="eng_Latn"), Document(text, "1")
    verdict = apply(step(), draft)
    result = stock().filter(document)
    reason = None if verdict is None else DATATROVE_REASONS.get(verdict.reason, verdict.reason)
    return (reason, draft.text), (None if result is True else result[1], document.text)


@pytest.mark.parametrize("name", PAIRS)
def test_decisions_reasons_and_edits_are_datatroves(name: str) -> None:
    GopherQualityFilter().filter(Document("IS_ALPHA", "1"))  # datatrove keeps this word the first time only
    reasons = set()
    for text in documents():
        ours, theirs = ours_and_theirs(name, text)
        assert ours == theirs, text[:100]
        reasons.add(ours[0])
    assert None in reasons and len(reasons) >= 2


TEXTS = st.lists(
    st.tuples(
        st.sampled_from(
            [*GOOD.split(), *PROSE.split(), "...", "-", "•", "#", "{", "don't", "e.g.", "[1]", "1790", "…"]
        ),
        st.sampled_from([" ", " ", " ", " ", "\n", "\n\n", ".\n", ". "]),
    ),
    min_size=1,
    max_size=150,
)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_any_text_is_judged_as_by_datatrove(pieces: list[tuple[str, str]]) -> None:
    text = "".join(word + space for word, space in pieces)
    for name in PAIRS:
        ours, theirs = ours_and_theirs(name, text)
        assert ours == theirs


FINEWEB2 = GopherRepetitionStep.VARIANTS["fineweb2-cmn_Hani"]
CHINESE_PAIRS: dict[str, tuple[Callable[[], Step], Callable[[], Any]]] = {
    "gopher_quality": (
        lambda: GopherQuality(GopherQualityStep(type="gopher_quality", variant="fineweb2-cmn_Hani")),
        lambda: GopherQualityFilter(
            language="cmn_Hani",
            min_avg_word_length=1,
            max_avg_word_length=5,
            max_non_alpha_words_ratio=0.735,
            stop_words=GopherQualityStep.VARIANTS["fineweb2-cmn_Hani"]["stop_words"],
        ),
    ),
    "gopher_repetition": (
        lambda: GopherRepetition(GopherRepetitionStep(type="gopher_repetition", variant="fineweb2-cmn_Hani")),
        lambda: GopherRepetitionFilter(
            language="cmn_Hani",
            dup_line_frac=0.287,
            dup_para_frac=0,
            dup_line_char_frac=0,
            dup_para_char_frac=0,
            top_n_grams=tuple((n, FINEWEB2[f"max_top_{n}_gram"]) for n in (2, 3, 4)),
            dup_n_grams=tuple((n, FINEWEB2[f"max_duplicate_{n}_grams"]) for n in range(5, 11)),
        ),
    ),
    "fineweb": (
        lambda: FineWeb(FineWebStep(type="fineweb", variant="fineweb2-cmn_Hani")),
        lambda: FineWebQualityFilter(
            language="cmn_Hani",
            line_punct_thr=0.106,
            short_line_thr=999,
            char_duplicates_ratio=0.1,
            new_line_ratio=0.178,
        ),
    ),
}


@pytest.mark.parametrize("name", CHINESE_PAIRS)
def test_chinese_with_the_numbers_of_fineweb_2_is_judged_as_by_datatrove(name: str) -> None:
    make, stock = CHINESE_PAIRS[name]
    step, other = make(), "今年的天气很好，人们都在田里工作。他们种的是水稻和小麦，也有一些人去了城里。"
    decisions = set()
    for text in (CHINESE * 3, other + CHINESE, other, (other + "\n") * 4, "·" * 60, (other * 3 + CHINESE) * 2):
        verdict = apply(step, Draft(text, "1", source="s", file="f", language="cmn_Hani"))
        result = stock().filter(Document(text, "1"))
        reason = None if verdict is None else DATATROVE_REASONS.get(verdict.reason, verdict.reason)
        assert reason == (None if result is True else result[1]), text
        decisions.add(reason)
    assert len(decisions) > 1


def test_blank_text_is_removed_by_every_step() -> None:
    for step, _ in PAIRS.values():
        for text in ("", " \n"):
            verdict = apply(step(), Draft(text, "1", source="s", file="f"))
            assert verdict is not None
            assert verdict.reason in {"empty", "too_few_words", "too_few_sentences", "paragraphs_too_short"}


@pytest.mark.parametrize("name", ["gopher_quality", "gopher_repetition", "fineweb", "c4"])
def test_chinese_is_refused_where_words_are_told_by_spaces(name: str) -> None:
    sections = {
        "gopher_quality": GopherQuality(GopherQualityStep(type="gopher_quality", words="whitespace")),
        "gopher_repetition": GopherRepetition(GopherRepetitionStep(type="gopher_repetition", words="regex")),
        "fineweb": FineWeb(FineWebStep(type="fineweb", words="spacy")),
        "c4": C4(C4Step(type="c4")),
    }
    verdict = apply(sections[name], Draft(CHINESE * 9, "1", source="s", file="f", language="cmn_Hani"))
    assert verdict is not None and (verdict.reason, verdict.value, verdict.threshold) == (
        "unsegmented_script",
        1.0,
        0.5,
    )
