"""The ``batches`` section: how tokens become rows of samples."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pretraining.section import Section


class BatchesSection(Section):
    """Packing of documents into samples, and how often the data may be seen."""

    sequence_length: int = Field(default=1024, ge=2)
    """Tokens of one sample."""
    packing: Literal["best_fit", "concatenate"] = "best_fit"
    """``best_fit`` keeps documents whole wherever they fit; ``concatenate`` cuts the stream at the sequence length."""
    max_epochs: float = Field(default=1.0, gt=0)
    """Training that would see the data more often than this is refused."""
