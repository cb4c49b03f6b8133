"""Prefix language modeling: T5's variant, U-PaLM, UniLM, GLM-130B's [gMASK] part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.rows import IGNORED, Integers, Rows
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.prefixes import PrefixLMSection
from pretraining.objectives.seq2seq import Layout, Segments, alternate, encoder_decoder_batch, last_pieces
from pretraining.objectives.spans import PieceDraws, flat_ids, random_prefixes
from pretraining.tokenization.special import frame


class DataCollatorForPrefixLM(SectionCollator[PrefixLMSection]):
    """The rest of each document from its beginning: ``collator(samples) -> tensors``.

    ``form: decoder``, ``(batch, sequence_length)`` each, int64 but for the mask::

        pieces         a b c d e | f g h
        input_ids      a b c d e   f g h
        prefix_mask    1 1 1 0 0   1 0 0       bool: visible from the whole prefix, whatever stands later
        labels         . . . d e   . g h       aligned with input_ids; the model shifts, so c predicts d
        position_ids   0 1 2 3 4   0 1 2
        document_ids   1 1 1 1 1   2 2 2

    ``form: encoder_decoder``, both ``(batch, sequence_length)``::

        input_ids            a b c   f EOS         document_ids          1 1 1 2 2
        decoder_input_ids    P d   P g h           decoder_document_ids  1 1 2 2 2
        labels               d e   g h EOS

    The prefix of a document of L tokens is uniform in ``1 .. L - 1`` (with ``noise_density`` 0.5; Raffel et al. 2020,
    t5 ``random_prefix_noise_mask``); one token alone has no target. All is drawn from (seed, epoch, index).

    Args:
        tokenizer: of transformers.
        sequence_length: tokens of a row; of the inputs, with an encoder.
        parameters: those of ``PrefixLMSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = PrefixLMSection

    def _prepare(self, tokenizer: Any) -> None:
        self.decoder_start_token_id = self.pad_token_id
        self.eos_token_id = frame(tokenizer)[1]

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Cut the documents of a batch.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), at most ``raw_length`` tokens.

        Raises:
            ValueError: a sample is longer, or its lengths do not add up.
        """
        rows = self.rows(samples)
        prefixes = random_prefixes(rows.piece_length, self.section.noise_density, PieceDraws(rows))
        make = self._decoder if self.section.form == "decoder" else self._encoder_decoder
        return {key: torch.from_numpy(value) for key, value in make(rows, prefixes).items()}

    def _decoder(self, rows: Rows, prefixes: Integers) -> dict[str, Any]:
        layout = Layout(rows.piece_length, rows, width=self.sequence_length, pad_to_multiple_of=self.pad_to_multiple_of)
        ids, in_prefix = flat_ids(rows), ~alternate(prefixes, rows.piece_length - prefixes)
        return {
            "input_ids": layout.write(ids, self.pad_token_id),
            "labels": layout.write(np.where(in_prefix, IGNORED, ids), IGNORED),
            "prefix_mask": layout.write(in_prefix, False),
            "position_ids": layout.position_ids(),
            "document_ids": layout.document_ids(),
        }

    def _encoder_decoder(self, rows: Rows, prefixes: Integers) -> dict[str, Any]:
        ids, in_prefix = flat_ids(rows), ~alternate(prefixes, rows.piece_length - prefixes)
        last = last_pieces(rows)
        return encoder_decoder_batch(
            Segments(ids[in_prefix], prefixes).insert(last, self.eos_token_id, at_end=True),
            Segments(ids[~in_prefix], rows.piece_length - prefixes).insert(last, self.eos_token_id, at_end=True),
            rows,
            widths=(self.sequence_length, self.sequence_length),
            pad=self.pad_token_id,
            start=self.decoder_start_token_id,
            pad_to_multiple_of=self.pad_to_multiple_of,
        )
