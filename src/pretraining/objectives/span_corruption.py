"""Span corruption: T5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.marks import token_ids
from pretraining.objectives.rows import Integers
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.spans import SpanCorruptionSection, sentinels
from pretraining.objectives.seq2seq import corrupt, drop_untargeted, encoder_decoder_batch, last_pieces
from pretraining.objectives.span_lengths import span_counts
from pretraining.objectives.spans import PieceDraws, apportion_spans, flat_ids, random_spans
from pretraining.tokenization.special import frame


class DataCollatorForSpanCorruption(SectionCollator[SpanCorruptionSection]):
    """Spans of the text, each after the sentinel that stands for it: ``collator(samples) -> tensors``.

    int64, inputs ``(batch, sequence_length)`` and targets ``(batch, section.target_length(sequence_length))``::

        pieces                a b [c d] e [f] | g [h i]
        input_ids             a b S0 e S1       g S0 EOS
        position_ids          0 1 2  3 4        0 1  2
        document_ids          1 1 1  1 1        2 2  2
        decoder_input_ids     P  S0 c d S1      P  S0 h i       P: the padding token, with which the decoder starts
        labels                S0 c  d S1 f      S0 h  i EOS     not shifted
        decoder_document_ids  1  1  1 1  1      2  2  2 2

    A row of ``raw_length`` tokens fills both exactly (Raffel et al. 2020; t5 ``random_spans_helper``): it has the
    reference's number of noise tokens and spans, shared out over its pieces in proportion to their lengths, all sets
    of spans equally likely. Spans do not cross documents, sentinels are numbered in each piece, and the EOS that
    ends inputs and targets belongs to the last; a document that ends there has its own before it, which the token store
    keeps and T5's text has not. Should the pieces be so short that they cannot hold the noise, the
    ends of those without any are left out of the inputs: of pieces of one to five tokens 1.1 % at 512 places, none
    where they have some tens, unless nearly all is noise.

    All is drawn from (seed, epoch, index): a sample has the same spans in any batch, and others in each epoch.

    Args:
        tokenizer: of transformers, with EOS, padding and the sentinels ``<extra_id_0>``, ...
        parameters: those of ``SpanCorruptionSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer has fewer sentinels than a row has spans.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = SpanCorruptionSection

    def _prepare(self, tokenizer: Any) -> None:
        self.decoder_start_token_id = self.pad_token_id
        self.eos_token_id = frame(tokenizer)[1]
        self.sentinel_ids = sentinel_ids(tokenizer, self.section.spans(self.sequence_length), self.sequence_length)

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Corrupt a batch of samples.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), at most ``raw_length`` tokens.

        Raises:
            ValueError: a sample is longer, or its lengths do not add up.
        """
        rows = self.rows(samples)
        setting = self.section.noise_density, self.section.mean_span_length
        totals = np.array([span_counts(size, *setting) for size in rows.sizes.tolist()], np.int64).reshape(-1, 2)
        noise, counts = apportion_spans(totals[:, 0], totals[:, 1], rows)
        spans = random_spans(rows.piece_length, noise, counts, PieceDraws(rows), loose=self.section.random_roll)
        marks = self.sentinel_ids[spans.numbers()]
        inputs, targets = corrupt(flat_ids(rows), spans, marks, rows.piece_length)
        inputs = drop_untargeted(inputs, targets.lengths, inputs.totals(rows) + 1 - self.sequence_length, rows)
        last = last_pieces(rows)
        batch = encoder_decoder_batch(
            inputs.insert(last, self.eos_token_id, at_end=True),
            targets.insert(last, self.eos_token_id, at_end=True),
            rows,
            widths=(self.sequence_length, self.section.target_length(self.sequence_length)),
            pad=self.pad_token_id,
            start=self.decoder_start_token_id,
            pad_to_multiple_of=self.pad_to_multiple_of,
        )
        return {key: torch.from_numpy(value) for key, value in batch.items()}


def sentinel_ids(tokenizer: Any, spans: int, sequence_length: int) -> Integers:
    """The ids of as many sentinels as a row has spans: int64 (spans,).

    Raises:
        DataError: the tokenizer has fewer.
    """
    remedy = (
        f"rows of {sequence_length} places have up to {spans} spans: make objective.extra_ids at least {spans} and "
        "train the tokenizer with it, or use longer spans, less noise or shorter rows"
    )
    return token_ids(tokenizer, sentinels(spans), remedy=remedy)
