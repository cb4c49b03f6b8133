"""From sequences of pieces to rows: inputs and targets of an encoder and a decoder, or both in one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pretraining.objectives.rows import IGNORED, Integers, Rows
from pretraining.objectives.spans import Bools, Spans, row_sums

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Segments:
    """One sequence for each piece of a batch, end to end: ``ids`` int64 (lengths.sum(),), ``lengths`` (P,)."""

    ids: Integers
    lengths: Integers

    def insert(self, pieces: Integers, tokens: npt.ArrayLike, *, at_end: bool) -> Segments:
        """With one more token before or after the sequence of each of ``pieces``."""
        ends = np.cumsum(self.lengths)
        places = (ends if at_end else ends - self.lengths)[pieces]
        lengths = self.lengths.copy()
        lengths[pieces] += 1
        gap = len(self.ids) // max(len(pieces), 1)
        full = np.array_equal(places, np.arange(1, len(pieces) + 1) * gap) and len(pieces) * gap == len(self.ids)
        if at_end and full:  # a plain copy, rows of equal length
            ids = np.empty((len(pieces), gap + 1), np.int64)
            ids[:, :gap], ids[:, gap] = self.ids.reshape(len(pieces), gap), tokens
            return Segments(ids.ravel(), lengths)
        return Segments(np.insert(self.ids, places, tokens), lengths)

    def totals(self, rows: Rows) -> Integers:
        """Tokens of each row: (B,)."""
        return row_sums(self.lengths, rows.piece_row, len(rows.sizes))


def last_pieces(rows: Rows) -> Integers:
    """The last piece of each row that has any."""
    return np.flatnonzero(np.diff(rows.piece_row, append=-1))


def alternate(first: Integers, second: Integers) -> Bools:
    """``first[0]`` times False, ``second[0]`` times True, ``first[1]`` times False, ...; both (P,)."""
    runs = np.stack([first, second], axis=1).ravel()
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs)


def merge(first: npt.ArrayLike, second: npt.ArrayLike, from_second: Bools) -> Integers:
    """Flat values that are taken from the first or the second in turn, as ``from_second`` says."""
    values = np.empty(len(from_second), np.int64)
    values[~from_second], values[from_second] = first, second
    return values


def join(first: Segments, second: Segments) -> tuple[Segments, Bools]:
    """Each piece's first sequence followed by its second one, and which tokens belong to the second."""
    from_second = alternate(first.lengths, second.lengths)
    return Segments(merge(first.ids, second.ids, from_second), first.lengths + second.lengths), from_second


def corrupt(ids: Integers, spans: Spans, marks: Integers, lengths: Integers) -> tuple[Segments, Segments]:
    """Inputs with a mark for each span, and targets with each span after its mark::

        ids a b [c d] e [f]     inputs  a b M0 e M1     targets  M0 c d M1 f

    Marks and spans pair off whatever the text begins with. T5 numbers the runs of the complement instead, which is
    the same for text that begins without noise and off by one for other text.

    Args:
        marks: (K,); a negative one stands for none, in both sequences.
        lengths: (P,), of the pieces.
    """
    noise, counts = spans.counts(len(lengths))
    inputs = Segments(spans.replace(ids, marks), lengths - noise + counts)
    targets = Segments(spans.gather(ids, before=marks), noise + counts)
    if not (marks < 0).any():
        return inputs, targets
    unmarked = np.bincount(spans.piece, marks < 0, len(lengths)).astype(np.int64)
    return (
        Segments(inputs.ids[inputs.ids >= 0], inputs.lengths - unmarked),
        Segments(targets.ids[targets.ids >= 0], targets.lengths - unmarked),
    )


