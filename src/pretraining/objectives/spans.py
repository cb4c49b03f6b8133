"""Random spans in the documents of a batch, all at once.

Nothing here has padding: the tokens of all pieces of a batch stand one after another in a flat array, and what
belongs to pieces (lengths, numbers of spans) in arrays of one number a piece::

    tokens    a0 a1 a2 a3 a4 | b0 b1 b2      lengths [5, 3]
    spans           -----         -----      piece [0, 1]   start [2, 6]   length [2, 2]

"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pretraining.objectives.draws import Keys, bits
from pretraining.objectives.rows import Integers, Rows

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# The draws of a sample that these functions make; those of a collator of its own begin at OWN.
SPAN_SHARES, NOISE_SHARES, NOISE_PARTS, CLEAN_PARTS, SPAN_LENGTHS, LENGTH_ORDER, PREFIXES, OWN = range(8)

Halves = npt.NDArray[np.uint32]


class PieceDraws:
    """Random numbers for the pieces of a batch; those of a row come from its key alone.

    ``P`` pieces in ``B`` rows.
    """

    def __init__(self, rows: Rows) -> None:
        self.keys, self.piece_row = rows.keys, rows.piece_row

    def words(self, counts: Integers, *, stream: int) -> Keys:
        """``counts`` (P,) random words for every piece, one after another: uint64 (counts.sum(),)."""
        totals = row_sums(counts, self.piece_row, len(self.keys))
        most = int(totals.max(initial=0))
        drawn = bits(self.keys, most, stream=stream)
        if (totals == most).all():
            return drawn.ravel()
        return drawn[np.arange(most) < totals[:, None]]

    def halves(self, counts: Integers, *, stream: int) -> Halves:
        """As ``words``, half as long and twice as fast: uint32."""
        totals = row_sums(counts, self.piece_row, len(self.keys))
        most = int(totals.max(initial=0))
        drawn = bits(self.keys, -(-most // 2), stream=stream).view(np.uint32)[:, :most]
        if (totals == most).all():
            return drawn.ravel()
        return drawn[np.arange(most) < totals[:, None]]

    def uniform(self, counts: Integers, *, stream: int) -> Floats:
        """As ``words``, numbers in ``[0, 1)``."""
        drawn: Floats = (self.words(counts, stream=stream) >> np.uint64(11)) * 2.0**-53
        return drawn

    def below(self, high: Integers, *, stream: int) -> Integers:
        """One integer in ``0 .. high - 1`` for every piece: int64 (P,); 0 where ``high`` is below 1."""
        drawn = self.uniform(np.ones_like(high), stream=stream) * high
        return np.maximum(np.minimum(drawn.astype(np.int64), high - 1), 0)


def row_sums(values: npt.NDArray[np.integer], piece_row: Integers, batch: int) -> Integers:
    """Sums of the pieces' values by row: int64 (B,)."""
    return np.bincount(piece_row, values, batch).astype(np.int64)


def flat_ids(rows: Rows) -> Integers:
    """The tokens of all pieces, one after another, without padding."""
    return rows.ids.ravel() if (rows.sizes == rows.ids.shape[1]).all() else rows.ids[rows.real]


def choose(counts: Integers, picks: Integers, halves: Halves) -> Bools:
    """Choose exactly ``picks[g]`` of the ``counts[g]`` members of each group, every set equally likely.

    Args:
        counts, picks: (G,), ``0 <= picks <= counts``.
        halves: a random number for each member, (counts.sum(),); the smallest of a group are chosen.

    Returns:
        (counts.sum(),): the chosen members.
    """
    # A number of 32 bits sorts twice as fast as one of 64, and below 4,096 groups it has 20 random ones left. No group
    # has the number whose bits are all ones, so that adding 1 to a rank never overflows.
    kind: type[np.uint32 | np.uint64] = np.uint32 if len(counts) < 4096 else np.uint64
    group_bits = kind(len(counts).bit_length())
    kept_bits = kind(32) if kind is np.uint64 else kind(32) - group_bits
    groups = np.arange(len(counts), dtype=kind) << kept_bits
    ranked = np.repeat(groups, counts) | (halves if kind is np.uint64 else halves >> group_bits)
    ordered = np.sort(ranked)  # by group, then by number: a plain sort is several times as fast as an argsort
    starts = np.cumsum(counts) - counts
    limits = np.zeros(len(counts), kind)
    some = picks > 0
    limits[some] = ordered[(starts + picks)[some] - 1] + kind(1)
    chosen: Bools = ranked < np.repeat(limits, counts)
    if np.count_nonzero(chosen) != picks.sum():
        # Two agree in the bits that were kept. Their whole numbers decide: how many bits are kept depends on the batch,
        # and what is chosen must not. If these agree too, the earlier member goes first.
        order = np.lexsort((halves, np.repeat(np.arange(len(counts)), counts)))
        chosen[order] = np.arange(len(order)) - np.repeat(starts, counts) < np.repeat(picks, counts)
    return chosen


