"""Denoising: BART, and plain autoencoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.bodies import bodies, sentences
from pretraining.objectives.marks import sentence_end_ids
from pretraining.objectives.noise import fitting, mask_ids, masked_spans, permuted, rotated
from pretraining.objectives.rows import Integers, Rows
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.infilling import DenoisingSection
from pretraining.objectives.seq2seq import Segments, encoder_decoder_batch
from pretraining.objectives.span_lengths import poisson
from pretraining.objectives.spans import PieceDraws, Spans, flat_ids
from pretraining.objectives.vocabulary import named_token
from pretraining.tokenization.special import frame


class DataCollatorForDenoising(SectionCollator[DenoisingSection]):
    """Whole documents from noised copies: ``collator(samples) -> tensors``.

    int64 ``(batch, sequence_length)`` each, here one piece with two sentences::

        piece               <s> a b c . d e f . </s>
        permute_sentences   <s> d e f . a b c . </s>
        mask                <s> d [M] . a b [M] c . </s>      "e f" hidden, and a mask where nothing was
        labels              <s> a b c . d e f . </s>          not shifted
        decoder_input_ids   </s> <s> a b c . d e f .          the decoder starts with EOS, as in BART

    with ``position_ids`` and ``document_ids`` of the inputs and ``decoder_document_ids`` of the targets. The noise is
    that of BART (Lewis et al. 2020; fairseq ``DenoisingDataset``) in its order: sentences change places, spans are
    masked, documents are rotated. The special tokens at the ends of a piece stay where they are. What is masked is
    exactly ``round(mask * tokens)`` of a row, without those. Without noise it is plain autoencoding.

    BART's learnt positions cannot restart, so ``modeling`` gives it one document a row; noise never crosses pieces
    where there are several. All is drawn from (seed, epoch, index).

    Args:
        tokenizer: of transformers, with EOS, and a mask token unless nothing is masked.
        sequence_length: tokens of inputs and of targets.
        parameters: those of ``DenoisingSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer has no mask token, or none that ends a sentence.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = DenoisingSection

    def _prepare(self, tokenizer: Any) -> None:
        section = self.section
        self.decoder_start_token_id = frame(tokenizer)[1]
        self.mask_token_id = named_token(tokenizer, "mask_token") if section.token_roles() else None
        self._ends = np.zeros(len(self.vocabulary.special), bool)
        if section.permute_sentences > 0:
            self._ends[sentence_end_ids(tokenizer, self.vocabulary, section.sentence_ends)] = True
        self._lengths = None
        if section.mask_length == "span-poisson":
            longest = 10 * (2 + int(section.poisson_lambda))
            self._lengths = np.array(poisson(section.poisson_lambda, shortest=0, longest=longest))

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Noise a batch of samples.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), at most ``sequence_length`` tokens.

        Raises:
            ValueError: a sample is longer, or its lengths do not add up.
        """
        rows = self.rows(samples)
        clean = flat_ids(rows)
        batch = encoder_decoder_batch(
            self._noised(clean, rows),
            Segments(clean, rows.piece_length),
            rows,
            widths=(self.sequence_length, self.sequence_length),
            pad=self.pad_token_id,
            start=self.decoder_start_token_id,
            pad_to_multiple_of=self.pad_to_multiple_of,
        )
        return {key: torch.from_numpy(value) for key, value in batch.items()}

    def _noised(self, clean: Integers, rows: Rows) -> Segments:
        section, draws = self.section, PieceDraws(rows)
        body = bodies(clean, rows.piece_length, self.vocabulary.special)
        noised = Segments(clean.copy(), rows.piece_length)
        if section.permute_sentences > 0:
            order = permuted(body, sentences(clean, body, self._ends), section.permute_sentences, len(clean), draws)
            noised = Segments(clean[order], rows.piece_length)
        if section.mask > 0:
            spans = masked_spans(body, rows, draws, share=section.mask, distribution=self._lengths)
            noised, body = self._mask(noised, body, spans, rows, draws)
        if section.rotate > 0:
            noised = Segments(noised.ids[rotated(body, section.rotate, len(noised.ids), draws)], noised.lengths)
        return noised

    def _mask(self, text: Segments, body: Spans, spans: Spans, rows: Rows, draws: PieceDraws) -> tuple[Segments, Spans]:
        """The text with masks, or without the spans; and what its bodies have become."""
        section = self.section
        hidden, counts = spans.counts(len(body.piece))
        if section.replace_length == 0:
            ids, change = text.ids[~spans.mask(len(text.ids))], -hidden
        elif section.replace_length == -1:
            ids, change = text.ids.copy(), np.zeros_like(hidden)
            ids[spans.mask(len(ids))] = self._marks(hidden, draws)
        else:
            spans = fitting(spans, rows, self.sequence_length)
            hidden, counts = spans.counts(len(body.piece))
            ids, change = spans.replace(text.ids, self._marks(counts, draws)), counts - hidden
        moved = np.cumsum(change) - change
        return Segments(ids, text.lengths + change), Spans(body.piece, body.start + moved, body.length + change)

    def _marks(self, counts: Integers, draws: PieceDraws) -> Integers:
        assert self.mask_token_id is not None
        return mask_ids(
            counts,
            draws,
            mask=self.mask_token_id,
            ordinary=self.vocabulary.ordinary,
            random_share=self.section.mask_random,
        )
