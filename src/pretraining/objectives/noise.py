"""BART's noise on the flat tokens of a batch: masked spans, permuted sentences, rotated documents."""

from __future__ import annotations

import numpy as np

from pretraining.objectives.rows import Integers, Rows
from pretraining.objectives.spans import (
    CLEAN_PARTS,
    NOISE_PARTS,
    NOISE_SHARES,
    OWN,
    Bools,
    Floats,
    PieceDraws,
    Spans,
    apportion,
    choose,
    row_sums,
    sampled_lengths,
)

SENTENCES, SENTENCE_ORDER, MARKS, ROTATED, OFFSETS = range(OWN, OWN + 5)


def permuted(body: Spans, sentences: Spans, share: float, size: int, draws: PieceDraws) -> Integers:
    """The order of the flat tokens after ``share`` of the sentences of each piece changed places: (size,).

    ``round(share * sentences)`` are drawn, and each comes to stand in the place of a random one of them, perhaps its
    own; the others stay where they are in the order of sentences.
    """
    _, counts = sentences.counts(len(body.piece))
    picks = np.rint(share * counts).astype(np.int64)
    slots = np.flatnonzero(choose(counts, picks, draws.halves(counts, stream=SENTENCES)))
    words = draws.words(counts, stream=SENTENCE_ORDER)[slots]
    order = np.arange(len(sentences.piece))
    order[slots] = slots[np.lexsort((words, sentences.piece[slots]))]
    tokens = np.arange(size)
    tokens[body.mask(size)] = sentences.take(order).gather(np.arange(size))
    return tokens


def masked_spans(body: Spans, rows: Rows, draws: PieceDraws, *, share: float, distribution: Floats | None) -> Spans:
    """Spans to mask or delete, ``round(share * tokens)`` tokens of each row, shared out over its pieces.

    Args:
        distribution: probabilities of the lengths 0, 1, ...; None for single tokens, every set equally likely. Spans do
            not overlap, and stand at gaps of the text that is left that are drawn with repetition, so that two may
            touch. (In the reference they overlap, which hides 26.7 % where 30 % were meant.)
    """
    budgets = np.rint(share * row_sums(body.length, rows.piece_row, len(rows.sizes))).astype(np.int64)
    hidden = apportion(budgets, body.length, rows, stream=NOISE_SHARES)
    shift = body.start - (np.cumsum(body.length) - body.length)  # from the tokens of all bodies to all tokens
    if distribution is None:
        chosen = np.flatnonzero(choose(body.length, hidden, draws.halves(body.length, stream=NOISE_PARTS)))
        piece = np.repeat(body.piece, hidden)
        return Spans(piece, chosen + shift[piece], np.ones_like(chosen))
    counts, lengths = sampled_lengths(hidden, distribution, draws)
    piece = np.repeat(body.piece, counts)
    left = body.length - hidden
    gaps = (draws.uniform(counts, stream=CLEAN_PARTS) * (left[piece] + 1)).astype(np.int64)
    gaps += (np.cumsum(left) - left)[piece]
    order = np.argsort(gaps + piece, kind="stable")  # a piece ends at the gap where the next begins
    lengths = lengths[order]
    return Spans(piece, gaps[order] + np.cumsum(lengths) - lengths + shift[piece], lengths)


def fitting(spans: Spans, rows: Rows, width: int) -> Spans:
    """Without the empty spans that would make a row longer than ``width``: each of them adds a mask."""
    batch, row, empty = len(rows.sizes), rows.piece_row[spans.piece], spans.length == 0
    room = width - rows.sizes + np.bincount(row, spans.length - ~empty, batch).astype(np.int64)
    total = np.cumsum(empty)
    rank = total - (total - empty)[np.searchsorted(row, row)]
    keep: Bools = ~empty | (rank <= room[row])
    return spans if keep.all() else spans.take(keep)


def mask_ids(counts: Integers, draws: PieceDraws, *, mask: int, ordinary: Integers, random_share: float) -> Integers:
    """Masks, or a random ordinary token for ``random_share`` of them: ``counts`` (P,) for each piece, end to end."""
    drawn = draws.uniform(counts, stream=MARKS)
    chance = (drawn * (len(ordinary) / max(random_share, 1e-9))).astype(np.int64)
    return np.where(drawn < random_share, ordinary[np.minimum(chance, len(ordinary) - 1)], mask)


def rotated(body: Spans, share: float, size: int, draws: PieceDraws) -> Integers:
    """The order of the flat tokens after ``share`` of the bodies were rotated to begin with any of their tokens."""
    turned = draws.uniform(np.ones_like(body.length), stream=ROTATED) < share
    offsets = np.where(turned, draws.below(body.length, stream=OFFSETS), 0)
    tokens = np.arange(size)
    inside = body.mask(size)
    place = tokens[inside] - np.repeat(body.start, body.length)
    place = (place + np.repeat(offsets, body.length)) % np.repeat(body.length, body.length)
    tokens[inside] = place + np.repeat(body.start, body.length)
    return tokens
