"""The rules about the step ``privacy``."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.privacy import ENTITY_TYPES, REGIONS, PrivacyStep
from pretraining.section import Finding, Rule


def _steps(corpus: CorpusSection) -> Iterator[tuple[str, PrivacyStep]]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, PrivacyStep):
            yield f"corpus.steps[{i}]", step


def _names_need_model(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        names = [name for name in step.types if name in ENTITY_TYPES]
        if names and step.ner_model is None:
            yield Finding(
                f"{path}.types",
                f"{' and '.join(names)} can be found only by a model, and `ner_model` is not given",
                "give `ner_model`, the folder of a transformers token classifier or of a spaCy pipeline, or drop them",
            )
        if not names and step.ner_model is not None:
            yield Finding(
                f"{path}.ner_model",
                "the model would not be used: `types` names neither PERSON nor LOCATION",
                "add PERSON or LOCATION to `types`, or leave `ner_model` out",
            )


def _phone_regions(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        if "regions" in step.model_fields_set and "PHONE_NUMBER" not in step.types:
            yield Finding(
                f"{path}.regions",
                "regions are those of phone numbers, and `types` does not name PHONE_NUMBER",
                "add PHONE_NUMBER to `types`, or leave `regions` out",
            )


def _regions_known(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        if set(step.regions) <= set(REGIONS):
            continue
        from phonenumbers import SUPPORTED_REGIONS  # only where a recipe names others than the usual ones

        for i, region in enumerate(step.regions):
            if region not in SUPPORTED_REGIONS:
                yield Finding(
                    f"{path}.regions[{i}]",
                    f"{region!r} is no region with phone numbers",
                    "write two capital letters of ISO 3166, like US, CN or GB",
                )


RULES = [
    Rule(
        "privacy_regions_known",
        "The regions of a privacy step have phone numbers.",
        "The build would stop at it.",
        _regions_known,
    ),
    Rule(
        "privacy_names_need_model",
        "A privacy step that looks for names of persons or places has a model for it, and only such a step has one.",
        "No pattern finds names; a model that is not asked for anything is a mistake.",
        _names_need_model,
    ),
    Rule(
        "privacy_phone_regions",
        "A privacy step that lists regions looks for phone numbers.",
        "The regions would change nothing.",
        _phone_regions,
    ),
]
