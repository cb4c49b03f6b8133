"""The sections of deduplication inside documents: sentences, lines, substrings; and of the Bloom filter."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.sections.deduplication import Words

Normalization = Literal["none", "c4", "ccnet"]


class SentenceDeduplicationStep(StepSection):
    """Cut every run of three sentences that occurred before, as C4 (Raffel et al. 2020, arXiv 1910.10683, section 2.2).

    The first occurrence in reading order stays, and so does every sentence that is only part of a new run. The numbers
    are those of datatrove's ``SentDedupConfig`` (0.10); C4's own code (``c4_utils.py`` of TensorFlow Datasets) removes
    repeated lines instead, and pages that are left with fewer than 3 sentences (``line_deduplication`` does the first).
    Documents with fewer than ``sentences`` sentences, and those that repeat nothing, pass unchanged.
    """

    implementation: ClassVar[str] = "deduplication.sentences:SentenceDeduplication"
    type: Literal["sentence_deduplication"]
    sentences: int = Field(default=3, ge=1)
    """So many consecutive sentences are one thing that may repeat."""
    scope: Literal["corpus", "source"] = "corpus"
    """Compare all documents, or those of each source among themselves."""
    normalize: Normalization = "c4"
    """What does not count when sentences are compared: ``none`` (but white space), ``c4``: case, ``ccnet``: case,
    which digits, punctuation, accents."""
    words: Words = "auto"
    """How words are counted for ``min_words``."""
    min_words: int | None = Field(default=50, ge=1)
    """A document of which something was cut and fewer words are left is removed."""
    min_sentences: int | None = Field(default=3, ge=1)
    """A document of which something was cut and fewer sentences are left is removed."""


class LineDeduplicationStep(StepSection):
    """Cut lines (or paragraphs) that occurred before, as CCNet (Wenzek et al. 2020, arXiv 1911.00359, section 3.2).

    The first occurrence in reading order stays, within a document too. Not for code, where lines repeat by nature.
    """

    implementation: ClassVar[str] = "deduplication.lines:LineDeduplication"
    type: Literal["line_deduplication"]
    unit: Literal["line", "paragraph"] = "line"
    """Lines (CCNet's paragraphs are lines), or paragraphs between blank lines."""
    scope: Literal["corpus", "source"] = "corpus"
    """Compare all documents, or those of each source among themselves."""
    normalize: Normalization = "ccnet"
    """What does not count when lines are compared: ``none`` (but white space around them), ``c4``: case, ``ccnet``:
    case, which digits, punctuation, accents."""
    min_characters: int = Field(default=1, ge=1)
    """Shorter lines are never cut; CCNet has no such limit."""
    max_removed: float | None = Field(default=None, ge=0.0, le=1.0)
    """A document that loses a larger share of its characters is removed; CCNet removes only what becomes empty."""


class SubstringDeduplicationStep(StepSection):
    """Cut byte strings that occurred before, wherever they begin (Lee et al. 2022, arXiv 2107.06499, section 4.1).

    Every byte that lies in a string of ``min_bytes`` bytes that stands earlier in reading order is repeated, exactly.
    Cuts shrink to whole words and characters. The result is that of a suffix array over the whole corpus; the method is
    another one (``deduplication/substrings.py``), which needs no memory for the corpus.
    """

    implementation: ClassVar[str] = "deduplication.substrings:SubstringDeduplication"
    type: Literal["substring_deduplication"]
    min_bytes: int = Field(default=200, ge=20, le=10_000)
    """Shortest repeated string, in UTF-8 bytes. Lee et al. take 50 tokens of a BPE: about 200 bytes of English, and 200
    bytes are 67 Chinese characters, about 50 tokens too."""
    action: Literal["cut", "remove"] = "cut"
    """Cut what is repeated, or leave texts as they are and remove documents by ``max_share`` alone."""
    max_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """A document of which a larger share of the characters is repeated is removed."""

    @model_validator(mode="after")
    def _does_something(self) -> SubstringDeduplicationStep:
        if self.action == "remove" and self.max_share is None:
            raise ValueError("`action: remove` needs a `max_share`, such as 0.5")
        return self


class BloomDeduplicationStep(StepSection):
    """Remove documents, or cut lines, that a Bloom filter has seen: in the memory of the filter alone, with errors.

    A Bloom filter (Bloom 1970) never misses a repetition, and takes a new thing for a repeated one at
    ``false_positive_rate`` at most; how many that may be is written to ``bloom.json``. It cannot say which document
    was the twin. ``exact_deduplication`` and ``line_deduplication`` make no such errors.
    """

    implementation: ClassVar[str] = "deduplication.bloom:BloomDeduplication"
    type: Literal["bloom_deduplication"]
    unit: Literal["document", "line"] = "document"
    """What is compared: whole documents (removed), or lines (cut)."""
    normalize: Normalization = "none"
    """What does not count when they are compared: ``none`` (but white space around them), ``c4``: case, ``ccnet``:
    case, which digits, punctuation, accents."""
    false_positive_rate: float = Field(default=1e-6, gt=0.0, lt=1.0)
    """Odds that something new is taken for repeated, when the filter is full."""
    expected_items: int | None = Field(default=None, ge=1)
    """Different things that the filter is made for, 29 bits each at a rate of 1e-6; as many as there are documents (or
    lines) when left out. More of them end the build with an error."""
    max_removed: float | None = Field(default=None, ge=0.0, le=1.0)
    """With ``unit: line``, a document that loses a larger share of its characters is removed."""
