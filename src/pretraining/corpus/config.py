"""The ``corpus`` section: which raw text is read, and what is done to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pretraining.section import Section


class _Source(Section):
    name: str | None = None
    """Name of the source in ids, ledger and report; the package's or the file's name when left out."""
    license: str | None = None
    """Licence of the text, for the model card."""
    language: str | None = None
    """Language code of the text, for the model card."""
    encoding: str = "utf-8"
    """Text encoding of the files."""


class PackageSource(_Source):
    """Text files inside an installed Python package."""

    type: Literal["package"]
    package: str
    """Import name of the package; it is located, never imported."""
    version: str | None = None
    """Refuse any other version of the package's distribution."""
    files: str = "**/*.txt"
    """Glob inside the package."""
    documents: Literal["file", "line"] = "file"
    """One document per file, or per line."""


class TextSource(_Source):
    """Plain text files, ``.gz`` and ``.zst`` too."""

    type: Literal["text"]
    path: str
    """A file, a folder, or a glob."""
    documents: Literal["file", "line"] = "file"
    """One document per file, or per line."""


class JsonlSource(_Source):
    """One JSON object a line, ``.gz`` and ``.zst`` too."""

    type: Literal["jsonl"]
    path: str
    """A file, a folder, or a glob."""
    text: str = "text"
    """Key that holds the text."""
    id: str | None = None
    """Key that holds the document's id; file and line number when left out."""


class ParquetSource(_Source):
    """Parquet files."""

    type: Literal["parquet"]
    path: str
    """A file, a folder, or a glob."""
    text: str = "text"
    """Column that holds the text."""
    id: str | None = None
    """Column that holds the document's id; file and row number when left out."""


Source = Annotated[PackageSource | TextSource | JsonlSource | ParquetSource, Field(discriminator="type")]


class NormalizeStep(Section):
    """Repair broken encodings (ftfy), compose Unicode, drop control characters, tidy white space."""

    type: Literal["normalize"]
    fix_encoding: bool = True
    """Repair mojibake with ftfy; off for text that quotes it."""
    unicode_form: Literal["NFC", "NFKC"] = "NFC"
    """Unicode normalisation form."""


class LengthStep(Section):
    """Remove documents that are too short or too long."""

    type: Literal["length"]
    min_characters: int = Field(default=1, ge=0)
    """Fewer characters: removed."""
    max_characters: int = Field(default=10_000_000, ge=1)
    """More characters: removed."""


class GopherQualityStep(Section):
    """The quality rules of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1); words are split at white space."""

    type: Literal["gopher_quality"]
    min_words: int = Field(default=50, ge=0)
    """Fewer words: removed."""
    max_words: int = Field(default=100_000, ge=1)
    """More words: removed."""
    min_mean_word_length: float = 3.0
    """Shorter words on average: removed."""
    max_mean_word_length: float = 10.0
    """Longer words on average: removed."""
    max_symbol_to_word_ratio: float = 0.1
    """More ``#`` or ellipses per word: removed."""
    max_bullet_lines: float = 0.9
    """Larger share of lines that start with a bullet: removed."""
    max_ellipsis_lines: float = 0.3
    """Larger share of lines that end with an ellipsis: removed."""
    min_alphabetic_words: float = 0.8
    """Smaller share of words with a letter: removed."""
    min_stop_words: int = 2
    """Fewer different ones of ``stop_words``: removed."""
    stop_words: list[str] = ["the", "be", "to", "of", "and", "that", "have", "with"]
    """The stop words that count; those of another language for another language."""


Step = Annotated[NormalizeStep | LengthStep | GopherQualityStep, Field(discriminator="type")]


class Deduplication(Section):
    """Which copies are removed."""

    exact: bool = True
    """Remove documents whose text equals an earlier one's after the steps."""


class Executor(Section):
    """How datatrove runs the work on this machine."""

    workers: int = Field(default=1, ge=1)
    """Processes at a time. Changes nothing in the output."""
    shard_bytes: int = Field(default=64_000_000, ge=1)
    """Input bytes of one task, and so of one output file, whatever the number of workers."""


class CorpusSection(Section):
    """Raw text in, a clean, deduplicated dataset with a ledger out."""

    sources: list[Source] = Field(min_length=1)
    """Where the text comes from."""
    steps: list[Step] = [NormalizeStep(type="normalize"), LengthStep(type="length")]
    """What is done to each document, in this order."""
    deduplication: Deduplication = Deduplication()
    """Which copies are removed."""
    held_out: float = Field(default=0.01, ge=0.0, lt=1.0)
    """Share of documents, by hash of their id, that nothing is ever trained on."""
    removed_samples: int = Field(default=20, ge=0)
    """How many removed documents are kept per reason, to look at."""
    executor: Executor = Executor()
    """How the work is run."""
