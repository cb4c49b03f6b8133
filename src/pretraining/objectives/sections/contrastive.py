"""The section of contrastive learning."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pretraining.objectives.sections.base import ObjectiveBase


class ContrastiveSection(ObjectiveBase):
    """Contrastive learning of text embeddings (SimCSE, Gao et al. 2021; InfoNCE, NT-Xent): every text twice, with
    different dropout, against all other texts of the global batch."""

    type: Literal["contrastive"] = "contrastive"
    """``contrastive``: which of all texts is the same text."""
    temperature: float = Field(default=0.05, gt=0)
    """Of the softmax over cosines (SimCSE 0.05)."""
    pooler: Literal["cls", "mean"] = "cls"
    """``cls``: the state of the first token (SimCSE); ``mean``: the mean over the tokens."""
    symmetric: bool = False
    """Count both directions (NT-Xent, Chen et al. 2020); SimCSE counts one."""

    def heads(self) -> tuple[str, ...]:
        """An encoder without a head; the projection of the training is not kept."""
        return ("encoder",)

    def collator_parameters(self) -> dict[str, Any]:
        """All is about the loss."""
        return {}
