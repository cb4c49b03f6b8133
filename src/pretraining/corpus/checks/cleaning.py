"""The rules about the step ``url_filter``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.cleaning import UrlFilterStep
from pretraining.section import Finding, Rule


def _url_filter_has_lists(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, UrlFilterStep) and not (
            step.stock_lists or step.block or step.hard_words or step.soft_words or step.subwords
        ):
            yield Finding(
                f"corpus.steps[{i}].stock_lists",
                "without datatrove's lists and without any of its own, the step removes nothing",
                "give `block`, `hard_words`, `soft_words` or `subwords`, or leave the step out",
            )


def _url_lists_exist(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if not isinstance(step, UrlFilterStep):
            continue
        for key in ("block", "allow"):
            given = getattr(step, key)
            if isinstance(given, str) and not (base / given).is_file():
                yield Finding(
                    f"corpus.steps[{i}].{key}",
                    f"{base / given} does not exist, or is no file",
                    "name a text file with one domain or URL a line, or give a list: [example.org, ...]",
                )


def _url_words_can_match(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if not isinstance(step, UrlFilterStep):
            continue
        for key in ("hard_words", "soft_words", "subwords"):
            for j, word in enumerate(getattr(step, key)):
                if not any(c.isascii() and c.isalnum() for c in word):
                    yield Finding(
                        f"corpus.steps[{i}].{key}[{j}]",
                        f"{word!r} has no ASCII letter or digit, and nothing else of a URL is looked at",
                        "write the word as it stands in URLs, in Latin letters",
                    )


RULES = [
    Rule(
        "url_filter_has_lists",
        "A `url_filter` step has something to look for.",
        "A step that cannot remove anything is a mistake in the recipe.",
        _url_filter_has_lists,
    ),
    Rule(
        "url_lists_exist",
        "The files that a `url_filter` step names exist.",
        "They would be missed only when the build starts.",
        _url_lists_exist,
    ),
    Rule(
        "url_words_can_match",
        "The words of a `url_filter` step have an ASCII letter or digit.",
        "URLs are compared without all other characters, so that such a word would never match.",
        _url_words_can_match,
    ),
]
