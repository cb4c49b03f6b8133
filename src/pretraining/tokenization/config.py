"""The ``tokenizer`` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pretraining.section import Section


class TokenizerSection(Section):
    """The tokenizer that is trained on the corpus, and how documents become tokens."""

    algorithm: Literal["bpe"] = "bpe"
    """Byte-level byte-pair encoding (GPT-2, Llama 3)."""
    vocab_size: int = Field(default=32_768, ge=260)
    """Size of the vocabulary, special tokens included."""
    min_frequency: int = Field(default=2, ge=1)
    """A pair that is seen less often is never merged."""
    split_digits: bool = False
    """Every digit is a token of its own."""
    bos_token: str = "<|begin_of_text|>"
    """Opens every document."""
    eos_token: str = "<|end_of_text|>"
    """Ends every document."""
    pad_token: str = "<|pad|>"
    """Fills rows; never a target."""
