"""Pretraining objectives: each a data collator that takes samples and gives tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretraining.objectives.causal_lm import DataCollatorForCausalLM
    from pretraining.objectives.config import ObjectiveSection

__all__ = ["DataCollatorForCausalLM", "make_collator", "special_tokens"]


def __getattr__(name: str) -> Any:
    """Collators are imported when they are asked for, so that a stage without torch stays without it."""
    if name == "DataCollatorForCausalLM":
        from pretraining.objectives.causal_lm import DataCollatorForCausalLM

        return DataCollatorForCausalLM
    raise AttributeError(name)


def special_tokens(section: ObjectiveSection) -> list[str]:
    """The single-id tokens that the objective needs in the tokenizer; answered without importing torch."""
    return {"causal_lm": []}[section.type]


def make_collator(
    section: ObjectiveSection, tokenizer: Any, *, sequence_length: int, seed: int
) -> DataCollatorForCausalLM:
    """The data collator of ``objective.type``."""
    from pretraining.objectives.causal_lm import DataCollatorForCausalLM

    return {"causal_lm": DataCollatorForCausalLM}[section.type](tokenizer, sequence_length=sequence_length, seed=seed)
