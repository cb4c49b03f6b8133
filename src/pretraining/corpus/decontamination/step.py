"""``decontamination``: documents that share n-grams with benchmarks are removed, or what they share is cut."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.decontamination.index import FILE, Index, build_index
from pretraining.corpus.decontamination.words import ngram_hashes, plain_words, word_spans
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import Preparation, Rule, Step

EVIDENCE = 20
"""Items of one document whose matching words are kept; the ids of all are."""
WORDS_SHOWN = 60
"""Words of the longest overlap with an item that are kept."""

Match = tuple[int, int, NDArray[np.uint32]]
"""First word, the one after the last, the items that have these words."""


class Decontamination(Step):
    """Look up every n-gram of a document among those of the benchmarks."""

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        if self.section.action == "remove":
            self.rules = (Rule("contaminated", ">=", "min_matches", "n-grams"),)
        else:
            self.rules = (Rule("too_many_pieces", ">", "max_pieces", "pieces"),)
            self.edits = ("passages_removed", "characters_removed")
        self._index: Index | None = None

    def prepare(self, preparation: Preparation) -> None:
        """Read the benchmarks; DataError where one is not there or cannot be read."""
        build_index(self.section, preparation.folder, preparation.base)

    def open(self, preparation: Preparation) -> None:
        """Map the index."""
        self._index = _index(preparation.folder, (preparation.folder / FILE).stat().st_mtime_ns)

    def run(self, draft: Draft) -> Iterator[float]:
        """The number of overlaps (``action: remove``), or of pieces that the document falls into."""
        words = draft.view(plain_words)
        matches = self._matches(words)
        if matches:
            draft.fields.update(self._evidence(words, matches))
        if self.section.action == "remove":
            yield float(len({start for start, _, _ in matches}))
            return
        if len({start for start, _, _ in matches}) < self.section.min_matches:
            yield 1.0
            return
        before = draft.text
        passages = self._passages(before, matches)
        pieces = _pieces(before, passages)
        draft.text = "\n\n".join(piece for piece in pieces if len(piece) >= self.section.min_piece)
        self.edited = {"passages_removed": len(passages), "characters_removed": len(before) - len(draft.text)}
        yield float(len(pieces))

    def _matches(self, words: list[str]) -> list[Match]:
        assert self._index is not None
        found = []
        for length in self._index.lengths:
            places, numbers = self._index.find(ngram_hashes(words, length))
            for start, number in zip(places.tolist(), numbers.tolist(), strict=True):
                found.append((start, start + length, self._index.items(number)))
        return sorted(found, key=lambda match: match[:2])

    def _evidence(self, words: list[str], matches: list[Match]) -> dict[str, Any]:
        assert self._index is not None
        overlaps: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for start, end, items in matches:
            for item in items.tolist():
                overlaps[item].append((start, end))
        places: dict[str, set[int]] = defaultdict(set)
        ids: dict[str, list[str]] = defaultdict(list)
        evidence: list[dict[str, Any]] = []
        for item, spans in sorted(overlaps.items(), key=lambda entry: (-len(entry[1]), entry[0])):
            benchmark, identifier = self._index.name(item)
            places[benchmark].update(start for start, _ in spans)
            ids[benchmark].append(identifier)
            if len(evidence) < EVIDENCE:
                start, end = max(_joined(spans), key=lambda span: span[1] - span[0])
                shown = " ".join(words[start : min(end, start + WORDS_SHOWN)])
                found = {"benchmark": benchmark, "item": identifier, "ngrams": len(spans), "longest": end - start}
                evidence.append({**found, "words": shown})
        return {
            "contamination": {benchmark: len(starts) for benchmark, starts in places.items()},
            "contamination_items": dict(ids),
            "contamination_evidence": evidence,
        }

    def _passages(self, text: str, matches: list[Match]) -> list[tuple[int, int]]:
        """Spans of characters to cut: the overlaps with their margins, whole words."""
        margin = self.section.margin
        spans = word_spans(text)
        passages = []
        for start, end in _joined([match[:2] for match in matches]):
            low, high = max(0, int(spans[start, 0]) - margin), min(len(text), int(spans[end - 1, 1]) + margin)
            before, after = np.searchsorted(spans[:, 0], low, "right") - 1, np.searchsorted(spans[:, 1], high, "left")
            if before >= 0 and spans[before, 1] > low:
                low = int(spans[before, 0])
            if after < len(spans) and spans[after, 0] < high:
                high = int(spans[after, 1])
            passages.append((low, high))
        return _joined(passages)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans (starts ascending) of which those that touch have become one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _pieces(text: str, passages: list[tuple[int, int]]) -> list[str]:
    edges = [0, *(edge for passage in passages for edge in passage), len(text)]
    pieces = (text[start:end].strip() for start, end in zip(edges[::2], edges[1::2], strict=True))
    return [piece for piece in pieces if piece]


@lru_cache(maxsize=4)
def _index(folder: Path, changed: int) -> Index:
    return Index(folder)
