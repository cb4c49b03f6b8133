"""The section of the step ``toxicity``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection

VARIANTS: dict[str, dict[str, Any]] = {
    "data_juicer": {"max_hits": None, "max_share": 0.045, "keep_probability": 0.0},
    "c4": {"max_hits": 0, "max_share": None, "keep_probability": 0.0},
    "mc4": {"max_hits": 0, "max_share": None, "keep_probability": 0.001},
}
"""What each variant sets: ``flagged_words_filter`` of Data-Juicer 1.4; ``en`` and ``multilingual`` of C4 in TensorFlow
Datasets (3.1.0: ``badwords_filter_fraction`` 1.0 and 0.999)."""


class ToxicityStep(StepSection):
    """Find toxic documents by word lists, by a classifier, or both; flag or remove them.

    Writes the field ``toxicity``: ``hits`` and ``share`` where there is a list for the language, ``score`` where there
    is a classifier. Give at least one of ``lists`` and ``classifier``; no list and no model is part of the package.
    """

    implementation: ClassVar[str] = "models.toxicity:Toxicity"

    type: Literal["toxicity"]
    variant: Literal["data_juicer", "c4", "mc4"] = "data_juicer"
    """Whose numbers the keys have that are not given. ``data_juicer``: at most 4.5 % listed words. ``c4``: none (Raffel
    et al. 2020, arXiv 1910.10683, section 2.2). ``mc4``: none, but one such document in a thousand stays."""
    action: Literal["flag", "remove"] = "remove"
    """``flag``: only write the field ``toxicity``; what would have been removed is in the ledger's values."""
    lists: dict[str, str] = {}
    """Word lists by language: ``{eng_Latn: naughty-words-en.json, cmn_Hani: words/zh.txt}``. A registered asset, or a
    file with an entry a line, or a JSON list. An entry may be several words. Case does not matter. Entries are whole
    words; in scripts without spaces (Chinese, Japanese, Thai, ...) they match anywhere, so short ones hit too much: C4
    left out 性. A document whose language nobody has said is compared with every list."""
    max_hits: int | None = Field(default=None, ge=0)
    """More hits: removed (``toxic_words``)."""
    max_share: float | None = Field(default=0.045, ge=0.0, le=1.0)
    """A larger share of the words is in hits: removed (``toxic_share``); share of the letters in scripts without
    spaces."""
    keep_probability: float = Field(default=0.0, ge=0.0, le=1.0)
    """This share of the documents, by hash of their id, stays in spite of its hits."""
    classifier: str | None = None
    """A fastText model: a path. It sees the whole document as one line."""
    label: str = "toxic"
    """The classifier's label for toxic text, without ``__label__``."""
    threshold: float | None = Field(default=0.4, ge=0.0, le=1.0)
    """The probability of ``label`` is this large: removed (``toxic_score``). 0.4 is Dolma's, for single sentences
    (Soldaini et al. 2024, arXiv 2402.00159)."""

    @model_validator(mode="before")
    @classmethod
    def _fill_variant(cls, values: Any) -> Any:
        if isinstance(values, dict):
            return {**VARIANTS.get(str(values.get("variant", "data_juicer")), {}), **values}
        return values

    @model_validator(mode="after")
    def _something_to_look_for(self) -> ToxicityStep:
        if not self.lists and self.classifier is None:
            raise ValueError("give `lists`, `classifier`, or both: no word list is part of the package")
        return self