def compositions(totals: Integers, parts: Integers, halves: Halves) -> Integers:
    """Split each total into parts of at least 1, every composition equally likely.

    Args:
        totals, parts: (G,), ``1 <= parts <= totals``, or both 0.
        halves: (totals.sum(),), random numbers.

    Returns:
        (parts.sum(),): the parts of the first total, those of the second, ...
    """
    halves = halves.copy()
    halves[(np.cumsum(totals) - totals)[totals > 0]] = 0  # the first unit always begins a part
    return np.diff(np.flatnonzero(choose(totals, parts, halves)), append=len(halves))


def apportion(amounts: Integers, capacity: Integers, rows: Rows, *, stream: int) -> Integers:
    """Share out each row's amount over its pieces in proportion to their capacity, in whole numbers.

    Args:
        amounts: (B,); what is more than the capacity of the whole row is left out.
        capacity: (P,).

    Returns:
        (P,): never above the capacity, less than 1 away from the exact proportion, equal to it on average.
    """
    batch = len(rows.sizes)
    if np.array_equal(rows.piece_row, np.arange(batch)):  # one piece each
        return np.minimum(amounts, capacity)
    room = row_sums(capacity, rows.piece_row, batch)
    amounts = np.minimum(amounts, room)
    room = np.maximum(room, 1)
    offset = (bits(rows.keys, 1, stream=stream)[:, 0] % room.astype(np.uint64)).astype(np.int64)
    room, amounts, offset = (values[rows.piece_row] for values in (room, amounts, offset))
    before = np.cumsum(capacity) - capacity
    before = before - before[rows.first_piece]
    shares: Integers = ((before + capacity) * amounts + offset) // room - (before * amounts + offset) // room
    return shares


