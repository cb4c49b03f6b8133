"""The section of prefix language modeling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pretraining.objectives.sections.base import ObjectiveBase


class PrefixLMSection(ObjectiveBase):
    """Prefix language modeling (T5, U-PaLM, UniLM): the rest of a document from a beginning that is read both ways."""

    type: Literal["prefix_lm"] = "prefix_lm"
    """``prefix_lm``: the rest of a document from its beginning."""
    form: Literal["decoder", "encoder_decoder"] = "decoder"
    """``decoder``: a row as for causal language modeling, whose prefixes are visible from both sides;
    ``encoder_decoder``: prefixes are the inputs, the rest the targets (T5)."""
    noise_density: float = Field(default=0.5, gt=0, le=0.5)
    """Mean share of the targets (T5): prefixes are uniform from ``1 - 2 * noise_density`` of the document to all but
    its last token; 0.5 allows every prefix."""

    def raw_length(self, sequence_length: int) -> int:
        """With ``form: encoder_decoder`` one less, for the EOS of the inputs."""
        return sequence_length if self.form == "decoder" else sequence_length - 1

    def heads(self) -> tuple[str, ...]:
        """By the form."""
        return ("causal_lm",) if self.form == "decoder" else ("seq2seq_lm",)
