"""The ``objective`` section: what the model learns to predict."""

from __future__ import annotations

from typing import Literal

from pretraining.section import Section


class ObjectiveSection(Section):
    """The pretraining objective."""

    type: Literal["causal_lm"] = "causal_lm"
    """``causal_lm``: the next token (GPT, Llama)."""