def apportion_spans(noise: Integers, spans: Integers, rows: Rows) -> tuple[Integers, Integers]:
    """Share out each row's noise tokens and spans over its pieces in proportion to their lengths.

    Args:
        noise, spans: (B,), see ``span_counts``.

    Returns:
        noise tokens and spans of the pieces, each (P,). The sums are those of the row, unless its pieces are so
        short (a handful of tokens each) that they cannot hold them. A piece with noise has ``1 <= spans <= noise``
        and ``spans <= length - noise``; one of a single token has none.
    """
    held = apportion(spans, rows.piece_length // 2, rows, stream=SPAN_SHARES)
    rest = noise - row_sums(held, rows.piece_row, len(rows.sizes))
    room = np.where(held > 0, rows.piece_length - 2 * held, 0)
    return held + apportion(np.maximum(rest, 0), room, rows, stream=NOISE_SHARES), held


@dataclass(frozen=True)
class Spans:
    """Stretches of the flat tokens: ``piece``, ``start``, ``length``, int64 (K,), ascending by piece."""

    piece: Integers
    start: Integers
    length: Integers

    def take(self, which: Integers | Bools) -> Spans:
        """These spans, in this order."""
        return Spans(self.piece[which], self.start[which], self.length[which])

    def numbers(self) -> Integers:
        """(K,): the number of each span in its piece, from 0."""
        found: Integers = np.arange(len(self.piece)) - np.searchsorted(self.piece, self.piece)
        return found

    def counts(self, pieces: int) -> tuple[Integers, Integers]:
        """(tokens in spans, spans) of each piece, each (P,)."""
        return row_sums(self.length, self.piece, pieces), np.bincount(self.piece, minlength=pieces)

    def places(self) -> Integers:
        """(length.sum(),): where the tokens of the spans stand, in their order."""
        before = np.cumsum(self.length) - self.length
        return np.repeat(self.start - before, self.length) + np.arange(self.length.sum())

    def mask(self, size: int) -> Bools:
        """(size,): the tokens in spans."""
        inside = np.zeros(size, bool)
        inside[self.places()] = True
        return inside

    def replace(self, ids: Integers, marks: npt.ArrayLike) -> Integers:
        """The tokens with a mark, int64 (K,) or one for all, for each span, also for those of length 0.

        The spans must be ascending. ``a b [c d] e [f]`` becomes ``a b M0 e M1``.
        """
        before = np.cumsum(self.length) - self.length
        if (self.length > 0).all():  # a mark takes the place of the first token of its span
            gone = Spans(self.piece, self.start + 1, self.length - 1).mask(len(ids))
            kept = ids[np.flatnonzero(~gone)]  # twice as fast as ids[~gone]
            kept[self.start - before + np.arange(len(before))] = marks
            return kept
        marks = np.broadcast_to(np.asarray(marks), self.length.shape)
        return np.insert(ids[~self.mask(len(ids))], self.start - before, marks)

    def gather(self, ids: Integers, *, before: npt.ArrayLike = (), after: npt.ArrayLike = ()) -> Integers:
        """The tokens of the spans in their order, with a token each before or after them.

        ``a b [c d] e [f]`` becomes ``M0 c d M1 f``, or ``c d M0 f M1``.
        """
        if not np.size(before) and not np.size(after):
            return ids[self.places()]
        # Each span with the token that stands beside it, which the mark then overwrites.
        longer = Spans(self.piece, self.start - bool(np.size(before)), self.length + 1)
        tokens = np.take(ids, longer.places(), mode="clip")
        ends = np.cumsum(longer.length)
        tokens[ends - longer.length if np.size(before) else ends - 1] = before if np.size(before) else after
        return tokens


def place_spans(
    lengths: Integers, counts: Integers, span_lengths: Integers, draws: PieceDraws, *, loose: npt.ArrayLike = False
) -> Spans:
    """Put spans into pieces, at least one token between two of them, every arrangement equally likely.

    Args:
        lengths: (P,), tokens of each piece.
        counts: (P,), spans of each piece.
        span_lengths: (counts.sum(),), in the order in which they stand.
        loose: (P,) or one for all: spans may begin with the first token of the piece and need not end with the
            last. Otherwise the first is never and the last always in a span, as in T5.
    """
    piece = np.repeat(np.arange(len(counts)), counts)
    clean = lengths - row_sums(span_lengths, piece, len(counts))
    ends = np.broadcast_to(np.asarray(loose, np.int64), counts.shape)
    tail = np.where((counts == 0) & (clean > 0), 1, ends)
    # Loose ends may be empty: they are split off with one token more each, which is taken away again.
    parts = compositions(clean + 2 * ends, counts + tail, draws.halves(clean + 2 * ends, stream=CLEAN_PARTS))
    last = np.cumsum(counts + tail)
    parts[(last - counts - tail)[ends > 0]] -= 1
    parts[last[ends > 0] - 1] -= 1
    part = np.arange(len(piece)) + np.repeat(np.cumsum(tail) - tail, counts)
    return Spans(piece, np.cumsum(parts)[part] + np.cumsum(span_lengths) - span_lengths, span_lengths)


def random_spans(
    lengths: Integers, noise: Integers, spans: Integers, draws: PieceDraws, *, loose: npt.ArrayLike = False
) -> Spans:
    """Spans with these totals, all of them equally likely (t5 ``random_spans_noise_mask``); all arguments (P,)."""
    return place_spans(
        lengths, spans, compositions(noise, spans, draws.halves(noise, stream=NOISE_PARTS)), draws, loose=loose
    )


def random_prefixes(lengths: Integers, noise_density: npt.ArrayLike, draws: PieceDraws) -> Integers:
    """Length of a prefix of each piece (t5 ``random_prefix_noise_mask``); all arguments (P,).

    Uniform from ``(1 - 2 * noise_density) * (length - 1)``, at least 1, to ``length - 1``, so that the rest is
    ``noise_density`` of the text on average. A piece of one token is all prefix.
    """
    most = np.maximum(lengths - 1, 1)
    least = np.clip(np.rint((1 - 2 * np.asarray(noise_density)) * (lengths - 1)).astype(np.int64), 1, most)
    return least + draws.below(most - least + 1, stream=PREFIXES)


def sampled_lengths(budgets: Integers, distribution: Floats, draws: PieceDraws) -> tuple[Integers, Integers]:
    """Draw span lengths for each piece until they reach its budget; the last is cut to hit it exactly.

    Args:
        budgets: (P,), tokens.
        distribution: probabilities of the lengths 0, 1, 2, ...

    Returns:
        counts (P,), and the lengths (counts.sum(),) in random order.
    """
    mean = float(distribution @ np.arange(len(distribution)))
    # More draws than a piece needs (5 standard deviations); the last one takes what is missing even then.
    tries = np.where(budgets > 0, np.ceil((budgets + 6 * np.sqrt(budgets) + 12) / mean), 0).astype(np.int64)
    cumulative = np.cumsum(distribution)
    drawn = np.searchsorted(cumulative / cumulative[-1], draws.uniform(tries, stream=SPAN_LENGTHS), side="right")
    piece, budget = np.repeat(np.arange(len(tries)), tries), np.repeat(budgets, tries)
    ends = np.cumsum(tries)
    first, last = (ends - tries)[tries > 0], ends[tries > 0] - 1
    total = np.cumsum(drawn)
    total -= np.repeat((total - drawn)[first], tries[tries > 0])
    reached = np.minimum(total, budget)
    reached[last] = budget[last]
    before = np.append(0, reached)[:-1]
    before[first] = 0
    used = before < budget
    piece, lengths = piece[used], (reached - before)[used]
    counts = np.bincount(piece, minlength=len(tries))
    # The one that was cut must not always stand last in the text.
    return counts, lengths[np.lexsort((draws.words(counts, stream=LENGTH_ORDER), piece))]
