"""The step ``perplexity_buckets``: quantiles of each language need all documents, but only counts of values."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft
from pretraining.corpus.models.perplexity import bucket
from pretraining.corpus.sections.models import PerplexityBucketsStep
from pretraining.corpus.step import GlobalStep, Preparation, Rule

_Table = dict[float, float]


class PerplexityBuckets(GlobalStep):
    """Where a document stands among those of its language.

    Perplexities have four significant digits, so a task holds one counter for each different value, not for each
    document: at most 9,000 for every power of ten, some 100 bytes each.
    """

    rules = (Rule("perplexity_quantile_too_high", ">=", "max_quantile", "share"),)
    section: PerplexityBucketsStep

    def __init__(self, section: PerplexityBucketsStep, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._counts: defaultdict[str, Counter[float]] = defaultdict(Counter)
        self._quantiles: dict[str, _Table] = {}

    def sign(self, draft: Draft) -> None:
        """Count the document's perplexity."""
        perplexity = draft.fields.get("perplexity")
        if perplexity is not None:
            self._counts[draft.language or ""][perplexity] += 1

    def save(self, folder: Path, rank: int) -> None:
        """Write the counts: language, perplexity, documents."""
        rows = {language: sorted(counts.items()) for language, counts in sorted(self._counts.items())}
        (folder / f"perplexities-{rank:05d}.json").write_text(json.dumps(rows))
        self._counts.clear()

    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """Add up the tasks' counts; the quantile of a value is the share of documents with a lower one."""
        total: defaultdict[str, Counter[float]] = defaultdict(Counter)
        for rank in range(len(counts)):
            for language, rows in json.loads((folder / f"perplexities-{rank:05d}.json").read_text()).items():
                for perplexity, documents in rows:
                    total[language][perplexity] += documents
        tables = {language: sorted(_quantiles(counts).items()) for language, counts in sorted(total.items())}
        (folder / "quantiles.json").write_text(json.dumps(tables))

    def load(self, folder: Path, rank: int) -> None:
        """Read the quantiles."""
        tables = json.loads((folder / "quantiles.json").read_text())
        self._quantiles = {language: dict(rows) for language, rows in tables.items()}

    def run(self, draft: Draft) -> Iterator[float]:
        """The quantile; NaN for a document without a perplexity."""
        perplexity = draft.fields.get("perplexity")
        if perplexity is None:
            yield math.nan
            return
        quantile = self._quantiles[draft.language or ""][perplexity]
        draft.fields["perplexity_quantile"] = round(quantile, 4)
        draft.fields["perplexity_bucket"] = bucket(quantile, self.section.head, self.section.tail)
        yield quantile


def _quantiles(counts: Counter[float]) -> _Table:
    values = sorted(counts)
    documents = np.array([counts[value] for value in values])
    below = np.cumsum(documents) - documents
    return dict(zip(values, (below / documents.sum()).tolist(), strict=True))
