"""Replaced token detection: the masks of ELECTRA's generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.draws import sample_keys, uniform
from pretraining.objectives.masked_lm import DataCollatorForMaskedLM
from pretraining.objectives.sections.masked import ReplacedTokenDetectionSection

_PROPOSAL = 31
"""The stream of the numbers that proposals are drawn by; the masks' are smaller."""


class DataCollatorForReplacedTokenDetection:
    """Masks for the generator; the joint model draws the replacements and knows which tokens it changed.

    int64 ``(batch, sequence_length)`` each: ``input_ids`` for the generator, ``labels`` its targets (-100 elsewhere,
    not shifted), ``position_ids``, ``document_ids`` (0 = padding, which the detection leaves out). The original tokens
    are ``where(labels != -100, labels, input_ids)``. ``draws`` float32 is the number in ``[0, 1)`` by which the
    generator's proposal at a place is drawn, so that it does not depend on rank or micro-batch.

    ELECTRA draws positions with replacement, so that 14.2 % are hidden instead of 15 % (and averages the ids where two
    draws meet); here they are drawn without replacement, and the share is exact in every row.

    Args:
        tokenizer: a fast tokenizer of transformers with a mask token.
        sequence_length: tokens of a row.
        seed: of the masks, which depend on (seed, epoch, index) alone.
        pad_to_multiple_of: make rows only as long as the longest sample needs, rounded up to this multiple.
        parameters: ``mask_prob``, ``mask_replace_prob`` and ``exact`` of ``ReplacedTokenDetectionSection``.

    Raises:
        DataError: the tokenizer has no mask token.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        sequence_length: int,
        seed: int = 0,
        pad_to_multiple_of: int | None = None,
        **parameters: Any,
    ) -> None:
        self.section, self.seed = ReplacedTokenDetectionSection(**parameters), seed
        self._masked_lm = DataCollatorForMaskedLM(
            tokenizer,
            sequence_length=sequence_length,
            seed=seed,
            pad_to_multiple_of=pad_to_multiple_of,
            **self.section.masking(),
        )

    def special_tokens(self) -> list[str]:
        """Tokens that the tokenizer must have beside those with roles: none."""
        return self.section.special_tokens()

    def raw_length(self, sequence_length: int) -> int:
        """Raw tokens that fill a row: as many as it has."""
        return self.section.raw_length(sequence_length)

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Mask a batch of samples, each with ``input_ids`` (t,) and ``lengths`` (pieces,).

        Raises:
            ValueError: a sample is longer than ``sequence_length``, or its lengths do not add up.
        """
        batch = self._masked_lm(samples)
        draws = uniform(sample_keys(samples, self.seed), batch["input_ids"].shape[1], stream=_PROPOSAL)
        return batch | {"draws": torch.from_numpy(draws.astype(np.float32))}
