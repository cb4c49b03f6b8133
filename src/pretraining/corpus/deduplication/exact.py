"""``exact_deduplication``: documents with the same text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.deduplication.hashing import ccnet_form, hash_pair
from pretraining.corpus.deduplication.parts import Shape
from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Rule


class ExactDeduplication(DocumentDeduplication):
    """Group documents of equal hash."""

    rules = (Rule("exact_duplicate", ">=", unit="share"),)
    shape = Shape(bands=1, rows=2, precision=64)

    def parameters(self) -> dict[str, Any]:
        """See the base class."""
        return {"normalize": self.section.normalize}

    def signature(self, draft: Draft) -> NDArray[np.uint64]:
        """The hash of the text in the form in which it is compared."""
        text = ccnet_form(draft.text) if self.section.normalize == "ccnet" else draft.text
        return np.array(hash_pair(text), dtype=np.uint64)
