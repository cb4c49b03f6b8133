"""All the ways in which words can be put together from pieces, for many words at once, in flat arrays.

A node is a place in a word: before, between and after its characters. Words are sorted by length, longest first, and
nodes are numbered place by place, so that what happens at one place of all words is one slice of an array::

    place    0      1      2      3
    abc      0 ──── 3 ──── 6 ──── 8        a match is a piece from one node to a later one,
    aab      1 ──── 4 ──── 7 ──── 9        here "ab": from 0 to 6 and from 4 to 9
    b        2 ──── 5

Sums run in a fixed order, in one thread: the same words and pieces give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Small = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Strings:
    """Many strings in one array: string ``i`` is ``codes[begins[i]:begins[i] + lengths[i]]``."""

    codes: Small
    begins: Ints
    lengths: Ints

    def take(self, indices: Ints) -> Strings:
        """Some of the strings, in the order of ``indices``, laid out anew."""
        lengths = self.lengths[indices]
        begins = np.cumsum(lengths) - lengths
        at = np.arange(int(lengths.sum())) + np.repeat(self.begins[indices] - begins, lengths)
        return Strings(self.codes[at], begins, lengths)

    def owners(self) -> Small:
        """The string that each code belongs to (of strings that lie one behind the other)."""
        return np.repeat(np.arange(len(self.lengths), dtype=np.int32), self.lengths)


def find_matches(words: Strings, pieces: Strings, alphabet: int) -> Iterator[tuple[Small, Small]]:
    """For each length from 1: (places in ``words.codes`` where a piece of that length begins, which piece it is).

    Pieces and words grow by one character at a time; a beginning is known by its number among all of that length.

    Args:
        alphabet: one more than the largest code.
    """
    ends = np.repeat((words.begins + words.lengths).astype(np.int32), words.lengths)
    place = np.arange(len(words.codes), dtype=np.int32)
    number = np.zeros(len(place), np.int64)
    active, prefix = np.arange(len(pieces.lengths)), np.zeros(len(pieces.lengths), np.int64)
    for length in range(1, int(pieces.lengths.max(initial=0)) + 1):
        key = prefix * alphabet + pieces.codes[pieces.begins[active] + length - 1]
        known, prefix = np.unique(key, return_inverse=True)
        inside = place + length <= ends[place]
        place, number = place[inside], number[inside]
        wanted = number * alphabet + words.codes[place + length - 1]
        number = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        same = known[number] == wanted
        place, number = place[same], number[same]
        complete = pieces.lengths[active] == length
        piece = np.full(len(known), -1, np.int32)
        piece[prefix[complete]] = active[complete]
        is_piece = piece[number] >= 0
        yield place[is_piece], piece[number[is_piece]]
        active, prefix = active[~complete], prefix[~complete]


class Lattice:
    """The matches of ``pieces`` in ``words``, which are sorted by length, longest first.

    Args:
        alphabet: one more than the largest code; the first so many pieces are the single characters.
        proper: leave out the match of a whole word, so that it has to be put together from shorter pieces.
    """

    def __init__(self, words: Strings, pieces: Strings, alphabet: int, *, proper: bool = False) -> None:
        self.words = len(words.lengths)
        places = np.arange(int(words.lengths.max(initial=0)) + 1)
        # Words that have a place: the first so many, because they are sorted.
        having = np.searchsorted(-words.lengths, -places, side="right")
        self._limits = np.cumsum([0, *having])
        self._ends = self._limits[words.lengths] + np.arange(self.words)
        owner = words.owners()
        within = np.arange(len(words.codes), dtype=np.int32) - words.begins.astype(np.int32)[owner]
        sources, targets, matched = [], [], []
        for length, (at, found) in enumerate(find_matches(words, pieces, alphabet), start=1):
            wanted = words.lengths[owner[at]] > length if proper else slice(None)
            word, begin, piece = owner[at][wanted], within[at][wanted], found[wanted]
            sources.append((self._limits[begin] + word).astype(np.int32))
            targets.append((self._limits[begin + length] + word).astype(np.int32))
            matched.append(piece)
        target = np.concatenate(targets)
        order = np.argsort(target, kind="stable")
        self._source, self._piece = np.concatenate(sources)[order], np.concatenate(matched)[order]
        self._matches = np.bincount(target, minlength=int(self._limits[-1]))

    def keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Leave out the matches of pieces that are not ``kept``; the others are numbered anew, in their order."""
        stays = kept[self._piece]
        node = np.repeat(np.arange(len(self._matches), dtype=np.int32), self._matches)
        self._matches = np.bincount(node[stays], minlength=len(self._matches))
        self._source = self._source[stays]
        self._piece = (np.cumsum(kept) - 1).astype(np.int32)[self._piece[stays]]

    def expected(self, weights: Floats, counts: Floats) -> Floats:
        """How often each piece is expected in the words, float64 [pieces]: forward and backward sums.

        Args:
            weights: of each piece, probabilities or any multiple c ** length of them.
            counts: how often each word was seen.
        """
        forward = np.ones(int(self._limits[-1]))
        for nodes, matches, begins in self._places():
            reached = forward[self._source[matches]] * weights[self._piece[matches]]
            forward[nodes] = np.add.reduceat(reached, begins)
        backward = np.zeros(len(forward))
        backward[self._ends] = counts / forward[self._ends]
        total = np.zeros(len(weights))
        for nodes, matches, _ in reversed(list(self._places())):
            source, piece = self._source[matches], self._piece[matches]
            going_on = np.repeat(backward[nodes], self._matches[nodes]) * weights[piece]
            total += np.bincount(piece, weights=going_on * forward[source], minlength=len(weights))
            backward[source] += going_on  # no two matches that end at one place begin at the same node
        return total

    def best_paths(self, scores: Floats) -> Iterator[tuple[Ints, Ints]]:
        """The best way to put each word together, from the end: (words that go on, the piece that comes next).

        Args:
            scores: log-probabilities of the pieces. Of equally good ways, the one with the shorter last piece.
        """
        best = np.zeros(int(self._limits[-1]))
        through = np.zeros(len(best), np.int32)
        for nodes, matches, begins in self._places():
            reached = best[self._source[matches]] + scores[self._piece[matches]]
            best[nodes] = np.maximum.reduceat(reached, begins)
            target = np.repeat(np.arange(nodes.start, nodes.stop), self._matches[nodes])
            winning = np.flatnonzero(reached == best[target])[::-1]  # the first of them is written last
            through[target[winning]] = winning + matches.start
        word, node = np.arange(self.words), self._ends
        while len(word):
            match = through[node]
            yield word, self._piece[match].astype(np.int64)
            node = self._source[match].astype(np.int64)
            going_on = node >= self.words
            word, node = word[going_on], node[going_on]

    def _places(self) -> Iterator[tuple[slice, slice, Ints]]:
        """For each place after the first: its nodes, the matches that end there, and where those of each node begin."""
        ends = np.cumsum(self._matches)
        for begin, end in pairwise(self._limits[1:].tolist()):
            first = int(ends[begin - 1])
            yield slice(begin, end), slice(first, int(ends[end - 1])), ends[begin - 1 : end - 1] - first
