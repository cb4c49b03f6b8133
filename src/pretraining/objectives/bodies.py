"""Documents without the tokens that frame them, and their sentences."""

from __future__ import annotations

import numpy as np

from pretraining.objectives.rows import Integers
from pretraining.objectives.spans import Bools, Spans


def bodies(ids: Integers, lengths: Integers, special: Bools) -> Spans:
    """What is left of each piece without the special tokens at its ends: a span each, empty where it is all special.

    Args:
        ids: the flat tokens.
        lengths: (P,), all positive.
        special: (V,), by token id.
    """
    starts = np.cumsum(lengths) - lengths
    if not len(starts):
        return Spans(starts, starts, starts)
    places, ordinary = np.arange(len(ids)), ~special[ids]
    first = np.minimum.reduceat(np.where(ordinary, places, len(ids)), starts)
    end = np.maximum.reduceat(np.where(ordinary, places + 1, 0), starts)
    empty = end == 0
    return Spans(np.arange(len(lengths)), np.where(empty, starts, first), np.where(empty, 0, end - first))


def sentences(ids: Integers, body: Spans, ends: Bools) -> Spans:
    """The sentences of the bodies, which they fill: each ends with the last of one or more end tokens.

    Args:
        ends: (V,), the token ids that end a sentence.
    """
    inside = body.mask(len(ids))
    closes = ends[ids] & inside
    closes[:-1] &= ~closes[1:]
    filled = body.length > 0
    closes[(body.start + body.length - 1)[filled]] = True
    stops = np.flatnonzero(closes) + 1
    piece = body.piece[filled][np.searchsorted((body.start + body.length)[filled], stops)]
    starts = np.append(0, stops)[:-1]
    first = np.diff(piece, prepend=-1) > 0
    starts[first] = body.start[piece[first]]
    return Spans(piece, starts, stops - starts)
