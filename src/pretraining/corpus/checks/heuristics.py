"""The rules about what several steps have: words, limits, lists."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.cleaning import RefinedWebLinesStep, TextbookStep
from pretraining.corpus.sections.heuristics import C4Step, FineWebStep, GopherQualityStep
from pretraining.corpus.text.languages import UNSPACED_SCRIPTS, script
from pretraining.section import Finding, Rule


def _words_fit_languages(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        words = getattr(step, "words", None)
        if words not in ("whitespace", "spacy", "regex"):
            continue
        of_sources = (
            getattr(source, "language", None)
            for source in corpus.sources
            if step.sources is None or source.name in step.sources
        )
        for language in sorted({language for language in (*(step.languages or ()), *of_sources) if language}):
            if script(language) in UNSPACED_SCRIPTS and (step.languages is None or language in step.languages):
                better = "characters" if isinstance(step, C4Step | RefinedWebLinesStep) else "auto"
                yield Finding(
                    f"corpus.steps[{i}].words",
                    f"{language} has no spaces between words, so `words: {words}` finds hardly any",
                    f"set `words: {better}`, or name the other languages in the step's `languages`",
                )


def _limits_in_order(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        for low in type(step).model_fields:
            high = low.replace("min_", "max_", 1)
            least, most = getattr(step, low), getattr(step, high, None)
            if low.startswith("min_") and least is not None and most is not None and least > most:
                yield Finding(
                    f"corpus.steps[{i}].{low}",
                    f"no document has at least {least} and at most {most} ({high}): all would be removed",
                    f"lower `{low}`, or raise `{high}`",
                )


def _lists_suffice(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, GopherQualityStep | TextbookStep) and step.stop_words and step.variant != "dolma":
            different, least = len(set(step.stop_words)), step.min_stop_words
            if least is not None and least > different:
                yield Finding(
                    f"corpus.steps[{i}].min_stop_words",
                    f"there are only {different} stop words, and no document has {least}: all would be removed",
                    "lower it, give more `stop_words`, or set it to null",
                )
        if isinstance(step, C4Step | FineWebStep) and step.line_ends is not None and not all(step.line_ends or [""]):
            yield Finding(
                f"corpus.steps[{i}].line_ends",
                "every entry has to be at least one character, and there has to be one",
                "list the characters that end a line, or set it to null",
            )


RULES = [
    Rule(
        "words_fit_languages",
        "A step that counts words finds them as the languages of its documents write them.",
        "A Chinese page has hardly any spaces: counted by spaces it has too few words, and all of it would be removed.",
        _words_fit_languages,
    ),
    Rule(
        "limits_in_order",
        "A lower limit of a step is not above its upper limit.",
        "Otherwise no document is between them, and the corpus is empty.",
        _limits_in_order,
    ),
    Rule(
        "lists_suffice",
        "A step does not ask for more stop words than it has, and its line ends are not empty.",
        "Otherwise the rule removes everything.",
        _lists_suffice,
    ),
]
