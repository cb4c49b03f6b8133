"""The rules about the steps that look for repetitions inside documents."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.span_deduplication import BloomDeduplicationStep, LineDeduplicationStep
from pretraining.corpus.sources import source_name
from pretraining.section import Finding, Rule


def _bloom_is_useful(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if not isinstance(step, BloomDeduplicationStep):
            continue
        if step.unit == "document" and step.max_removed is not None:
            yield Finding(
                f"corpus.steps[{i}].max_removed",
                "whole documents are compared: nothing is cut that could be too much",
                "leave `max_removed` out, or say `unit: line`",
            )
        false = (step.expected_items or 0) * step.false_positive_rate
        if step.false_positive_rate > 0.01:
            lost = f": up to {math.ceil(false):,} of {step.expected_items:,}" if step.expected_items else ""
            yield Finding(
                f"corpus.steps[{i}].false_positive_rate",
                f"more than 1 in 100 {step.unit}s that are new would be lost{lost}",
                "lower it: each factor of 10 costs 5 bits for each item",
            )


def _code_keeps_its_lines(corpus: CorpusSection) -> Iterator[Finding]:
    code = {source_name(source) for source in corpus.sources if source.type == "code"}
    for i, step in enumerate(corpus.steps):
        lines = isinstance(step, LineDeduplicationStep) or (
            isinstance(step, BloomDeduplicationStep) and step.unit == "line"
        )
        if lines and code and (step.sources is None or code & set(step.sources)):
            yield Finding(
                f"corpus.steps[{i}].sources",
                "lines of source code would be cut wherever they occur again, as `return None` does",
                "name the `sources` of prose in the step",
            )


RULES = [
    Rule(
        "bloom_is_useful",
        "A Bloom filter loses at most 1 in 100 new things, and `max_removed` stands where lines are cut.",
        "What a Bloom filter takes for a repetition by mistake is lost, and nobody can tell it from the others.",
        _bloom_is_useful,
    ),
    Rule(
        "code_keeps_its_lines",
        "Lines of source code are not deduplicated.",
        "Code repeats its lines by nature; without them it is none.",
        _code_keeps_its_lines,
    ),
]
