"""The section of permutation language modeling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pretraining.objectives.sections.base import ObjectiveBase


class PermutationLMSection(ObjectiveBase):
    """Permutation language modeling (XLNet, Yang et al. 2019): targets are predicted one after the other in a random
    order, each from all that is not a target and the targets before it."""

    type: Literal["permutation_lm"] = "permutation_lm"
    """``permutation_lm``: some tokens, in a random order, from both sides."""
    mask_alpha: int = Field(default=6, ge=1)
    """A span of n targets stands in a window of ``n * mask_alpha / mask_beta`` tokens."""
    mask_beta: int = Field(default=1, ge=1)
    """See ``mask_alpha``: together they are the share of targets, one in six."""
    max_gram: int = Field(default=5, ge=1, le=100)
    """Tokens of the longest span; n are drawn with probability in proportion to 1/n."""
    perm_size: int | None = Field(default=None, ge=1)
    """Positions whose targets are ordered among themselves: they follow the targets of the blocks before. Tokens that
    are no targets are seen by all, also from blocks before theirs (in the reference only within a half of the row).
    The whole row when left out."""

    @model_validator(mode="after")
    def _a_share(self) -> PermutationLMSection:
        if self.mask_beta > self.mask_alpha:
            raise ValueError(
                f"mask_beta / mask_alpha is the share of targets, so mask_beta ({self.mask_beta}) must not be above "
                f"mask_alpha ({self.mask_alpha})"
            )
        return self

    def heads(self) -> tuple[str, ...]:
        """A model with two streams."""
        return ("permutation_lm",)
