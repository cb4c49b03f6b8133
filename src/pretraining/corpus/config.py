"""The ``corpus`` section: which raw text is read, and what is done to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.cleaning import NormalizeStep, RefinedWebLinesStep, TextbookStep, UrlFilterStep
from pretraining.corpus.sections.decontamination import DecontaminationStep
from pretraining.corpus.sections.deduplication import (
    ExactDeduplicationStep,
    MinhashDeduplicationStep,
    SimhashDeduplicationStep,
    UrlDeduplicationStep,
)
from pretraining.corpus.sections.heuristics import (
    C4ParagraphStep,
    C4Step,
    FineWebStep,
    GopherQualityStep,
    GopherRepetitionStep,
    LengthStep,
)
from pretraining.corpus.sections.language import LanguageStep
from pretraining.corpus.sections.models import ClassifierStep, PerplexityBucketsStep, PerplexityStep
from pretraining.corpus.sections.privacy import PrivacyStep
from pretraining.corpus.sections.sampling import AugmentStep, BudgetStep, ConcatenateStep, SampleStep
from pretraining.corpus.sections.sources import Source
from pretraining.corpus.sections.span_deduplication import (
    BloomDeduplicationStep,
    LineDeduplicationStep,
    SentenceDeduplicationStep,
    SubstringDeduplicationStep,
)
from pretraining.corpus.sections.toxicity import ToxicityStep
from pretraining.section import Section

Step = Annotated[
    NormalizeStep
    | UrlFilterStep
    | LengthStep
    | LanguageStep
    | GopherQualityStep
    | GopherRepetitionStep
    | C4Step
    | C4ParagraphStep
    | FineWebStep
    | RefinedWebLinesStep
    | TextbookStep
    | PerplexityStep
    | PerplexityBucketsStep
    | ClassifierStep
    | ToxicityStep
    | PrivacyStep
    | UrlDeduplicationStep
    | ExactDeduplicationStep
    | MinhashDeduplicationStep
    | SimhashDeduplicationStep
    | SentenceDeduplicationStep
    | LineDeduplicationStep
    | SubstringDeduplicationStep
    | BloomDeduplicationStep
    | DecontaminationStep
    | SampleStep
    | BudgetStep
    | ConcatenateStep
    | AugmentStep,
    Field(discriminator="type"),
]


class Slurm(Section):
    """How datatrove's Slurm executor submits the tasks of a pass, as one job array."""

    partition: str
    """Partition of the cluster."""
    time: str = "24:00:00"
    """Time limit of a job."""
    cpus_per_task: int = Field(default=1, ge=1)
    """Processors of a task."""
    memory_gb_per_cpu: int = Field(default=4, ge=1)
    """Memory per processor, in GB."""
    environment: str = ""
    """Shell line that a job runs first, like ``source .venv/bin/activate``."""
    sbatch: dict[str, str] = {}
    """More options of ``sbatch``, like ``account: nlp``."""


class Executor(Section):
    """Where datatrove runs the work. Nothing else changes with it: the output is the same, to the byte."""

    type: Literal["local", "slurm", "ray"] = "local"
    """Processes of this machine, jobs of a Slurm cluster, or tasks of a Ray cluster."""
    workers: int = Field(default=1, ge=1)
    """Processes (jobs, Ray tasks) at a time."""
    shard_bytes: int = Field(default=64_000_000, ge=1)
    """Input bytes of one task, and so of one output file, whatever the number of workers."""
    slurm: Slurm | None = None
    """For ``type: slurm``. The run folder must be on a disk that all nodes share."""
    ray_address: str | None = None
    """For ``type: ray``: address of the cluster; without one, a cluster of ``workers`` is started on this machine. The
    run folder must be on a disk that all nodes share."""

    @model_validator(mode="after")
    def _options_of_the_type(self) -> Executor:
        if (self.type == "slurm") != (self.slurm is not None):
            has = "needs `slurm: {partition: ...}`" if self.type == "slurm" else "does not read `slurm`"
            raise ValueError(f"`type: {self.type}` {has}")
        if self.ray_address is not None and self.type != "ray":
            raise ValueError(f"`type: {self.type}` does not read `ray_address`")
        return self


class CorpusSection(Section):
    """Raw text in, a clean, deduplicated dataset with a ledger out."""

    sources: list[Source] = Field(min_length=1)
    """Where the text comes from."""
    steps: list[Step] = [
        NormalizeStep(type="normalize"),
        LengthStep(type="length"),
        ExactDeduplicationStep(type="exact_deduplication"),
    ]
    """What is done to the documents, in this order."""
    held_out: float = Field(default=0.01, ge=0.0, lt=1.0)
    """Share of documents, by hash of their id, that nothing is ever trained on."""
    held_out_near_duplicates: Literal["remove", "keep"] = "remove"
    """Whether documents that are nearly the same as a held-out one stay in the training split."""
    removed_samples: int = Field(default=20, ge=0)
    """How many removed documents are kept per reason, to look at."""
    canaries: bool = True
    """Send known documents through the steps, and fail when one meets the wrong fate."""
    keep_measurements: bool = True
    """Measure every rule on every document up to the first step that compares documents, and keep the results, so that
    other thresholds need no new measurement. ``false`` stops at the first rule that removes a document: faster, and
    half the disk."""
    keep_signatures: bool = False
    """Keep what a later release needs to remove copies of this one (``against`` in its steps)."""
    executor: Executor = Executor()
    """How the work is run."""
