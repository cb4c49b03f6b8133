"""What the tokenizer does to the text: bytes per token, tokens per word, the round trip, unused entries."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast


class Report:
    """Collects figures batch by batch while the token store is written, so the text is read only once."""

    def __init__(self, vocab_size: int) -> None:
        self._counts = np.zeros(vocab_size, np.int64)
        self._sources: dict[str, dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(("documents", "bytes", "words", "tokens"), 0)
        )
        self._documents = self._lossless = 0

    def add(self, tokenizer: PreTrainedTokenizerFast, batch: pa.RecordBatch, ids: list[npt.NDArray[Any]]) -> None:
        """Count a batch; each of ``ids`` is ``BOS tokens EOS``. Decoding every document again is the round trip."""
        texts = batch.column("text").to_pylist()
        decoded = tokenizer.backend_tokenizer.decode_batch(
            [row[1:-1].tolist() for row in ids], skip_special_tokens=False
        )
        for source, text, row, again in zip(batch.column("source").to_pylist(), texts, ids, decoded, strict=True):
            figures = self._sources[source]
            figures["documents"] += 1
            figures["bytes"] += len(text.encode())
            figures["words"] += len(text.split())
            figures["tokens"] += len(row) - 2
            self._counts += np.bincount(row[1:-1], minlength=len(self._counts))
            self._documents += 1
            self._lossless += again == text

    def result(self, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
        """The report as plain data."""
        ordinary = np.ones(len(self._counts), bool)
        ordinary[sorted(tokenizer.all_special_ids)] = False
        used = np.flatnonzero(self._counts)
        pieces = tokenizer.backend_tokenizer.decode_batch([[int(i)] for i in used])
        return {
            "vocab_size": len(self._counts),
            "vocabulary_used": float((self._counts[ordinary] > 0).mean()),
            "sources": {
                name: figures
                | {
                    "bytes_per_token": figures["bytes"] / max(1, figures["tokens"]),
                    "tokens_per_word": figures["tokens"] / max(1, figures["words"]),
                }
                for name, figures in sorted(self._sources.items())
            },
            "round_trip": {"documents": self._documents, "lossless": self._lossless},
            "longest_tokens": sorted(pieces, key=lambda piece: (-len(piece), piece))[:10],
        }
