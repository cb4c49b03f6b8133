"""Masking in place: which tokens of packed rows become targets, and what stands in their place.

One path serves every unit. Tokens that may be chosen are grouped into words, words into n-grams or spans; units are
taken in random order until the row's budget of tokens is met::

    tokens      [CLS] the  un ##believ ##able  story  of [SEP]          budget 2 of 6
    words              0   1    1        1      2     3
    whole_word         .   .    .        .      x     x                 the word of 3 tokens does not fit
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pretraining.errors import DataError
from pretraining.objectives.draws import bits, mix
from pretraining.objectives.rows import IGNORED, Rows
from pretraining.objectives.sections.masked import MaskingSection
from pretraining.objectives.selection import below, bits_at, choose, fill, members
from pretraining.objectives.units import WordTable, fill_with_words, placed_units, single_words, unit_lengths
from pretraining.objectives.vocabulary import Vocabulary, named_token
from pretraining.objectives.words import WordStarts

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SELECTION, REPLACEMENT, LENGTHS = range(3)
"""Streams of draws of a sample's key."""


class Masked(NamedTuple):
    """Rows with targets: ``input_ids`` and ``labels`` int64 (B, W), -100 where nothing is predicted; ``places`` int64
    (n,), the targets in order, counted over the flattened batch."""

    input_ids: Integers
    labels: Integers
    places: Integers


class Masker:
    """Chooses and replaces the targets of a batch.

    Every real token that is not special may be chosen, by BERT's rule a share of them exactly: ``max(1, round(p *
    candidates))`` in a row (whole words: as many as fit into that). Spans and n-grams are placed at random without
    overlap, so that their lengths are those that were drawn; the published loops let them run into each other.
    A random replacement is an ordinary token, never a special one.

    Args:
        tokenizer: a fast tokenizer of transformers with a mask token.
        vocabulary: its tables.

    Raises:
        DataError: there is no mask token, or words are asked for and cannot be told.
    """

    def __init__(self, tokenizer: Any, vocabulary: Vocabulary, section: MaskingSection) -> None:
        self.section = section
        self.vocabulary = vocabulary
        self.mask_token_id = named_token(tokenizer, "mask_token")
        self._words = None
        if section.unit != "token":
            self._words = WordStarts(tokenizer, self.vocabulary, segmenter=section.segmenter)
        self._lengths = unit_lengths(section)

    def __call__(self, rows: Rows, samples: Sequence[dict[str, Any]]) -> Masked:
        """Mask ``rows``, made of ``samples`` with this vocabulary's padding; neither is changed.

        Raises:
            DataError: the rate changes with the training, and a sample does not carry its ``progress``.
        """
        places = self._choose(rows, self._rates(samples))
        labels = np.full(rows.ids.shape, IGNORED, np.int64)
        labels.ravel()[places] = rows.ids.ravel()[places]
        return Masked(self._replace(rows, places), labels, places)

    def _rates(self, samples: Sequence[dict[str, Any]]) -> Floats:
        """(B,): the share of targets of each row."""
        first, final = self.section.mlm_probability, self.section.final_mlm_probability
        if final is None:
            return np.full(len(samples), first)
        missing = [sample for sample in samples if not _is_share(sample.get("progress"))]
        if missing:
            raise DataError(
                f"final_mlm_probability = {final}: the masking rate follows the training, but the sample "
                f"{missing[0].get('index', '')} has no `progress` (0 at its start, 1 at its end); add it to the "
                "samples, or leave final_mlm_probability out"
            )
        progress = np.array([sample["progress"] for sample in samples], np.float64)
        return first + (final - first) * progress

    def _choose(self, rows: Rows, rates: Floats) -> Integers:
        """(n,): the flat places of the targets, in order."""
        batch, width = rows.ids.shape
        candidates = ~self.vocabulary.special[rows.ids]
        places = np.flatnonzero(candidates)
        bounds = np.searchsorted(places, np.arange(batch + 1) * width)
        count = np.diff(bounds)
        budget = np.where(count > 0, np.maximum(1, np.rint(rates * count)), 0).astype(np.int64)
        if self._words is None:
            if self.section.exact:
                return np.flatnonzero(choose(rows.keys, candidates, budget, stream=SELECTION))
            candidates &= below(bits(rows.keys, width, stream=SELECTION), rates[:, None])
            return np.flatnonzero(candidates)
        words = self._word_table(rows, candidates, places, bounds)
        if not self.section.exact:
            picked = below(bits(rows.keys, words.width, stream=SELECTION), rates[:, None])
            known = picked[np.arange(words.width) < words.counts[:, None]]
            return places[np.repeat(known, np.diff(words.before))]
        if self._lengths is None:
            first, size = single_words(rows.keys, words, stream=SELECTION)
        else:
            first, size = placed_units(rows.keys, words, budget, self._lengths, streams=(SELECTION, LENGTHS))
        if self.section.unit == "ngram":
            return places[members(first, fill_with_words(words, first, size, budget))]
        return places[members(first, fill(size, budget, cut=self.section.unit == "span"))]

    def _word_table(self, rows: Rows, candidates: Mask, places: Integers, bounds: Integers) -> WordTable:
        assert self._words is not None
        starts = self._words(rows.ids)
        starts[:, 1:] |= ~candidates[:, :-1]
        starts[:, :1] = True
        starts[rows.piece_row, rows.piece_start] = True
        before = np.flatnonzero(starts.ravel()[places])
        return WordTable(np.append(before, len(places)), np.searchsorted(before, bounds))

    def _replace(self, rows: Rows, places: Integers) -> Integers:
        """(B, W): the ids with what stands in the targets' place; for spans one decision holds for a whole run."""
        words = bits_at(rows.keys, *np.divmod(places, rows.ids.shape[1]), stream=REPLACEMENT)
        decision = words
        if self.section.unit == "span":
            begins = run_begins(rows, places)
            decision = words[begins][np.cumsum(begins) - 1]
        masked = below(decision, self.section.mask_replace_prob)
        random = below(decision, self.section.mask_replace_prob + self.section.random_replace_prob) & ~masked
        found: Integers = rows.ids.copy()
        found.ravel()[places[masked]] = self.mask_token_id
        # A word decides what stands here and, mixed once more, which token.
        share = (mix(words[random]) >> np.uint64(11)) * 2.0**-53
        ordinary = self.vocabulary.ordinary
        found.ravel()[places[random]] = ordinary[(share * len(ordinary)).astype(np.int64)]
        return found


def _is_share(progress: Any) -> bool:
    try:
        return 0.0 <= float(progress) <= 1.0
    except (TypeError, ValueError):
        return False


def run_begins(rows: Rows, places: Integers) -> Mask:
    """(n,): the targets that begin a run of targets in a piece; ``places`` as in ``Masked``."""
    width = rows.ids.shape[1]
    begins = np.zeros(rows.ids.size, bool)
    begins[rows.piece_row * width + rows.piece_start] = True
    found: Mask = begins[places]
    found |= np.diff(places, prepend=-2) != 1
    return found
