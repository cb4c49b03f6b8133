"""The ``privacy`` step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.draft import Draft
from pretraining.corpus.privacy.finder import redact
from pretraining.corpus.privacy.names import Recognizer, check_model, load_recognizer
from pretraining.corpus.sections.privacy import ENTITY_TYPES, PATTERN_TYPES
from pretraining.corpus.step import Preparation, Rule, Step
from pretraining.errors import DataError

_RECOGNIZERS: dict[Path, Recognizer] = {}  # one model per process, whatever the number of tasks


class Privacy(Step):
    """Replaces personal data and counts it by type; the values themselves go nowhere.

    The text is replaced before the number of matches is told, so that a removed document's sample is masked as well.
    """

    rules = (Rule("too_much_personal_data", ">", "max_replaced", "matches"),)
    edits = (*PATTERN_TYPES, *ENTITY_TYPES)
    private = True
    _recognizer: Recognizer | None = None

    def prepare(self, preparation: Preparation) -> None:
        """Check that the model of names is there, and known regions.

        Raises:
            DataError: names are asked for and the model or its package is missing; a region without a numbering plan.
        """
        import phonenumbers

        for region in self.section.regions:
            if region not in phonenumbers.SUPPORTED_REGIONS:
                raise DataError(
                    f"privacy.regions: {region!r} is no region with phone numbers; use codes like US, CN, GB"
                )
        if self._names():
            check_model(self._folder(preparation))

    def open(self, preparation: Preparation) -> None:
        """Load the model of names, once per process."""
        if self._names():
            folder = self._folder(preparation)
            if folder not in _RECOGNIZERS:
                _RECOGNIZERS[folder] = load_recognizer(folder)
            self._recognizer = _RECOGNIZERS[folder]

    def run(self, draft: Draft) -> Iterator[float]:
        """The number of matches, after they were replaced."""
        section = self.section
        text, counts = redact(draft.text, section.types, section.regions, section.replace_with, self._recognizer)
        if counts:
            draft.text = text
            self.edited = dict(counts)
        yield float(sum(counts.values()))

    def _names(self) -> bool:
        return any(name in self.section.types for name in ENTITY_TYPES)

    def _folder(self, preparation: Preparation) -> Path:
        if self.section.ner_model is None:
            raise DataError(
                "privacy.types names PERSON or LOCATION, which only a model finds: give `ner_model`, the folder of a "
                "transformers token classifier, or of a spaCy pipeline for Presidio (pip install "
                "'presidio-analyzer>=2.2,<3' 'spacy>=3.7,<4'), or leave the two types out"
            )
        return (preparation.base / Path(self.section.ner_model).expanduser()).resolve()
