"""The section of the sentence pair objectives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pretraining.objectives.sections.masked import MaskingSection

FRAME_TOKENS = 3
"""Tokens that a pair takes beside its text: ``[CLS] A [SEP] B [SEP]``."""


class SentencePairSection(MaskingSection):
    """Two segments, and how they stand to each other, with masked language modeling on both (BERT, ALBERT)."""

    type: Literal["sentence_pair"] = "sentence_pair"
    """``sentence_pair``: whether one segment follows the other."""
    pair: Literal["next_sentence", "sentence_order"] = "next_sentence"
    """``next_sentence``: is B the text after A, or from another document (BERT; label 1 = another document);
    ``sentence_order``: are A and B in order, or swapped (ALBERT; label 1 = swapped)."""
    short_seq_prob: float = Field(default=0.1, ge=0, le=1)
    """Share of the rows that are cut to a random length (BERT)."""

    def token_roles(self) -> list[str]:
        """Mask, and the frame of a pair."""
        return ["mask_token", "cls_token", "sep_token"]

    def raw_length(self, sequence_length: int) -> int:
        """A part out of the middle of a document, which has no frame of its own, fills the row exactly."""
        return max(1, sequence_length - FRAME_TOKENS)

    def heads(self) -> tuple[str, ...]:
        """A head over the vocabulary and one over the pair."""
        return ("pair",)

    def needs_other_documents(self) -> bool:
        """For the pairs of which one does not follow the other."""
        return self.pair == "next_sentence"
