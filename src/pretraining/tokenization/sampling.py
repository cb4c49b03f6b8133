"""The documents that a tokenizer is trained on: a sample of the corpus by bytes and by the weights of the sources.

Which documents are read depends on their ids alone, so the same documents give the same sample in whatever order and
files they lie. The text is streamed; what is kept of the corpus is 16 bytes for each document of the sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pretraining.corpus.removed import id_hash
from pretraining.errors import DataError
from pretraining.tokenization.config import SampleSection
from pretraining.tokenization.documents import document_batches

if TYPE_CHECKING:
    import pyarrow as pa

SALT = "tokenizer"
"""Another salt than the held-out split and the steps of the corpus have, so that the choices are independent."""
LONGEST_RUN = 4096
"""Characters that are read of a run of letters, of marks, or of white space: a trainer keeps every word in memory."""
PIECE_CHARACTERS = 262_144
"""A longer text is given to the trainer in pieces, because pre-tokenizing takes some 30 bytes of memory a character."""

_RUN = re.compile(r"\w+|[^\w\s]+|\s+")
_LONG_RUN = re.compile(rf"\w{{{LONGEST_RUN + 1},}}|[^\w\s]{{{LONGEST_RUN + 1},}}|\s{{{LONGEST_RUN + 1},}}")


@dataclass
class SourceSample:
    """What is read of one source: all its documents ``whole`` times, and of one more reading those whose hash is below
    ``limit``, with the first ``rest`` bytes of the one at the limit."""

    documents: int = 0
    bytes: int = 0
    whole: int = 0
    limit: int = 0
    rest: int = 0
    read: dict[str, int] = field(default_factory=lambda: {"documents": 0, "bytes": 0, "left_out_of_long_runs": 0})


class TrainingSample:
    """The sample of a corpus folder.

    Args:
        section: budget in bytes, and weights of the sources.
        corpus: the corpus folder.

    Raises:
        DataError: the corpus has no training text, or none of the sources that have a weight.
    """

    def __init__(self, section: SampleSection, corpus: Path) -> None:
        self.budget, self.weights, self.corpus = section.bytes, dict(section.weights), corpus
        lowest: dict[str, Lowest] = {}
        self.sources: dict[str, SourceSample] = {}
        for batch in document_batches(corpus, "train"):
            for name, hashes, sizes in by_source(batch):
                source = self.sources.setdefault(name, SourceSample())
                source.documents += len(hashes)
                source.bytes += int(sizes.sum())
                lowest.setdefault(name, Lowest(self.budget)).add(hashes, sizes)
        for name, size in quotas(self.budget, {n: s.bytes for n, s in self.sources.items()}, self.weights).items():
            source = self.sources[name]
            source.whole, more = divmod(size, source.bytes)
            source.limit, source.rest = lowest[name].limit(more)
        if not any(source.whole or source.limit for source in self.sources.values()):
            raise DataError(
                f"{corpus} holds no text to train a tokenizer on; "
                + ("give a source that has some a weight" if self.sources else "lower corpus.held_out or add sources")
            )

    def texts(self) -> Iterator[str]:
        """The texts of the sample in the order of the corpus, in pieces, without what is over ``LONGEST_RUN``."""
        for source in self.sources.values():
            source.read = dict.fromkeys(source.read, 0)
        for batch in document_batches(self.corpus, "train"):
            rows = list(zip(batch.column("source").to_pylist(), batch.column("id").to_pylist(), strict=True))
            read = [
                number for number, (name, identifier) in enumerate(rows) if _is_read(self.sources[name], identifier)
            ]
            for number, text in zip(read, valid_texts(batch.take(np.array(read, np.int64)), self.corpus), strict=True):
                source = self.sources[rows[number][0]]
                for part in _readings(source, rows[number][1], text):
                    kept = without_long_runs(part)
                    size = len(kept.encode())
                    source.read["documents"] += 1
                    source.read["bytes"] += size
                    source.read["left_out_of_long_runs"] += len(part.encode()) - size
                    yield from pieces(kept)

    def facts(self) -> dict[str, Any]:
        """What was asked for and what ``texts`` has read, by source; for ``sample.json``."""
        total = sum(source.read["bytes"] for source in self.sources.values())
        return {
            "budget_bytes": self.budget,
            "weights": self.weights,
            "read_bytes": total,
            "sources": {
                name: {
                    "documents": source.documents,
                    "bytes": source.bytes,
                    "read": source.read,
                    "share": source.read["bytes"] / max(1, total),
                }
                for name, source in sorted(self.sources.items())
            },
        }


def quotas(budget: int, sizes: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, int]:
    """Bytes to read of each source that has any: ``budget`` or what there is, shared out by weights, else by size."""
    shares = {name: weights.get(name, 0.0) if weights else float(size) for name, size in sizes.items() if size}
    shares = {name: share for name, share in shares.items() if share > 0}
    there = sum(sizes[name] for name in shares)
    if there <= budget and not weights:
        return {name: sizes[name] for name in shares}
    whole = sum(shares.values())
    return {name: round(min(budget, there) * share / whole) for name, share in shares.items()}


class Lowest:
    """The documents with the smallest hashes that together have ``budget`` bytes, and some more."""

    def __init__(self, budget: int) -> None:
        self._budget, self._held = budget, 0
        self._parts: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]] = []

    def add(self, hashes: npt.NDArray[np.uint64], sizes: npt.NDArray[np.int64]) -> None:
        """Take documents in; those that no budget reaches any more are forgotten now and then."""
        self._parts.append((hashes, sizes))
        self._held += int(sizes.sum())
        if self._held > 2 * self._budget:
            order, ends = self._sorted()
            kept = int(np.searchsorted(ends, self._budget)) + 1
            self._parts = [(order[0][:kept], order[1][:kept])]
            self._held = int(ends[min(kept, len(ends)) - 1])

    def _sorted(self) -> tuple[tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]], npt.NDArray[np.int64]]:
        hashes, sizes = (np.concatenate(arrays) for arrays in zip(*self._parts, strict=True))
        order = np.argsort(hashes, kind="stable")
        return (hashes[order], sizes[order]), np.cumsum(sizes[order])

    def limit(self, wanted: int) -> tuple[int, int]:
        """(hash, bytes): documents below the hash, and so many bytes of the one with it, are ``wanted`` bytes."""
        if not wanted:
            return 0, 0
        (hashes, _), ends = self._sorted()
        at = int(np.searchsorted(ends, wanted))
        before = int(ends[at - 1]) if at else 0
        return int(hashes[at]), wanted - before


def by_source(batch: pa.RecordBatch) -> Iterator[tuple[str, npt.NDArray[np.uint64], npt.NDArray[np.int64]]]:
    """(source, hashes of the ids, bytes of the texts) for each source in a batch of documents."""
    import pyarrow.compute as pc

    hashes = np.array([id_hash(identifier, SALT) for identifier in batch.column("id").to_pylist()], np.uint64)
    sizes = pc.fill_null(pc.binary_length(batch.column("text")), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    names = np.array(batch.column("source").to_pylist(), object)
    for name in dict.fromkeys(names.tolist()):
        mine = names == name
        yield name, hashes[mine], sizes[mine]


def valid_texts(batch: pa.RecordBatch, corpus: Path) -> list[str]:
    """The texts of a batch; null is no text.

    Raises:
        DataError: a text is not UTF-8 (Arrow does not look): a surrogate, or bytes of another encoding.
    """
    try:
        return [text or "" for text in batch.column("text").to_pylist()]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{corpus}: a document is not valid UTF-8 ({error.reason}: {error.object[error.start : error.end]!r}). "
            "Surrogates and other encodings belong into no corpus; run `pretrain corpus` again."
        ) from error


def _is_read(source: SourceSample, identifier: str) -> bool:
    return bool(source.whole) or (source.limit > 0 and id_hash(identifier, SALT) <= source.limit)


def _readings(source: SourceSample, identifier: str, text: str) -> Iterator[str]:
    if not text:
        return
    for _ in range(source.whole):
        yield text
    hashed = id_hash(identifier, SALT) if source.limit else 1
    if hashed < source.limit:
        yield text
    elif hashed == source.limit:
        yield text.encode()[: source.rest].decode(errors="ignore")


def without_long_runs(text: str) -> str:
    """The text with no more than ``LONGEST_RUN`` characters of any run of letters, of marks, or of white space."""
    # A long run goes on for half its length from some multiple of that: looking there alone is a hundred times faster.
    half = LONGEST_RUN // 2
    if all(run.end() - run.start() < half for at in range(0, len(text), half) if (run := _RUN.match(text, at))):
        return text
    return _LONG_RUN.sub(lambda run: run[0][:LONGEST_RUN], text)


def pieces(text: str) -> Iterator[str]:
    """The text in pieces of at most ``PIECE_CHARACTERS`` that begin with white space, where there is any."""
    begin = 0
    while len(text) - begin > PIECE_CHARACTERS:
        end = begin + PIECE_CHARACTERS
        cut = max(text.rfind(" ", begin + 1, end), text.rfind("\n", begin + 1, end))
        end = cut if cut > begin else end
        yield text[begin:end]
        begin = end
    yield text[begin:]
