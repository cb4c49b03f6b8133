"""The section of causal language modeling."""

from __future__ import annotations

from typing import Literal

from pretraining.objectives.sections.base import ObjectiveBase


class CausalLMSection(ObjectiveBase):
    """Causal language modeling (GPT, Llama)."""

    type: Literal["causal_lm"] = "causal_lm"
    """``causal_lm``: the next token (GPT, Llama)."""
