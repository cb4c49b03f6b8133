"""Blank infilling: GLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.bodies import bodies, sentences
from pretraining.objectives.draws import uniform
from pretraining.objectives.marks import sentence_end_ids, token_ids
from pretraining.objectives.rows import IGNORED, Integers, Rows
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.infilling import BlankInfillingSection
from pretraining.objectives.seq2seq import Layout, Segments, alternate, merge
from pretraining.objectives.span_lengths import poisson
from pretraining.objectives.spans import (
    NOISE_SHARES,
    OWN,
    PieceDraws,
    Spans,
    apportion,
    flat_ids,
    place_spans,
    row_sums,
    sampled_lengths,
)

KIND, SENTENCES, LONG_SPANS, ORDER = range(OWN, OWN + 4)
SHORT, SENTENCE, LONG = range(3)


class DataCollatorForBlankInfilling(SectionCollator[BlankInfillingSection]):
    """Blanks of a text, generated one after another behind it: ``collator(samples) -> tensors``.

    ``(batch, sequence_length)`` each, int64 but for the mask. The piece ``a b [c] d [e f]``, its second span first::

        input_ids            a b M d M    S e f    S c         M: blank, S: start token
        shift_labels         . . . . .    e f E    c E         E: end token; aligned, no model may shift them
        prefix_mask          1 1 1 1 1    0 0 0    0 0         bool: visible from everywhere in the piece
        position_ids         0 1 2 3 4    4 4 4    2 2         a span stands where its blank is
        block_position_ids   0 0 0 0 0    1 2 3    1 2         for models with a second position (GLM)
        document_ids         1 1 1 1 1    1 1 1    1 1

    As in Du et al. 2022 and GLM's ``ConstructBlockStrategy``: lengths of spans are Poisson from 1 on, drawn until
    they reach ``bert_ratio`` of the row (here the last is cut to hit it exactly, shared out over the pieces), with
    at least one token between two spans; here every arrangement is equally likely. The special tokens at the ends of
    a piece are never in short spans or sentences; a long span is the end of its piece with all it has.

    A row of ``raw_length`` tokens has room for more spans than it usually draws, so rows end with some padding. All is
    drawn from (seed, epoch, index).

    Args:
        tokenizer: of transformers, with the blanks, the start and the end token.
        parameters: those of ``BlankInfillingSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer lacks one of the tokens, or has none that ends a sentence.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = BlankInfillingSection

    def _prepare(self, tokenizer: Any) -> None:
        section = self.section
        names = [*section.mask_tokens(), section.start_token, section.end_token]
        ids = token_ids(tokenizer, names, remedy="train the tokenizer with it, or name another in objective")
        self.mask_ids, self.start_id, self.end_id = ids[:3], int(ids[3]), int(ids[4])
        self._ends = np.zeros(len(self.vocabulary.special), bool)
        if section.gap_sentence_prob > 0:
            self._ends[sentence_end_ids(tokenizer, self.vocabulary, section.sentence_ends)] = True
        self._lengths = np.array(poisson(section.average_block_length, shortest=1, longest=section.max_block_length))

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make the blanks of a batch.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), at most ``raw_length`` tokens.

        Raises:
            ValueError: a sample is longer, or its lengths do not add up.
        """
        rows = self.rows(samples)
        draws = PieceDraws(rows)
        thresholds = np.cumsum([self.section.bert_prob, self.section.gap_sentence_prob])
        kinds = np.searchsorted(thresholds, uniform(rows.keys, 1, stream=KIND)[:, 0], side="right")
        spans = self._spans(rows, kinds, draws)
        blanks = self.mask_ids[kinds[rows.piece_row[spans.piece]]]
        _, counts = spans.counts(len(rows.piece_length))
        order = np.arange(len(blanks))
        if self.section.shuffle_blocks:
            order = np.lexsort((draws.words(counts, stream=ORDER), spans.piece))
        return self._batch(rows, spans, blanks, order)

    def _spans(self, rows: Rows, kinds: Integers, draws: PieceDraws) -> Spans:
        """The spans of every row, by its kind; at most as many as there is room for."""
        ids, kind = flat_ids(rows), kinds[rows.piece_row]
        body = bodies(ids, rows.piece_length, self.vocabulary.special)
        found = [self._short(body, rows, np.where(kinds == SHORT, self.section.bert_ratio, 0.0), draws)]
        if (kinds == SENTENCE).any():
            found.append(self._sentences(sentences(ids, body, self._ends), rows, kinds == SENTENCE, draws))
        if (kinds == LONG).any():
            found.append(self._long(rows, kind == LONG, draws))
        spans = Spans(
            *(np.concatenate([getattr(part, name) for part in found]) for name in ("piece", "start", "length"))
        )
        spans = spans.take(np.argsort(spans.start))
        row = rows.piece_row[spans.piece]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        return spans.take(rank < ((self.sequence_length - rows.sizes) // 2)[row])

    def _short(self, body: Spans, rows: Rows, ratio: Any, draws: PieceDraws) -> Spans:
        tokens = row_sums(body.length, rows.piece_row, len(rows.sizes))
        hidden = apportion((ratio * tokens).astype(np.int64), body.length // 2, rows, stream=NOISE_SHARES)
        counts, lengths = sampled_lengths(hidden, self._lengths, draws)
        spans = place_spans(body.length, counts, lengths, draws, loose=True)
        shift = body.start - (np.cumsum(body.length) - body.length)  # from the tokens of all bodies to all tokens
        return Spans(spans.piece, spans.start + shift[spans.piece], spans.length)

    def _sentences(self, found: Spans, rows: Rows, wanted: Any, draws: PieceDraws) -> Spans:
        """Sentences of the wanted rows in random order, until they have their share of the tokens."""
        _, counts = found.counts(len(rows.piece_length))
        row = rows.piece_row[found.piece]
        order = np.lexsort((draws.words(counts, stream=SENTENCES), row))
        total = np.cumsum(found.length[order])
        before = total - found.length[order]
        before -= before[np.searchsorted(row, row)]
        budget = np.maximum((self.section.gap_sentence_ratio * rows.sizes).astype(np.int64), 1)
        return found.take(np.sort(order[wanted[row] & (before < budget[row])]))

    def _long(self, rows: Rows, wanted: Any, draws: PieceDraws) -> Spans:
        """The ends of the wanted pieces; a piece of one token has none."""
        most = rows.piece_length - 1
        least = np.clip((self.section.gpt_min_ratio * rows.piece_length).astype(np.int64), 1, np.maximum(most, 1))
        lengths = least + draws.below(most - least + 1, stream=LONG_SPANS)
        piece = np.flatnonzero(wanted & (most > 0))
        return Spans(piece, np.cumsum(rows.piece_length)[piece] - lengths[piece], lengths[piece])

    def _batch(self, rows: Rows, spans: Spans, blanks: Integers, order: Integers) -> dict[str, torch.Tensor]:
        """Part A, the text with blanks, and part B, the spans in this order, of every piece."""
        ids, lengths = flat_ids(rows), rows.piece_length
        noise, counts = spans.counts(len(lengths))
        text = Segments(spans.replace(ids, blanks), lengths - noise + counts)
        starts = np.cumsum(text.lengths) - text.lengths
        number = np.arange(len(blanks))
        blank_position = spans.start - (np.cumsum(spans.length) - spans.length) + number - starts[spans.piece]
        position = np.arange(len(text.ids)) - np.repeat(starts, text.lengths)
        spans, blank_position = spans.take(order), blank_position[order]
        ends = np.cumsum(spans.length + 1)
        block = np.arange(1, ends[-1] + 1 if len(ends) else 1) - np.repeat(ends - spans.length - 1, spans.length + 1)
        generated = alternate(text.lengths, noise + counts)
        layout = Layout(
            text.lengths + noise + counts, rows, width=self.sequence_length, pad_to_multiple_of=self.pad_to_multiple_of
        )
        inputs = merge(text.ids, spans.gather(ids, before=self.start_id), generated)
        labels = merge(IGNORED, spans.gather(ids, after=self.end_id), generated)
        positions = merge(position, np.repeat(blank_position, spans.length + 1), generated)
        batch = {
            "input_ids": layout.write(inputs, self.pad_token_id),
            "shift_labels": layout.write(labels, IGNORED),
            "prefix_mask": layout.write(~generated, False),
            "position_ids": layout.write(positions, 0),
            "block_position_ids": layout.write(merge(0, block, generated), 0),
            "document_ids": layout.document_ids(),
        }
        return {key: torch.from_numpy(value) for key, value in batch.items()}
