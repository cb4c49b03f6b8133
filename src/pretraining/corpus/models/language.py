"""The step ``language``: fastText or py3langid says in which language a document is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pretraining.corpus.assets import find_asset
from pretraining.corpus.draft import Draft
from pretraining.corpus.models.fasttext_model import check_fasttext, load_fasttext
from pretraining.corpus.models.language_codes import UNDETERMINED, language_code
from pretraining.corpus.scripts import main_script, script_counts
from pretraining.corpus.sections.language import LanguageStep
from pretraining.corpus.step import Preparation, Rule, Step
from pretraining.errors import DataError

Identify = Callable[[str], tuple[str, float]]
"""From a text to (``code_Script``, score of 0 to 1). An empty text is ``und_Zyyy`` with the score 0."""

BLOCK_LETTERS = 200
"""A mixed document is cut into parts of about this many letters, which both identifiers judge well."""
MIN_BLOCK_LETTERS = 20
"""Shorter parts say nothing about the language and are not counted."""


class Language(Step):
    """Detect the language, write it down, and remove what is not accepted.

    The value of a rule is the score of the detected language, which is in ``fields``: under ``other_language`` if it is
    not accepted (the document goes, whatever the score), under ``low_confidence`` if it is; the other of the two is
    NaN. So the values of ``low_confidence`` are those of the documents that a threshold decides about.
    """

    section: LanguageStep

    rules = (
        Rule("other_language", ">=", None, "score"),
        Rule("low_confidence", "<", "threshold", "score"),
        Rule("mixed_language", "<", "min_share", "share"),
    )

    @property
    def threshold_keys(self) -> set[str]:
        """Not ``min_share``: without it the share is never measured, because that takes long."""
        return {"threshold", "thresholds"}

    def prepare(self, preparation: Preparation) -> None:
        """Look for the identifier.

        Raises:
            DataError: the package or the model is not there.
        """
        if self.section.identifier == "fasttext":
            check_fasttext(find_asset(self.section.model, preparation.base))
        else:
            load_py3langid()

    def open(self, preparation: Preparation) -> None:
        """Load the identifier, once per process: 4 MB of memory for lid.176.ftz, 80 MB for py3langid."""
        self._identify = identifier(self.section, preparation.base)

    def threshold(self, rule: Rule, fields: dict[str, Any]) -> float | None:
        """That of the language in ``fields``, where it has one."""
        if rule.key == "threshold":
            return self.section.thresholds.get(fields.get("language", ""), self.section.threshold)
        return super().threshold(rule, fields)

    def run(self, draft: Draft) -> Iterator[float]:
        """The score, for one of the first two rules, and the share of letters in parts of an accepted language."""
        language, score = self._identify(draft.text[: self.section.max_characters])
        draft.language = draft.fields["language"] = language
        draft.fields["language_score"] = round(score, 4)
        accepted = language in self.section.accept
        yield math.nan if accepted else score
        yield score if accepted else math.nan
        if self.section.min_share is None:
            yield math.nan
        else:
            yield accepted_share(draft.text, self.section.accept, self._identify)


def identifier(section: LanguageStep, base: Path) -> Identify:
    """The function that the section asks for.

    Raises:
        DataError: the package or the model is not there.
    """
    if section.identifier == "py3langid":
        return load_py3langid()
    model = load_fasttext(find_asset(section.model, base))

    def identify(text: str) -> tuple[str, float]:
        best = model.predict(text) if text.strip() else []
        label, score = best[0] if best else (UNDETERMINED, 0.0)
        return language_code(label, text), score

    return identify


@lru_cache(maxsize=1)
def load_py3langid() -> Identify:
    """py3langid with normalised probabilities (softmax of the log-likelihoods, cooled by the root of the length).

    Raises:
        DataError: it is not installed.
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise DataError("the language identifier py3langid is not installed\n    pip install py3langid") from error
    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        label, score = model.classify(text) if text.strip() else (UNDETERMINED, 0.0)
        return language_code(label, text), min(1.0, score)

    return identify


def accepted_share(text: str, accept: list[str], identify: Identify) -> float:
    """Share of the letters that are in parts of an accepted language; NaN where no part is long enough to say."""
    accepted = counted = 0
    for block in blocks(text):
        letters = script_counts(block).total()
        if letters >= MIN_BLOCK_LETTERS:
            counted += letters
            accepted += letters if identify(block)[0] in accept else 0
    return accepted / counted if counted else math.nan


def blocks(text: str) -> Iterator[str]:
    """Consecutive lines, together at least ``BLOCK_LETTERS`` characters long, cut where the script changes."""
    lines: list[str] = []
    size, script = 0, ""
    for line in filter(str.strip, text.splitlines()):
        own = main_script(line)
        if lines and (size >= BLOCK_LETTERS or own != script):
            yield "\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size, script = size + len(line), own
    if lines:
        yield "\n".join(lines)
