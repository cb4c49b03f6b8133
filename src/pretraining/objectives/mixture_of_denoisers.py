"""The mixture of denoisers: UL2 and UL2R."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.draws import uniform
from pretraining.objectives.marks import token_ids
from pretraining.objectives.rows import IGNORED, Integers, Rows
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.spans import MixtureOfDenoisersSection
from pretraining.objectives.seq2seq import (
    Layout,
    Segments,
    corrupt,
    drop_untargeted,
    encoder_decoder_batch,
    join,
    last_pieces,
)
from pretraining.objectives.span_corruption import sentinel_ids
from pretraining.objectives.span_lengths import span_counts
from pretraining.objectives.spans import OWN, PieceDraws, apportion_spans, flat_ids, random_prefixes, random_spans
from pretraining.tokenization.special import frame

NONE = -1


class DataCollatorForMixtureOfDenoisers(SectionCollator[MixtureOfDenoisersSection]):
    """Rows that are corrupted by one of several denoisers each: ``collator(samples) -> tensors``.

    ``form: encoder_decoder`` has the keys of ``DataCollatorForSpanCorruption``, ``form: decoder`` those of
    ``DataCollatorForPrefixLM``. One piece ``a b [c d] e [f]`` of a span denoiser, and one of a prefix denoiser::

                          [NLU] denoises spans             [S2S] goes on from a prefix
        input_ids         [NLU] a b S0 e S1 EOS            [S2S] a b c EOS
        labels            S0 c d S1 f EOS                  d e f EOS

        input_ids         [NLU] a b S0 e S1 S0 c d S1 f EOS        [S2S] a b c d e f EOS      form: decoder
        prefix_mask         1   1 1 1  1 1  1  0 0 0  0  0           1   1 1 1 0 0 0  0
        labels              .   . . .  . .  .  c d S1 f EOS          .   . . . d e f EOS

    Every denoiser is given the same raw tokens, so ``raw_length`` is the least of theirs (Tay et al. 2022 pack each
    denoiser's text by its own length). No row is cut, the sequences of the others end with padding; what
    ``DataCollatorForSpanCorruption`` says of very short pieces holds here too. Each piece begins with the mode,
    because it sees nothing of the others: one place is kept for it, and those of further pieces come from the
    padding, or else from spans, which are then fewer and longer. A piece for which neither leaves a place has no mode.

    The denoiser and the spans of a row are drawn from (seed, epoch, index).

    Args:
        tokenizer: of transformers, with EOS, padding, the sentinels ``<extra_id_0>``, ... and the modes.
        sequence_length: tokens of the inputs; of inputs and targets together with ``form: decoder``.
        parameters: those of ``MixtureOfDenoisersSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer has fewer sentinels than a row may have spans, or not all modes.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = MixtureOfDenoisersSection

    def _prepare(self, tokenizer: Any) -> None:
        section = self.section
        self.decoder_start_token_id = self.pad_token_id
        self.eos_token_id = frame(tokenizer)[1]
        self.sentinel_ids = sentinel_ids(tokenizer, section.spans(self.sequence_length), self.sequence_length)
        remedy = "train the tokenizer with the modes of objective.denoisers, or leave `mode` out of each"
        modes = dict(zip(section.modes(), token_ids(tokenizer, section.modes(), remedy=remedy).tolist(), strict=True))
        self.denoisers = section.mixture()
        self._modes = np.array([modes.get(denoiser.mode or "", NONE) for denoiser in self.denoisers])
        self._prefix = np.array([denoiser.type == "prefix" for denoiser in self.denoisers])
        self._roll = np.array([denoiser.random_roll for denoiser in self.denoisers])
        self._density = np.array([denoiser.noise_density for denoiser in self.denoisers])
        rates = np.cumsum([denoiser.rate for denoiser in self.denoisers])
        self._thresholds = rates[:-1] / rates[-1]

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Corrupt a batch of samples.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), at most ``raw_length`` tokens.

        Raises:
            ValueError: a sample is longer, or its lengths do not add up.
        """
        rows = self.rows(samples)
        denoiser = np.searchsorted(self._thresholds, uniform(rows.keys, 1, stream=OWN)[:, 0], side="right")
        inputs, targets = self._corrupt(rows, denoiser)
        decoder = self.section.form == "decoder"
        used = inputs.totals(rows) + 1 + (targets.totals(rows) if decoder else 0)
        modes = self._modes[denoiser]
        inputs = drop_untargeted(inputs, targets.lengths, used + (modes != NONE) - self.sequence_length, rows)
        used = inputs.totals(rows) + 1 + (targets.totals(rows) if decoder else 0)
        open_to = _first_pieces(
            (modes[rows.piece_row] != NONE) & (inputs.lengths > 0), rows, self.sequence_length - used
        )
        inputs = inputs.insert(open_to, modes[rows.piece_row[open_to]], at_end=False)
        marked = (targets.lengths > 0) & ~self._prefix[denoiser][rows.piece_row]
        targets = targets.insert(last_pieces(rows), self.eos_token_id, at_end=True)
        batch = (
            self._decoder(inputs, targets, marked, rows) if decoder else self._encoder_decoder(inputs, targets, rows)
        )
        return {key: torch.from_numpy(value) for key, value in batch.items()}

    def _corrupt(self, rows: Rows, denoiser: Integers) -> tuple[Segments, Segments]:
        """Inputs and targets of the pieces, without modes and EOS."""
        draws, lengths = PieceDraws(rows), rows.piece_length
        prefix, roll, density = (table[denoiser][rows.piece_row] for table in (self._prefix, self._roll, self._density))
        noise, counts = apportion_spans(*self._totals(rows, denoiser), rows)
        left = lengths - random_prefixes(lengths, np.where(prefix, density, 0.5), draws)
        noise, counts = np.where(prefix, left, noise), np.where(prefix, left > 0, counts)
        spans = random_spans(lengths, noise, counts, draws, loose=roll & ~prefix)
        sentinels = np.append(self.sentinel_ids, NONE)
        marks = sentinels[np.where(prefix[spans.piece], len(self.sentinel_ids), spans.numbers())]
        return corrupt(flat_ids(rows), spans, marks, lengths)

    def _totals(self, rows: Rows, denoiser: Integers) -> tuple[Integers, Integers]:
        """Noise tokens and spans of the rows, each (B,); none for prefix denoisers."""
        counts = [
            (0, 0) if chosen.type == "prefix" else span_counts(size, chosen.noise_density, chosen.mean_span_length)
            for chosen, size in zip((self.denoisers[i] for i in denoiser), rows.sizes.tolist(), strict=True)
        ]
        noise, spans = np.array(counts, np.int64).reshape(-1, 2).T
        modes = np.where(self._modes[denoiser] == NONE, 0, np.bincount(rows.piece_row, minlength=len(rows.sizes)))
        if self.section.form == "decoder":
            room = (self.sequence_length - 1 - modes - rows.sizes) // 2
        else:
            room = self.sequence_length - 1 - modes - (rows.sizes - noise)
        return noise, np.minimum(spans, np.maximum(room, 1))

    def _encoder_decoder(self, inputs: Segments, targets: Segments, rows: Rows) -> dict[str, Any]:
        return encoder_decoder_batch(
            inputs.insert(last_pieces(rows), self.eos_token_id, at_end=True),
            targets,
            rows,
            widths=(self.sequence_length, self.section.target_length(self.sequence_length)),
            pad=self.pad_token_id,
            start=self.decoder_start_token_id,
            pad_to_multiple_of=self.pad_to_multiple_of,
        )

    def _decoder(self, inputs: Segments, targets: Segments, marked: Any, rows: Rows) -> dict[str, Any]:
        both, target = join(inputs, targets)
        starts = np.cumsum(both.lengths) - both.lengths + inputs.lengths
        target[starts[marked]] = False  # the first sentinel asks for the first span: it is given
        layout = Layout(both.lengths, rows, width=self.sequence_length, pad_to_multiple_of=self.pad_to_multiple_of)
        return {
            "input_ids": layout.write(both.ids, self.pad_token_id),
            "labels": layout.write(np.where(target, both.ids, IGNORED), IGNORED),
            "prefix_mask": layout.write(~target, False),
            "position_ids": layout.position_ids(),
            "document_ids": layout.document_ids(),
        }


def _first_pieces(wanted: Any, rows: Rows, room: Integers) -> Integers:
    """The first ``room`` (B,) pieces of each row among the ``wanted`` (P,)."""
    total = np.cumsum(wanted)
    rank = total - (total - wanted)[rows.first_piece]
    return np.flatnonzero(wanted & (rank <= room[rows.piece_row]))
