"""The sections of ``sample``, ``budget``, ``concatenate`` and ``augment``, which choose, join and vary documents."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection
from pretraining.section import Section

SALT = "^[!-~]{1,16}$"
"""What blake2b takes as a salt. It is never empty: the hash of the id alone says which documents are held out."""


def _exactly_one(section: Section, *keys: str) -> None:
    given = [key for key in keys if getattr(section, key) is not None]
    if len(given) != 1:
        raise ValueError(f"give exactly one of {', '.join(keys)}" + (f", not {' and '.join(given)}" if given else ""))


class SampleStep(StepSection):
    """Keep a share of the documents, by a hash of their ids: always the same ones, and those of a smaller ``rate`` are
    among those of a larger."""

    implementation: ClassVar[str] = "sampling.sample:Sample"
    type: Literal["sample"]
    rate: float = Field(gt=0.0, le=1.0)
    """Share of the documents that stays."""
    salt: str = Field(default="sample", pattern=SALT)
    """Another word, another sample. Steps with the same salt choose alike."""


class BudgetStep(StepSection):
    """Keep as many documents as a budget allows: those with the smallest hashes of their ids, up to the first that
    would exceed it. A sample of all documents that reach the step, the same whatever their order."""

    implementation: ClassVar[str] = "sampling.sample:Budget"
    type: Literal["budget"]
    documents: int | None = Field(default=None, ge=1)
    """At most as many documents."""
    bytes: int | None = Field(default=None, ge=1)
    """At most as many UTF-8 bytes of text."""
    salt: str = Field(default="sample", pattern=SALT)
    """Another word, another sample. Steps with the same salt choose alike."""

    @model_validator(mode="after")
    def _one_budget(self) -> BudgetStep:
        _exactly_one(self, "documents", "bytes")
        return self


class ConcatenateStep(StepSection):
    """Join related documents, in reading order: pages of a site, files of a repository. The first of them gets the text
    of the others, which are removed (reason ``merged``, with the first as their twin)."""

    implementation: ClassVar[str] = "sampling.concatenate:Concatenate"
    type: Literal["concatenate"]
    by: str
    """What related documents have in common: a field of the document, or ``url_domain``, the registered domain of
    ``url_field``. Documents without it stay as they are."""
    url_field: str = "url"
    """Field that holds the URL, for ``by: url_domain``."""
    max_characters: int = Field(default=100_000, ge=1)
    """A joined text is never longer, separators included; the next document starts another one."""
    separator: str = "\n\n"
    """What stands between two texts."""


class ModelPipeline(Section):
    """A transformers model that rewrites a text line by line, with greedy decoding, on the CPU."""

    task: Literal["text2text-generation", "text-generation"]
    """Encoder and decoder (Marian, T5, ...), or a causal model."""
    model: str
    """Folder with the model and its tokenizer."""
    prompt: str = "{text}"
    """What the model is given: ``{text}`` is the line."""
    max_new_tokens: int = Field(default=512, ge=1)
    """Longest answer. A line that does not fit into the model stays as it is."""


class AugmentStep(StepSection):
    """Rewrite some documents, or add a variant to them: synonyms, back-translation, anything from text to text.

    Held-out documents are left alone.
    """

    implementation: ClassVar[str] = "sampling.augment:Augment"
    type: Literal["augment"]
    callable: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``module:function`` of your own: a text in, a text out, the same each time. The module is installed, or lies
    beside the recipe."""
    pipeline: list[ModelPipeline] | None = Field(default=None, min_length=1)
    """Models that are applied one after the other; back-translation is two."""
    rate: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of the documents, by a hash of their ids."""
    mode: Literal["replace", "append"] = "replace"
    """Put the result in the place of the text, or after it."""
    separator: str = "\n\n"
    """What stands between the text and the result, for ``mode: append``."""
    salt: str = Field(default="augment", pattern=SALT)
    """Another word, other documents."""

    @model_validator(mode="after")
    def _one_hook(self) -> AugmentStep:
        _exactly_one(self, "callable", "pipeline")
        return self
