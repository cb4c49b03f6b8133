"""What the data collators share: rows of a tokenizer's ids, and the section of an objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pretraining.objectives.draws import whole
from pretraining.objectives.rows import Rows, check_ids, make_rows
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.vocabulary import Vocabulary

SectionType = TypeVar("SectionType", bound=ObjectiveBase)


class RowCollator:
    """A data collator without parameters of its own.

    Args:
        tokenizer: a fast tokenizer of transformers, with the tokens that the objective asks for.
        sequence_length: tokens of a row; of the inputs, with an encoder.
        seed: of all that is drawn.
        pad_to_multiple_of: make rows only as long as the longest needs, rounded up to this multiple, and never longer
            than ``sequence_length``.

    Raises:
        TypeError: ``tokenizer`` is something else.
        ValueError: another argument is no whole number, or too small.
    """

    def __init__(
        self, tokenizer: Any, *, sequence_length: int, seed: int = 0, pad_to_multiple_of: int | None = None
    ) -> None:
        self.sequence_length = whole("sequence_length", sequence_length, least=1)
        self.seed = whole("seed", seed)
        self.pad_to_multiple_of = (
            None if pad_to_multiple_of is None else whole("pad_to_multiple_of", pad_to_multiple_of, least=1)
        )
        self.vocabulary = Vocabulary(tokenizer)
        self.pad_token_id = self.vocabulary.pad_token_id

    def special_tokens(self) -> list[str]:
        """Further tokens that the tokenizer must have, each as one id: sentinels, modes, blanks."""
        return []

    def raw_length(self, sequence_length: int) -> int:
        """Raw tokens that a row takes; 568 fill T5's 512."""
        return sequence_length

    def rows(self, samples: Sequence[dict[str, Any]], *, pad_to_multiple_of: int | None = None) -> Rows:
        """The samples as padded rows of ``raw_length`` tokens, or only as wide as the longest needs.

        Raises:
            ValueError: a sample is longer, its lengths do not add up, or an id is none of the tokenizer's.
        """
        return self.rows_of(samples, self.raw_length(self.sequence_length), pad_to_multiple_of)

    def rows_of(self, samples: Sequence[dict[str, Any]], width: int, pad_to_multiple_of: int | None) -> Rows:
        """As ``rows``, of ``width`` tokens."""
        rows = make_rows(
            samples,
            width=width,
            pad_token_id=self.pad_token_id,
            seed=self.seed,
            pad_to_multiple_of=pad_to_multiple_of,
        )
        check_ids(rows.ids, len(self.vocabulary.special))
        return rows


class SectionCollator(RowCollator, Generic[SectionType]):
    """A data collator whose parameters are the keys of its objective's section: ``collator(samples) -> tensors``.

    A subclass names the section (``Section``), and makes in ``_prepare`` what its ``__call__`` needs beside it.

    Args:
        parameters: those of the section, under the same names and with its defaults. The others are those of
            ``RowCollator``.

    Raises:
        DataError: the tokenizer lacks a token.
        TypeError: ``tokenizer`` is something else.
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
        super().__init__(tokenizer, sequence_length=sequence_length, seed=seed, pad_to_multiple_of=pad_to_multiple_of)
        if self.raw_length(self.sequence_length) < 1:
            raise ValueError(f"rows of {sequence_length} leave no room for text beside what {self.section.type} adds")
        self._prepare(tokenizer)

    def _prepare(self, tokenizer: Any) -> None:
        """Look up tokens and make tables, once; nothing unless the objective needs some."""

    def special_tokens(self) -> list[str]:
        """Those of the section."""
        return self.section.special_tokens()

    def raw_length(self, sequence_length: int) -> int:
        """That of the section; 568 fill T5's 512."""
        return self.section.raw_length(sequence_length)
