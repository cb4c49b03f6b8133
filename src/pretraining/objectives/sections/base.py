"""What every objective answers without torch."""

from __future__ import annotations

from typing import Any

from pretraining.section import Section


class ObjectiveBase(Section):
    """Base of the objectives' sections."""

    type: str = ""
    """Name of the objective."""

    def special_tokens(self) -> list[str]:
        """Further tokens that the tokenizer must contain as single ids (sentinels, modes, marks)."""
        return []

    def token_roles(self) -> list[str]:
        """Named tokens of transformers that the tokenizer must have, such as ``mask_token``."""
        return []

    def raw_length(self, sequence_length: int) -> int:
        """Raw tokens that fill a sample of ``sequence_length`` (568 for T5 at 512)."""
        return sequence_length

    def heads(self) -> tuple[str, ...]:
        """The kinds of model heads that can learn it, the usual one first."""
        return ("causal_lm",)

    def needs_other_documents(self) -> bool:
        """Whether a sample needs a second one, of other documents (``other`` of the loader)."""
        return False

    def weights(self) -> dict[str, float]:
        """Factors of the losses, where the section says them by task."""
        return {}

    def collator_parameters(self) -> dict[str, Any]:
        """The keys that the data collator takes."""
        return self.model_dump(exclude={"type"})
