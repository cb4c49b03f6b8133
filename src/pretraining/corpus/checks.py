"""The rules about the ``corpus`` section."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection, GopherQualityStep, LengthStep
from pretraining.corpus.sources import SourceError, source_files, source_name
from pretraining.section import Finding, Rule


def _source_exists(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for i, source in enumerate(corpus.sources):
        try:
            source_files(source, base)
        except SourceError as error:
            yield Finding(f"corpus.sources[{i}].{error.key}", error.message, error.fix, error.hint)


def _source_names_unique(corpus: CorpusSection) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for i, source in enumerate(corpus.sources):
        name = source_name(source)
        if name in seen:
            yield Finding(
                f"corpus.sources[{i}].name",
                f"the name {name!r} is already that of corpus.sources[{seen[name]}]",
                "give each source its own `name`: ids and the ledger are by name",
            )
        seen.setdefault(name, i)


def _source_encoding_known(corpus: CorpusSection) -> Iterator[Finding]:
    for i, source in enumerate(corpus.sources):
        try:
            codecs.lookup(source.encoding)
            "".encode(source.encoding)
        except (LookupError, ValueError):
            yield Finding(
                f"corpus.sources[{i}].encoding",
                f"{source.encoding!r} is not a text encoding that Python knows",
                "name one: utf-8, gb18030, cp1252, shift_jis, ...",
            )


def _step_ranges(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        pairs = [
            pair
            for kind, pair in (
                (LengthStep, ("min_characters", "max_characters")),
                (GopherQualityStep, ("min_words", "max_words")),
                (GopherQualityStep, ("min_mean_word_length", "max_mean_word_length")),
            )
            if isinstance(step, kind)
        ]
        for low, high in pairs:
            least, most = getattr(step, low), getattr(step, high)
            if least > most:
                yield Finding(
                    f"corpus.steps[{i}].{low}",
                    f"{low} {least:,} is more than {high} {most:,}: every document would be removed",
                    f"lower `{low}` or raise `{high}`",
                )


def _stop_words_suffice(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, GopherQualityStep) and step.min_stop_words > len(set(step.stop_words)):
            yield Finding(
                f"corpus.steps[{i}].min_stop_words",
                f"{step.min_stop_words} different stop words are asked for, {len(set(step.stop_words))} are listed",
                "lower `min_stop_words` or list more `stop_words`",
            )


RULES = [
    Rule(
        "source_exists",
        "Every source has a file with something in it; a package is installed, in the version asked for.",
        "A source that is not there would be found out only when the build reads it.",
        _source_exists,
    ),
    Rule(
        "source_names_unique",
        "No two sources have the same name.",
        "Document ids start with the name, and the ledger counts by it.",
        _source_names_unique,
    ),
    Rule(
        "source_encoding_known",
        "The encoding of every source is one that Python can read text with.",
        "With another one, no record could be read.",
        _source_encoding_known,
    ),
    Rule(
        "step_ranges",
        "The lower limit of a step is not above its upper limit.",
        "Such a step would remove every document.",
        _step_ranges,
    ),
    Rule(
        "stop_words_suffice",
        "A step does not ask for more stop words than it lists.",
        "Such a step would remove every document.",
        _stop_words_suffice,
    ),
]
