"""What the tokenizer does to the text, counted while it is encoded, so that the text is read only once."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pretraining.corpus.text.languages import script, unspaced_language
from pretraining.tokenization.documents import languages
from pretraining.tokenization.encoding import Encoded, id_space
from pretraining.tokenization.round_trip import RoundTrip, around_difference
from pretraining.tokenization.special import frame

if TYPE_CHECKING:
    import pyarrow as pa

COUNTED = ("documents", "bytes", "characters", "tokens", "words", "spaced_tokens", "unspaced_characters")
"""``words`` and ``spaced_tokens`` are of documents that put spaces between words, the last is of the others."""
EXAMPLES = 3
"""Of each kind of loss."""
LISTED = 12
"""Longest and rarest tokens in the report."""
LOOKED_AT = 1000
"""Characters from which it is seen whether a document without a known language puts spaces between words."""
UNKNOWN = "unknown"


class Figures:
    """Sums over documents by source and language, counts of tokens, and what the round trip lost.

    Tokens are counted without the frame. The state fits into one file, so that counting can go on after a stop.
    """

    def __init__(self, tokenizer: Any, declared: Mapping[str, str | None]) -> None:
        self._tokenizer, self._declared = tokenizer, declared
        self._round_trip = RoundTrip(tokenizer)
        self._frame = [token for token in frame(tokenizer) if token is not None]
        self.counts = np.zeros(id_space(tokenizer), np.int64)
        self._groups: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(COUNTED))
        self._checked = 0
        self._losses: dict[str, tuple[int, list[dict[str, str]]]] = {}

    def add(self, batch: pa.RecordBatch, texts: list[str], encoded: Encoded, *, train: bool) -> None:
        """Count a batch. The round trip is over all documents, everything else over those for training."""
        column, ids = batch.column("text"), batch.column("id")
        self._checked += len(texts)
        for number, kind, text, again in self._round_trip.losses(column, encoded):
            count, examples = self._losses.get(kind, (0, []))
            if len(examples) < EXAMPLES:
                before, after = around_difference(text, again, kind)
                examples.append({"document_id": ids[number].as_py(), "text": before, "again": after})
            self._losses[kind] = count + 1, examples
        if train:
            self.counts += np.bincount(encoded.values, minlength=len(self.counts))
            self._add_sums(batch, texts, encoded)

    def _add_sums(self, batch: pa.RecordBatch, texts: list[str], encoded: Encoded) -> None:
        import pyarrow.compute as pc

        sizes = pc.binary_length(batch.column("text")).to_pylist()
        tokens = (np.diff(encoded.offsets) - len(self._frame)).tolist()
        spoken = languages(batch, self._declared)
        for text, source, language, size, count in zip(
            texts, batch.column("source").to_pylist(), spoken, sizes, tokens, strict=True
        ):
            sums = self._groups[source, language or UNKNOWN]
            for place, number in enumerate(counted(text, language, size=size, tokens=count)):
                sums[place] += number

    def save(self, path: Path, key: str, **more: Any) -> None:
        """Write the state, and ``more`` plain data with it, into one ``.npz`` file; ``key`` says what it belongs to."""
        state = {
            **more,
            "key": key,
            "groups": [[*key, sums] for key, sums in sorted(self._groups.items())],
            "checked": self._checked,
            "losses": self._losses,
        }
        with path.open("wb") as file:
            np.savez(file, counts=self.counts, state=np.array(json.dumps(state)))

    def load(self, path: Path, key: str) -> dict[str, Any]:
        """Go on from what ``save`` wrote; returns the ``more`` of it.

        Raises:
            OSError, ValueError, KeyError: there is no such file, it is damaged, or belongs to another key.
        """
        try:
            with np.load(path) as saved:
                counts, state = saved["counts"], json.loads(str(saved["state"]))
        except (EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is damaged") from error
        if state["key"] != key:
            raise ValueError(f"{path} belongs to other inputs")
        self.counts = counts
        self._checked = state.pop("checked")
        self._losses = {kind: (count, examples) for kind, (count, examples) in state.pop("losses").items()}
        for source, language, sums in state.pop("groups"):
            self._groups[source, language] = sums
        return dict(state)

    def result(self) -> dict[str, Any]:
        """The figures as plain data: ``tokens/report.json``."""
        by_source: dict[str, list[list[int]]] = defaultdict(list)
        by_language: dict[str, list[list[int]]] = defaultdict(list)
        for (source, language), sums in sorted(self._groups.items()):
            by_source[source].append(sums)
            by_language[language].append(sums)
        return {
            "vocab_size": len(self._tokenizer),
            **self._vocabulary(),
            "all": rates(self._groups.values()),
            "sources": {name: rates(each) for name, each in sorted(by_source.items())},
            "languages": {name: rates(each) for name, each in sorted(by_language.items())},
            "round_trip": {
                "documents": self._checked,
                "lossless": self._checked - sum(count for count, _ in self._losses.values()),
                "losses": {
                    kind: {"documents": count, "examples": examples}
                    for kind, (count, examples) in sorted(self._losses.items())
                },
            },
        }

    def _vocabulary(self) -> dict[str, Any]:
        """Which ordinary tokens were used, the longest of them and the rarest."""
        ordinary = np.zeros(len(self.counts), bool)
        ordinary[list(self._tokenizer.get_vocab().values())] = True
        ordinary[sorted(self._tokenizer.all_special_ids)] = False
        used = np.flatnonzero(ordinary & (self.counts > 0))
        decoded = self._tokenizer.backend_tokenizer.decode_batch([[token] for token in used.tolist()])
        rarest = used[np.argsort(self.counts[used], kind="stable")][:LISTED].tolist()
        name = dict(zip(used.tolist(), decoded, strict=True))
        return {
            "vocabulary_used": len(used) / max(1, int(ordinary.sum())),
            "unused_tokens": int(ordinary.sum()) - len(used),
            "longest_tokens": sorted(decoded, key=lambda token: (-len(token), token))[:LISTED],
            "rarest_tokens": [{"token": name[token], "count": int(self.counts[token])} for token in rarest],
        }


def counted(text: str, language: str | None, *, size: int, tokens: int) -> tuple[int, ...]:
    """The numbers of ``COUNTED`` for one document.

    Args:
        size: its bytes.
    """
    unspaced = unspaced_language(language if script(language) else None, text[:LOOKED_AT])
    return (1, size, len(text), tokens, *((0, 0, len(text)) if unspaced else (len(text.split()), tokens, 0)))


def rates(rows: Iterable[Sequence[int]]) -> dict[str, Any]:
    """The sums over rows of ``COUNTED`` by name, and what follows from them; None where there is nothing to divide by.

    ``tokens_per_word`` is over the documents with spaces between words, ``tokens_per_character`` over the others.
    """
    sums = dict(zip(COUNTED, map(sum, zip(*rows, strict=True)), strict=False)) or dict.fromkeys(COUNTED, 0)

    def ratio(above: int, below: int) -> float | None:
        return above / below if below else None

    return sums | {
        "bytes_per_token": ratio(sums["bytes"], sums["tokens"]),
        "characters_per_token": ratio(sums["characters"], sums["tokens"]),
        "tokens_per_word": ratio(sums["spaced_tokens"], sums["words"]),
        "tokens_per_character": ratio(sums["tokens"] - sums["spaced_tokens"], sums["unspaced_characters"]),
    }
