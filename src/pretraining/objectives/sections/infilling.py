"""The sections of the objectives that fill in what noise has hidden: BART's denoising and GLM's blank infilling."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.span_lengths import blank_infilling_raw_length


class DenoisingSection(ObjectiveBase):
    """Denoising (BART): the whole document from a noised copy. Without any noise it is plain autoencoding."""

    type: Literal["denoising"] = "denoising"
    """``denoising``: the whole document from a noised one (BART)."""
    permute_sentences: float = Field(default=1.0, ge=0, le=1)
    """Share of the sentences of a document that change places at random (BART: all)."""
    mask: float = Field(default=0.3, ge=0, le=1)
    """Share of the tokens that are masked or deleted, exactly (BART)."""
    mask_length: Literal["span-poisson", "subword"] = "span-poisson"
    """``span-poisson``: spans of Poisson lengths, also of none, where a mask is inserted (text infilling);
    ``subword``: single tokens."""
    poisson_lambda: float = Field(default=3.0, ge=0.1, le=64)
    """With ``span-poisson``: the mean length (BART's paper 3; its authors' command, fairseq issue 1899, 3.5)."""
    replace_length: Literal[1, 0, -1] = 1
    """What stands for a span: ``1`` one mask (BART), ``0`` nothing (token deletion), ``-1`` a mask for each token."""
    mask_random: float = Field(default=0.1, ge=0, le=1)
    """Share of the masks in whose place a random ordinary token stands (the authors' command)."""
    rotate: float = Field(default=0.0, ge=0, le=1)
    """Share of the documents that are rotated to begin with a random token (BART's paper tried it; its models do
    not)."""
    sentence_ends: list[str] = Field(default=[".", "。"], min_length=1)
    """With ``permute_sentences``: a token that ends with one of these ends a sentence (BART: full stops)."""

    def token_roles(self) -> list[str]:
        """The mask token, unless nothing is masked."""
        return ["mask_token"] if self.mask > 0 and self.replace_length != 0 else []

    def heads(self) -> tuple[str, ...]:
        """Encoder and decoder."""
        return ("seq2seq_lm",)


class BlankInfillingSection(ObjectiveBase):
    """Blank infilling (GLM): spans are replaced by blanks and generated in random order after the text."""

    type: Literal["blank_infilling"] = "blank_infilling"
    """``blank_infilling``: blanks of a text, generated one after another behind it (GLM)."""
    bert_prob: float = Field(default=1.0, ge=0, le=1)
    """Share of the rows with short spans (GLM-base 1, GLM-10B 0.5)."""
    gap_sentence_prob: float = Field(default=0.0, ge=0, le=1)
    """Share of the rows whose spans are whole sentences (GLM-10B 0.3). The other rows have one long span at the end
    of each document (GLM-10B 0.2)."""
    bert_ratio: float = Field(default=0.15, gt=0, le=0.5)
    """Share of the tokens in short spans (GLM)."""
    average_block_length: int = Field(default=3, ge=1, le=64)
    """Of the Poisson distribution of the lengths of short spans (GLM)."""
    max_block_length: int = Field(default=39, ge=1, le=512)
    """Tokens of the longest short span (39 in GLM, whose option is one more)."""
    gap_sentence_ratio: float = Field(default=0.15, gt=0, le=1)
    """Sentences become spans until they have this share of a row's tokens (GLM)."""
    gpt_min_ratio: float = Field(default=0.25, ge=0, lt=1)
    """The shortest long span, as a share of its document (GLM-10B; 0.5 by default in its code)."""
    shuffle_blocks: bool = True
    """Generate the spans of a document in random order (GLM)."""
    mask_token: str = "[MASK]"
    """Stands for a short span."""
    sentence_mask_token: str = "[sMASK]"
    """Stands for a sentence."""
    document_mask_token: str = "[gMASK]"
    """Stands for a long span."""
    start_token: str = "<|startofpiece|>"
    """Comes before each span (GLM: ``<|startofpiece|>``; ChatGLM: ``<sop>``)."""
    end_token: str = "<|endofpiece|>"
    """Is predicted after each span (GLM: ``<|endofpiece|>``; ChatGLM: ``<eop>``)."""
    sentence_ends: list[str] = Field(default=[".", "?", "!", ";", ":", "\n"], min_length=1)
    """With ``gap_sentence_prob``: a token that ends with one of these ends a sentence (GLM)."""

    @model_validator(mode="after")
    def _at_most_all(self) -> BlankInfillingSection:
        if self.bert_prob + self.gap_sentence_prob > 1 + 1e-9:
            raise ValueError("bert_prob and gap_sentence_prob must not add up to more than 1")
        return self

    @model_validator(mode="after")
    def _marks_differ(self) -> BlankInfillingSection:
        if self.start_token == self.end_token or {self.start_token, self.end_token} & set(self.mask_tokens()):
            raise ValueError("start_token and end_token must differ, also from the tokens that stand for spans")
        return self

    def mask_tokens(self) -> list[str]:
        """The blanks of the three kinds of rows; a kind that is never drawn has that of short spans."""
        others = 1 - self.bert_prob - self.gap_sentence_prob > 1e-9
        return [
            self.mask_token,
            self.sentence_mask_token if self.gap_sentence_prob > 0 else self.mask_token,
            self.document_mask_token if others else self.mask_token,
        ]

    def special_tokens(self) -> list[str]:
        """Blanks, start and end of spans."""
        return list(dict.fromkeys([*self.mask_tokens(), self.start_token, self.end_token]))

    def raw_length(self, sequence_length: int) -> int:
        """Room for two tokens more for each span: 452 for 512 with GLM's settings."""
        return blank_infilling_raw_length(
            sequence_length, self.bert_ratio, self.average_block_length, self.max_block_length
        )
