"""Replaced token detection: the masks of ELECTRA's generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.draws import sample_keys, uniform
from pretraining.objectives.masked_lm import DataCollatorForMaskedLM
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.masked import ReplacedTokenDetectionSection

_PROPOSAL = 31
"""The stream of the numbers that proposals are drawn by; the masks' are smaller."""


class DataCollatorForReplacedTokenDetection(SectionCollator[ReplacedTokenDetectionSection]):
    """Masks for the generator; the joint model draws the replacements and knows which tokens it changed.

    int64 ``(batch, sequence_length)`` each: ``input_ids`` for the generator, ``labels`` its targets (-100 elsewhere,
    not shifted), ``position_ids``, ``document_ids`` (0 = padding, which the detection leaves out). The original tokens
    are ``where(labels != -100, labels, input_ids)``. ``draws`` float32 is the number in ``[0, 1)`` by which the
    generator's proposal at a place is drawn, so that it does not depend on rank or micro-batch.

    ELECTRA draws positions with replacement, so that 14.2 % are hidden instead of 15 % (and averages the ids where two
    draws meet); here they are drawn without replacement, and the share is exact in every row.

    Args:
        tokenizer: a fast tokenizer of transformers with a mask token.
        parameters: ``mask_prob``, ``mask_replace_prob`` and ``exact`` of ``ReplacedTokenDetectionSection``.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer has no mask token.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = ReplacedTokenDetectionSection

    def _prepare(self, tokenizer: Any) -> None:
        self._masked_lm = DataCollatorForMaskedLM(
            tokenizer,
            sequence_length=self.sequence_length,
            seed=self.seed,
            pad_to_multiple_of=self.pad_to_multiple_of,
            **self.section.masking(),
        )

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Mask a batch of samples, each with ``input_ids`` (t,) and ``lengths`` (pieces,).

        Raises:
            ValueError: a sample is longer than ``sequence_length``, or its lengths do not add up.
        """
        batch = self._masked_lm(samples)
        draws = uniform(sample_keys(samples, self.seed), batch["input_ids"].shape[1], stream=_PROPOSAL)
        below_1 = np.minimum(draws.astype(np.float32), np.float32(1 - 2**-24))  # the conversion may round up to 1
        return batch | {"draws": torch.from_numpy(below_1)}
