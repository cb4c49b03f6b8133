"""The ``evaluation`` section: what is measured on the finished model."""

from __future__ import annotations

from pydantic import Field

from pretraining.section import Section


class SamplesSection(Section):
    """Text that the finished model writes."""

    prompts: list[str] = [""]
    """The beginning of each sample; an empty one starts a document."""
    max_new_tokens: int = Field(default=120, ge=1)
    """Length of each sample; it ends earlier at EOS, and at the last of the model's positions."""
    temperature: float = Field(default=0.8, ge=0)
    """0 takes the likeliest token every time."""
    top_k: int = Field(default=50, ge=0)
    """Draw from the k likeliest tokens only; 0 from all."""


class EvaluationSection(Section):
    """What is measured on the held-out documents: bits per byte, yardsticks and samples of a causal model, the loss of
    the objective of any other."""

    window: int | None = Field(default=None, ge=2)
    """Tokens that a causal model sees at once; the sequence length when left out."""
    stride: int | None = Field(default=None, ge=1)
    """New tokens per window (the others are context); half the window when left out."""
    batch_size: int = Field(default=16, ge=1)
    """Windows or rows of one forward pass."""
    pseudo_perplexity_tokens: int = Field(default=512, ge=1)
    """Held-out tokens that a masked language model predicts one at a time (Salazar et al. 2020), each with a forward
    pass of its own."""
    yardsticks: bool = True
    """Put ``xz``, uniform and unigram figures beside those of a causal model."""
    samples: SamplesSection = SamplesSection()
    """Text that a causal model writes."""