def drop_untargeted(inputs: Segments, targets: Integers, excess: Integers, rows: Rows) -> Segments:
    """Cut rows that are too long where no target is lost: at the ends of their last pieces without targets.

    Args:
        targets: (P,), tokens to predict in each piece.
        excess: (B,), tokens by which a row is too long; not positive where it fits.
    """
    if not (excess > 0).any():
        return inputs
    free = np.where(targets == 0, inputs.lengths, 0)
    after = row_sums(free, rows.piece_row, len(rows.sizes))
    total = np.cumsum(free)
    later = after[rows.piece_row] - (total - (total - free)[rows.first_piece])
    kept = inputs.lengths - np.clip(excess[rows.piece_row] - later, 0, free)
    place = np.arange(len(inputs.ids)) - np.repeat(np.cumsum(inputs.lengths) - inputs.lengths, inputs.lengths)
    return Segments(inputs.ids[place < np.repeat(kept, inputs.lengths)], kept)


class Layout:
    """Where the sequences of pieces stand in rows of one width: one after another, from the first place.

    Args:
        width: places of a row.
        pad_to_multiple_of: make the rows only as wide as the longest, rounded up to this multiple.

    Raises:
        ValueError: the sequences of a row are longer than ``width``: a fault of the collator.
    """

    def __init__(self, lengths: Integers, rows: Rows, *, width: int, pad_to_multiple_of: int | None) -> None:
        self._rows, self._lengths = rows, lengths
        self._totals = row_sums(lengths, rows.piece_row, len(rows.sizes))
        longest = int(self._totals.max(initial=0))
        if longest > width:
            raise ValueError(f"a row takes {longest} places of {width}")
        if pad_to_multiple_of is not None:
            width = min(width, max(1, -(-longest // pad_to_multiple_of)) * pad_to_multiple_of)
        self.width = width
        self._taken = None if (self._totals == width).all() else np.arange(width) < self._totals[:, None]

    def write(self, values: npt.NDArray[Scalar], fill: int | bool) -> npt.NDArray[Scalar]:
        """Flat values as rows, ``fill`` in the places that are left: (B, width). Full rows share their memory."""
        if self._taken is None:
            return values.reshape(-1, self.width)
        placed = np.full(self._taken.shape, fill, values.dtype)
        placed[self._taken] = values
        return placed

    def document_ids(self) -> Integers:
        """The number of the piece in its row, from 1; 0 on padding."""
        first = self._rows.first_piece
        numbers = np.arange(1, len(first) + 1) - first
        return self.write(np.repeat(numbers, self._lengths), 0)

    def position_ids(self) -> Integers:
        """Positions, which restart at every piece and at padding."""
        ends = np.cumsum(self._lengths)
        positions = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - self._lengths, self._lengths)
        if self._taken is None:
            return positions.reshape(-1, self.width)
        placed = np.arange(self.width) - self._totals[:, None]
        placed[self._taken] = positions
        return placed


def shift_right(targets: Segments, start: int) -> Integers:
    """What a decoder reads when it is to predict each target: the one before, after a start token in each piece."""
    shifted = np.empty_like(targets.ids)
    shifted[1:] = targets.ids[:-1]
    shifted[(np.cumsum(targets.lengths) - targets.lengths)[targets.lengths > 0]] = start
    return shifted


def encoder_decoder_batch(
    inputs: Segments,
    targets: Segments,
    rows: Rows,
    *,
    widths: tuple[int, int],
    pad: int,
    start: int,
    pad_to_multiple_of: int | None,
) -> dict[str, Integers]:
    """The batch of an encoder and a decoder, int64 (B, width of inputs) and (B, width of targets).

    A piece has the same number in ``document_ids`` and ``decoder_document_ids``, also where one of the two is empty.
    """
    source = Layout(inputs.lengths, rows, width=widths[0], pad_to_multiple_of=pad_to_multiple_of)
    target = Layout(targets.lengths, rows, width=widths[1], pad_to_multiple_of=pad_to_multiple_of)
    return {
        "input_ids": source.write(inputs.ids, pad),
        "position_ids": source.position_ids(),
        "document_ids": source.document_ids(),
        "decoder_input_ids": target.write(shift_right(targets, start), pad),
        "decoder_document_ids": target.document_ids(),
        "labels": target.write(targets.ids, IGNORED),
    }
