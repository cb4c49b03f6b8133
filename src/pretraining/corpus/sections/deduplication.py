"""The sections of the steps that remove whole documents because they repeat another."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection

Words = Literal["auto", "spacy", "whitespace", "regex", "jieba", "characters"]


class DocumentDeduplicationStep(StepSection):
    """What all of them have in common: among which documents copies are looked for, and which one stays."""

    keep: Literal["first", "longest", "newest", "best_score"] = "first"
    """Which document of a group stays: the first that is read, the one with the most characters, the one with the
    latest ``date_field``, or the one with the highest ``score_field``. Ties: the first that is read."""
    date_field: str = "date"
    """Metadata field that ``keep: newest`` looks at: ISO 8601 (``2024``, ``2024-05``, ``2024-05-31T10:00:00Z``), or
    numbers of one kind. Documents without it count as oldest."""
    score_field: str = "quality_score"
    """Metadata field that ``keep: best_score`` looks at. Documents without it count as worst."""
    priority: list[str] = []
    """Sources, best first: whatever ``keep`` says, the document of the earlier source stays. Those not listed last."""
    scope: Literal["corpus", "source"] = "corpus"
    """Whether copies are looked for in the whole corpus, or within each source only."""
    against: list[str] = []
    """Folders of earlier outputs of this room that kept their signatures (``keep_signatures``): a document that
    repeats one of theirs is removed, and they stay as they are."""


class UrlDeduplicationStep(DocumentDeduplicationStep):
    """Remove documents whose address another document has.

    Addresses are compared without scheme (http and https), user, leading ``www.``, default port, fragment, trailing
    slash and the parameters ``utm_*``; other parameters count. Documents without an address pass.
    """

    type: Literal["url_deduplication"]
    implementation: ClassVar[str] = "deduplication.url:UrlDeduplication"
    url_field: str = "url"
    """Metadata field that holds the address."""


class ExactDeduplicationStep(DocumentDeduplicationStep):
    """Remove documents whose text equals another's (128 bits of blake2b)."""

    type: Literal["exact_deduplication"]
    implementation: ClassVar[str] = "deduplication.exact:ExactDeduplication"
    normalize: Literal["none", "ccnet"] = "none"
    """What is compared: the text, or, ``ccnet``, the text in lower case with every digit as 0, without punctuation and
    accents (Wenzek et al. 2020, arXiv 1911.00359, section 3.1; there paragraph by paragraph)."""


class MinhashDeduplicationStep(DocumentDeduplicationStep):
    """Remove documents that share most of their word n-grams with another: MinHash and locality-sensitive hashing.

    Two documents of Jaccard similarity s meet with probability 1 - (1 - s^rows)^bands. The defaults are those of
    FineWeb (Penedo et al. 2024, arXiv 2406.17557, section 3.4): 5-grams, 14 bands of 8 hashes; 0.92 at s = 0.8, one
    half at 0.68. What meets is one group, also through third documents. Text is compared as datatrove's
    ``simplify_text`` makes it (lower case, numbers as 0, no punctuation, no diacritics).
    """

    type: Literal["minhash_deduplication"]
    implementation: ClassVar[str] = "deduplication.minhash:MinhashDeduplication"
    bands: int = Field(default=14, ge=1)
    """Buckets; more: more pairs are found."""
    rows: int = Field(default=8, ge=1)
    """Hashes of a bucket that must all agree; more: pairs must be more alike."""
    ngram: int = Field(default=5, ge=1)
    """Words of a shingle. A document of fewer words is one shingle."""
    words: Words = "auto"
    """How text is cut into words; ``auto``: as its language needs."""
    hashing: Literal["rensa", "datatrove"] = "rensa"
    """Who makes signatures of the shingles: rensa's R-MinHash, or the permutations of datatrove 0.10.1, value for
    value."""
    precision: Literal[32, 64] = 32
    """Bits of a hash. rensa has 32 only; datatrove's own default is 64."""
    seed: int = Field(default=1, ge=0, lt=2**32)
    """Of the permutations."""
    min_similarity: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the signature (an estimate of the Jaccard similarity) that must agree with the document that stays; 0:
    one bucket is enough."""

    @model_validator(mode="before")
    @classmethod
    def _precision_of_hashing(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("hashing") == "datatrove":
            return {"precision": 64, **given}
        return given

    @model_validator(mode="after")
    def _rensa_has_32_bits(self) -> MinhashDeduplicationStep:
        if self.hashing == "rensa" and self.precision != 32:
            raise ValueError("rensa makes hashes of 32 bits: leave `precision` out, or say `hashing: datatrove`")
        return self


class SimhashDeduplicationStep(DocumentDeduplicationStep):
    """Remove documents whose SimHash differs from that of a kept one in a few bits (Charikar 2002; Manku et al. 2007).

    64 bits of the word n-grams, each as often as it occurs, of the text as ``minhash_deduplication`` compares it.
    """

    type: Literal["simhash_deduplication"]
    implementation: ClassVar[str] = "deduplication.simhash:SimhashDeduplication"
    max_distance: int = Field(default=3, ge=0, le=7)
    """Bits that may differ; 3 of 64 are Manku et al.'s (section 3) for 8 billion web pages."""
    ngram: int = Field(default=3, ge=1)
    """Words of a shingle. A document of fewer words is one shingle."""
    words: Words = "auto"
    """How text is cut into words; ``auto``: as its language needs."""
