"""The whole recipe: one section per room, in the order in which the data flows."""

from __future__ import annotations

from pydantic import Field

from pretraining.batching.config import BatchesSection
from pretraining.corpus.config import CorpusSection
from pretraining.evaluation.config import EvaluationSection
from pretraining.modeling.config import ModelSection
from pretraining.objectives.config import ObjectiveSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.publishing.config import PublishingSection
from pretraining.section import Section
from pretraining.tokenization.config import TokenizerSection
from pretraining.training.config import TrainingSection


class Recipe(Section):
    """One model, from raw text to a published folder."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run: its folder is ``runs/<name>``."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Everything that is drawn at random is drawn from this number."""
    corpus: CorpusSection
    """Raw text in, a clean, deduplicated dataset with a ledger out."""
    tokenizer: TokenizerSection = TokenizerSection()
    """The tokenizer that is trained on the corpus."""
    batches: BatchesSection = BatchesSection()
    """How tokens become rows of samples."""
    objective: ObjectiveSection = CausalLMSection()
    """What the model learns to predict."""
    model: ModelSection
    """The architecture and the keys of its transformers config."""
    training: TrainingSection
    """How long, how fast, and what is saved on the way."""
    evaluation: EvaluationSection = EvaluationSection()
    """What is measured on the finished model."""
    publishing: PublishingSection = PublishingSection()
    """What the report and the model card say beside the measured facts."""


SECTIONS = tuple(name for name in Recipe.model_fields if name not in ("name", "seed"))
"""The keys of the sections, in stage order."""
