"""What ``pretrain train-classifier`` reads: a small YAML file of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pretraining.corpus.sections.sources import Source
from pretraining.section import Section


class LinearKind(Section):
    """A linear classifier of hashed word n-grams, as fastText's (Joulin et al. 2016): seconds on one core."""

    type: Literal["linear"]
    word_ngrams: int = Field(default=2, ge=1, le=5)
    """Words of the longest n-gram; 2 in DCLM (Li et al. 2024)."""
    buckets: int = Field(default=1 << 20, ge=2, lt=1 << 31)
    """Places that n-grams are hashed into, four bytes each in the model."""
    max_words: int = Field(default=512, ge=1)
    """Words of a document that are looked at, from its beginning."""
    epochs: int = Field(default=5, ge=1)
    """Passes over the examples."""
    learning_rate: float = Field(default=3.0, gt=0)
    """Of AdaGrad: how far the first step moves a weight."""


class FastTextKind(Section):
    """A classifier by fastText itself, for programs that read its ``.bin`` files. Needs the package ``fasttext``."""

    type: Literal["fasttext"]
    dim: int = Field(default=16, ge=1)
    """Size of the n-grams' vectors."""
    word_ngrams: int = Field(default=2, ge=1, le=5)
    """Words of the longest n-gram."""
    buckets: int = Field(default=200_000, ge=1)
    """Places that n-grams of two words or more are hashed into, ``4 * dim`` bytes each in the model."""
    max_words: int = Field(default=512, ge=1, le=1000)
    """Words of a document that are looked at, from its beginning; fastText itself reads 1024."""
    epochs: int = Field(default=5, ge=1)
    """Passes over the examples."""
    learning_rate: float = Field(default=0.5, gt=0)
    """At the start; it falls to 0 linearly."""


class EncoderKind(Section):
    """A ``transformers`` encoder with a new classification head, all of it fine-tuned."""

    type: Literal["transformers"]
    path: str
    """Folder of the pretrained encoder and its tokenizer, or the id of one that is in the hub's cache already."""
    epochs: int = Field(default=2, ge=1)
    """Passes over the examples."""
    batch_size: int = Field(default=16, ge=1)
    """Documents of one step."""
    learning_rate: float = Field(default=3e-5, gt=0)
    """At the peak, after a tenth of the steps; it falls to 0 linearly. AdamW with a weight decay of 0.01."""
    max_length: int = Field(default=512, ge=2)
    """Tokens of a document that are looked at, from its beginning."""
    device: str = "cpu"
    """Where it runs: ``cpu``, ``cuda``, ``mps``."""


class ClassifierTraining(Section):
    """Good and bad examples in, a classifier with a report out."""

    positive: list[Source] = Field(min_length=1)
    """What good text looks like: the label ``positive``."""
    negative: list[Source] = Field(min_length=1)
    """What the rest looks like, such as unfiltered text of the corpus: the label ``negative``."""
    kind: Annotated[LinearKind | FastTextKind | EncoderKind, Field(discriminator="type")] = LinearKind(type="linear")
    """The classifier and its parameters."""
    max_documents: int = Field(default=20_000, ge=1)
    """Documents of each label: those with the smallest hashes of their ids. Their beginnings are held in memory, up to
    8,192 characters of each."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the documents, by hash of their id, that the report measures and nothing learns from. The held-out
    documents of a corpus with the same source names are among them when its ``held_out`` is no more than this."""
    seed: int = 0
    """Of the order of the examples and the head's first weights."""
