"""``bloom_deduplication``: documents or lines that a Bloom filter has seen, in the memory of the filter alone."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.hashing import hash_pair
from pretraining.corpus.deduplication.lines import cut_lines, line_spans, normalized
from pretraining.corpus.deduplication.spans import CuttingStep, Span, SpanCollector, Spans
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.step import Preparation, Rule
from pretraining.errors import DataError


class BloomDeduplication(CuttingStep):
    """Remove documents, or cut lines, that the filter has seen, one after the other in reading order.

    ``decide`` writes ``bloom.json``: ``items`` (documents or lines), ``different``, ``bits``, and
    ``expected_false_removals``, an upper bound.
    """

    def __init__(self, section: StepSection, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self.lines = self.section.unit == "line"
        if self.lines:
            self.rules = (Rule("too_much_removed", ">", "max_removed", "share"),)
            self.edits = ("lines_removed", "characters_removed")
        else:
            self.rules = (Rule("seen_before", ">=", None, "share", constant=1.0),)
        self._collected = SpanCollector()
        self._pairs = array("Q")

    def prepare(self, preparation: Preparation) -> None:
        """Raise DataError where rbloom is not installed."""
        try:
            import rbloom  # noqa: F401
        except ImportError as error:
            raise DataError(
                "`bloom_deduplication` needs rbloom, which is not installed\n    pip install 'rbloom>=1.5,<2'"
            ) from error

    def sign(self, draft: Draft) -> None:
        """Remember 128 bits of each unit, and where it stands: 32 bytes."""
        text = draft.text
        spans: list[Span] = list(line_spans(text)) if self.lines else [(0, len(text))]
        self._collected.add(spans, ())
        for start, end in spans:
            self._pairs.extend(hash_pair(normalized(text[start:end], self.section.normalize)))

    def save(self, folder: Path, rank: int) -> None:
        """Write spans and hashes."""
        self._collected.spans().save(folder / f"units-{rank:05d}.npz")
        np.save(folder / f"pairs-{rank:05d}.npy", np.array(self._pairs, dtype=np.uint64))
        self._collected, self._pairs = SpanCollector(), array("Q")

    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """Show everything to the filter, in reading order."""
        from rbloom import Bloom

        section = self.section
        paths = [folder / f"pairs-{rank:05d}.npy" for rank in range(len(counts))]
        items = sum(len(np.load(path, mmap_mode="r")) // 2 for path in paths)
        room = section.expected_items or max(1, items)
        bloom = Bloom(room, section.false_positive_rate, hash_func=int)
        different = 0
        for rank, path in enumerate(paths):
            seen = np.frombuffer(_seen(bloom, path), dtype=bool)
            different += int((~seen).sum())
            if different > room:
                raise DataError(
                    f"bloom_deduplication: more than expected_items = {room:,} different {section.unit}s: the filter's "
                    f"false_positive_rate would no longer hold\n    set expected_items to {items:,} (all that came), "
                    "or leave it out"
                )
            units = Spans.load(folder / f"units-{rank:05d}.npz")
            units.only(seen, np.full(int(seen.sum()), -1)).save(folder / f"cuts-{rank:05d}.npz")
        summary = {
            "items": items,
            "different": different,
            "bits": bloom.size_in_bits,
            "expected_false_removals": expected_false_removals(different, section.false_positive_rate),
        }
        (folder / "bloom.json").write_text(json.dumps(summary) + "\n")

    def run(self, draft: Draft) -> Iterator[float]:
        """The share of the characters that was cut; for whole documents 1 if the filter has seen it, else 0."""
        spans = self.next_cuts()
        yield cut_lines(self, draft, spans) if self.lines else float(bool(spans))


def _seen(bloom: Any, path: Path) -> bytearray:
    """For each pair of numbers whether the filter has seen it; then it has."""
    seen = bytearray()
    pairs = np.load(path, mmap_mode="r").reshape(-1, 2)
    for begin in range(0, len(pairs), 1 << 16):
        for low, high in pairs[begin : begin + (1 << 16)].view(np.int64).tolist():
            key = (high << 64) | (low & 0xFFFFFFFFFFFFFFFF)
            if key in bloom:
                seen.append(1)
            else:
                seen.append(0)
                bloom.add(key)
    return seen


def expected_false_removals(different: int, rate: float) -> float:
    """At most so many new things are taken for repeated, on average, until the filter has its ``rate``."""
    return math.ceil(different * rate * 1e6) / 1e6
