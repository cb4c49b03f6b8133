"""The section of fill-in-the-middle."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from pretraining.objectives.sections.base import ObjectiveBase

FIM_PLACES = 8
"""Places that a row leaves free at least: three marks, and some for the tokens that fall apart at two cuts."""
FIM_SHORTEST = 2 * FIM_PLACES
"""Tokens of the shortest rows that are more text than places left free."""


class FillInTheMiddleSection(ObjectiveBase):
    """Fill-in-the-middle (Bavarian et al. 2022, arXiv 2207.14255; as SantaCoder and CodeLlama train it): a document is
    cut in three at two characters, and its middle is written last."""

    type: Literal["fill_in_the_middle"] = "fill_in_the_middle"
    """``fill_in_the_middle``: the next token, some documents with their middle at the end."""
    fim_rate: float = Field(default=0.5, ge=0, le=1)
    """Share of the documents that are cut (SantaCoder 0.5; CodeLlama 0.9); the others are learnt as they are."""
    fim_spm_rate: float = Field(default=0.5, ge=0, le=1)
    """Share of them that is written suffix first."""
    level: Literal["document", "context"] = "context"
    """``document``: only whole documents are cut, which begin and end as the tokenizer frames them, or are rows without
    ``lengths``; ``context``: also the pieces that packing has made of long ones."""
    min_characters: int = Field(default=10, ge=0)
    """Shorter texts are left as they are."""
    reserve: float = Field(default=0.03, gt=0, lt=0.5)
    """Share of a row, of 8 tokens at least, that packing leaves free for the marks and for tokens that fall apart at
    the cuts. A document for which a row has no room left is learnt as it is: nothing is ever cut off."""
    prefix_token: str = "<fim_prefix>"
    """Stands before the prefix."""
    suffix_token: str = "<fim_suffix>"
    """Stands before the suffix."""
    middle_token: str = "<fim_middle>"
    """Stands before the middle."""

    @model_validator(mode="after")
    def _marks_differ(self) -> FillInTheMiddleSection:
        if len(set(self.special_tokens())) < 3:
            raise ValueError("prefix_token, suffix_token and middle_token must differ")
        return self

    def special_tokens(self) -> list[str]:
        """The three marks."""
        return [self.prefix_token, self.suffix_token, self.middle_token]

    def raw_length(self, sequence_length: int) -> int:
        """What is left beside the reserve."""
        return fim_raw_length(sequence_length, self.reserve)


def fim_raw_length(sequence_length: int, reserve: float) -> int:
    """Raw tokens of a row of ``sequence_length`` places of which ``reserve``, ``FIM_PLACES`` at least, is left free."""
    return max(1, sequence_length - max(math.ceil(sequence_length * reserve), FIM_PLACES))
