"""The section of the step ``language``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from pretraining.corpus.sections.base import StepSection


class LanguageStep(StepSection):
    """Say in which language each document is, and keep those of the accepted ones.

    Writes the fields ``language`` (``code_Script``) and ``language_score`` (four decimals); later steps go by them. A
    document whose language is not accepted is removed whatever its score (``other_language``), one that is accepted
    with too small a score as well (``low_confidence``). The threshold 0.65 is FineWeb's (Penedo et al. 2024, arXiv
    2406.17557, section 3.3), for fastText; FineWeb-2 (arXiv 2506.20920) has one for each language.
    """

    implementation: ClassVar[str] = "models.language:Language"

    type: Literal["language"]
    accept: list[str] = Field(min_length=1)
    """The languages to keep, as ``code_Script``: ``[eng_Latn, cmn_Hani]``. ISO 639-3, and of a macrolanguage the member
    that FineWeb-2 names: Chinese is ``cmn``, Arabic ``arb``, Estonian ``ekk``."""
    identifier: Literal["py3langid", "fasttext"] = "py3langid"
    """``py3langid`` (140 languages) brings its model along; ``fasttext`` (176 with lid.176) is about twice as fast and
    needs ``model``. They are equally accurate, but their scores are not on one scale: py3langid's are lower on short
    texts, so a threshold is one for an identifier."""
    model: str = "lid.176.ftz"
    """For ``fasttext``: a registered asset (``lid.176.ftz``, ``lid.176.bin``), or the path of a model whose labels are
    ISO 639 codes or ``code_Script``."""
    threshold: float | None = Field(default=0.65, ge=0.0, le=1.0)
    """A smaller score of the document's language: removed. Off: any score will do."""
    thresholds: dict[str, float] = {}
    """Thresholds of single languages: ``{cmn_Hani: 0.5}``."""
    max_characters: int = Field(default=2_000, ge=1)
    """How much of the document's beginning is looked at."""
    min_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """For mixed documents: a smaller share of the document's letters in parts of an accepted language: removed
    (``mixed_language``). Off, as in FineWeb and CCNet, which judge a document as a whole: it reads the whole document,
    and so takes as many times longer as the document is longer than ``max_characters``."""
