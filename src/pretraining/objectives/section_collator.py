"""What the data collators that are set up by a section share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pretraining.objectives.rows import Rows, make_rows
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.vocabulary import Vocabulary

SectionType = TypeVar("SectionType", bound=ObjectiveBase)


class SectionCollator(Generic[SectionType]):
    """A data collator whose parameters are the keys of its objective's section: ``collator(samples) -> tensors``.

    A subclass names the section (``Section``), and makes in ``_prepare`` what its ``__call__`` needs beside it.

    Args:
        tokenizer: a fast tokenizer of transformers, with the tokens that the objective asks for.
        sequence_length: tokens of a row; of the inputs, with an encoder.
        seed: of all that is drawn.
        pad_to_multiple_of: make rows only as long as the longest needs, rounded up to this multiple.
        parameters: those of the section, under the same names and with its defaults.

    Raises:
        DataError: the tokenizer lacks a token.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section: type[SectionType]

    def __init__(
        self,
        tokenizer: Any,
        *,
        sequence_length: int,
        seed: int = 0,
        pad_to_multiple_of: int | None = None,
        **parameters: Any,
    ) -> None:
        self.section = self.Section(**parameters)
        self.sequence_length = sequence_length
        self.seed = seed
        self.pad_to_multiple_of = pad_to_multiple_of
        self.vocabulary = Vocabulary(tokenizer)
        self.pad_token_id = self.vocabulary.pad_token_id
        self._prepare(tokenizer)

    def _prepare(self, tokenizer: Any) -> None:
        """Look up tokens and make tables, once; nothing unless the objective needs some."""

    def special_tokens(self) -> list[str]:
        """Further tokens that the tokenizer must have, each as one id: sentinels, modes, blanks."""
        return self.section.special_tokens()

    def raw_length(self, sequence_length: int) -> int:
        """Raw tokens that a row takes; 568 fill T5's 512."""
        return self.section.raw_length(sequence_length)

    def rows(self, samples: Sequence[dict[str, Any]], *, pad_to_multiple_of: int | None = None) -> Rows:
        """The samples as padded rows of ``raw_length`` tokens, or only as wide as the longest needs.

        Raises:
            ValueError: a sample is longer, or its lengths do not add up.
        """
        return make_rows(
            samples,
            width=self.raw_length(self.sequence_length),
            pad_token_id=self.pad_token_id,
            seed=self.seed,
            pad_to_multiple_of=pad_to_multiple_of,
        )
