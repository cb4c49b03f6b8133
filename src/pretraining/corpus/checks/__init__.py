"""The rules about the ``corpus`` section."""

from __future__ import annotations

from pretraining.corpus.checks import (
    cleaning,
    decontamination,
    deduplication,
    heuristics,
    language,
    models,
    privacy,
    sampling,
    sources,
    spans,
)

RULES = [
    *sources.RULES,
    *cleaning.RULES,
    *heuristics.RULES,
    *language.RULES,
    *models.RULES,
    *privacy.RULES,
    *deduplication.RULES,
    *spans.RULES,
    *decontamination.RULES,
    *sampling.RULES,
]
