"""The rules about the steps that remove whole documents because they repeat another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.deduplication import DocumentDeduplicationStep, MinhashDeduplicationStep
from pretraining.corpus.sources import source_name
from pretraining.section import Finding, Rule

LEAST_HALF = 0.3
"""Jaccard similarity that a pair must have at least to meet with probability one half."""


def _steps(corpus: CorpusSection) -> Iterator[tuple[str, DocumentDeduplicationStep]]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, DocumentDeduplicationStep):
            yield f"corpus.steps[{i}]", step


def _priority_known(corpus: CorpusSection) -> Iterator[Finding]:
    names = [source_name(source) for source in corpus.sources]
    for path, step in _steps(corpus):
        for i, name in enumerate(step.priority):
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                yield Finding(
                    f"{path}.priority[{i}]",
                    f"no source is called {name!r}",
                    f"name sources of the recipe: {', '.join(names)}",
                    f"did you mean {close[0]!r}?" if close else "",
                )


def _priority_across_sources(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        if step.priority and step.scope == "source":
            yield Finding(
                f"{path}.priority",
                "copies are looked for within each source, so no source can come before another",
                "leave `priority` out, or say `scope: corpus`",
            )


def _against_has_signatures(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        kind: str = getattr(step, "type")  # noqa: B009  # every subclass has it
        for i, folder in enumerate(step.against):
            described = base / folder / "signatures" / kind / "parameters.json"
            if not described.is_file():
                yield Finding(
                    f"{path}.against[{i}]",
                    f"holds no signatures of {kind}: {described} is not there",
                    f"name the `corpus` folder of an earlier run whose recipe had {kind} and `keep_signatures: true`",
                )


def half_similarity(bands: int, rows: int) -> float:
    """The Jaccard similarity at which a pair meets in a band with probability one half."""
    return float((1 - 0.5 ** (1 / bands)) ** (1 / rows))


def _bands_selective(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        if isinstance(step, MinhashDeduplicationStep):
            half = half_similarity(step.bands, step.rows)
            if half < LEAST_HALF:
                yield Finding(
                    f"{path}.rows",
                    f"with {step.bands} bands of {step.rows} hashes, half of the pairs of similarity {half:.2f} meet: "
                    "documents that have little in common would be removed",
                    "raise `rows` or lower `bands` (14 bands of 8: 0.68)",
                )


RULES = [
    Rule(
        "deduplication_priority_known",
        "`priority` names sources of the recipe.",
        "A name that is misspelt would change nothing, and the copy of another source would stay.",
        _priority_known,
    ),
    Rule(
        "deduplication_priority_across_sources",
        "`priority` is given only where copies are looked for across sources.",
        "Within one source it says nothing.",
        _priority_across_sources,
    ),
    Rule(
        "deduplication_against_signatures",
        "Each folder of `against` holds the signatures of the same kind of step.",
        "Without them nothing would be compared, and the new release would repeat the old one.",
        _against_has_signatures,
    ),
    Rule(
        "deduplication_bands_selective",
        "Bands and rows of MinHash tell near-duplicates from other documents.",
        "Too few rows or too many bands bring documents together that share a third of their text or less.",
        _bands_selective,
    ),
]
