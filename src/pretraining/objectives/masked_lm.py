"""Masked language modeling: BERT, RoBERTa, ALBERT's n-grams, SpanBERT, ModernBERT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from pretraining.objectives.masking import Masker
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.masked import MaskedLMSection
from pretraining.objectives.span_boundary import span_boundary_targets


class DataCollatorForMaskedLM(SectionCollator[MaskedLMSection]):
    """Hidden tokens, predicted from both sides: ``collator(samples) -> tensors``.

    int64 ``(batch, sequence_length)`` each::

        pieces         [CLS] a1 a2 a3 [SEP] | [CLS] b1 [SEP]
        input_ids      [CLS] a1 [M] a3 [SEP]  [CLS] b1 [SEP] pad
        labels          -100 .. a2  ..  -100  -100 ..   -100 -100      not shifted
        position_ids     0   1  2   3   4      0    1   2    0
        document_ids     1   1  1   1   1      2    2   2    0         the mask spec: tokens see their own piece

    With ``span_boundary`` (SpanBERT, equation 1) three more, for a head that predicts the tokens of a span from the
    encoder's outputs at the two tokens around it and from a position within the span::

        span_labels    (B, W)      the token to predict; -100 for no target
        span_pairs     (B, W, 2)   of a target: the places in the row before and after its span
        span_offsets   (B, W)      of a target: its place within the span, 0 .. max_pair_targets - 1

    As in the reference spans that touch are one, and a span at an end of a piece has no boundary targets.

    All is drawn from (seed, epoch, index): a sample has the same mask in any batch, and another one in each epoch.

    Args:
        tokenizer: a fast tokenizer of transformers with a mask token.
        parameters: those of ``MaskedLMSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer has no mask token, or its words cannot be told.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = MaskedLMSection

    def _prepare(self, tokenizer: Any) -> None:
        self.masker = Masker(tokenizer, self.vocabulary, self.section)

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Mask a batch of samples.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,); with ``progress``, the share of the
                training that is over, where ``final_mlm_probability`` is given.

        Raises:
            ValueError: a sample is longer than ``sequence_length``, or its lengths do not add up.
            DataError: ``progress`` is needed and missing.
        """
        rows = self.rows(samples, pad_to_multiple_of=self.pad_to_multiple_of)
        masked = self.masker(rows, samples)
        document_ids, position_ids = rows.documents_and_positions()
        batch = {
            "input_ids": masked.input_ids,
            "labels": masked.labels,
            "position_ids": position_ids,
            "document_ids": document_ids,
        }
        if self.section.span_boundary:
            batch |= span_boundary_targets(rows, masked, self.vocabulary.special, self.section.max_pair_targets)
        return {key: torch.from_numpy(value) for key, value in batch.items()}
