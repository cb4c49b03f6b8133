"""The batch plan: every stream of rows that the stages draw from, written to a folder and read back memory-mapped.

A **stream** is the documents of one source (of all sources together where no stage has a mixture), packed into rows of
one length. Two stages that differ in length, or in how many raw tokens their objective takes, pack the same documents
twice. ``plan.json`` is the ledger: in each stream ``tokens + padding == samples * row_length``, and the tokens of the
sources that have a stream and of those that are ``left_out`` are all the tokens there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pretraining.batching.check_packing import check_packing
from pretraining.batching.config import BatchesSection
from pretraining.batching.needs import Need, RawLength, needed_streams, source_tokens
from pretraining.batching.packing import Packing, pack
from pretraining.errors import DataError

if TYPE_CHECKING:
    from pretraining.tokenization.store import TokenStore

BUCKET_ROWS = 64
"""Packing ``none``: neighbouring rows, of like length, that stay together in the order."""


@dataclass(frozen=True)
class Stream:
    """Rows that are drawn together, and what is in them; an entry of ``streams`` in ``plan.json``.

    ``row_length`` counts raw tokens, of which the objective makes ``sequence_length``. The order permutes buckets of
    ``bucket_rows`` neighbouring rows, and the rows in each; 1 is a plain shuffle.
    """

    source: str | None
    sequence_length: int
    row_length: int
    bucket_rows: int
    documents: int
    pieces: int
    samples: int
    tokens: int
    padding: int
    fill: float
    packing: Packing

    @property
    def facts(self) -> dict[str, Any]:
        """Everything but the arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "packing"}


@dataclass(frozen=True)
class Plan:
    """``streams``, and for each stage (one where the recipe has none) the numbers of its streams, by source.

    ``tokens`` and ``documents`` are those of the store; ``left_out`` says how many tokens there are of each source
    that no stage uses.
    """

    packing: str
    documents: int
    tokens: int
    left_out: dict[str, int]
    streams: tuple[Stream, ...]
    stages: tuple[tuple[int, ...], ...]
    fingerprint: str

    @property
    def facts(self) -> dict[str, Any]:
        """What ``plan.json`` holds."""
        facts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**facts, "streams": [stream.facts for stream in self.streams]}

    def stream_of(self, source: str | None, sequence_length: int, row_length: int) -> int:
        """The number of a stream.

        Raises:
            DataError: there is none: the plan was made for other stages.
        """
        for number, stream in enumerate(self.streams):
            if (stream.source, stream.sequence_length, stream.row_length) == (source, sequence_length, row_length):
                return number
        what = f"rows of {row_length:,} tokens" + (f" of {source}" if source is not None else "")
        raise DataError(f"the batch plan was made for other stages: it has no {what}; run `pretrain tokens` again")

    def lengths_of(self, stage: int) -> tuple[int, int]:
        """(sequence length, row length) of the rows of a stage.

        Raises:
            DataError: the plan was made for fewer stages.
        """
        if stage >= len(self.stages):
            raise DataError(
                f"the batch plan was made for {len(self.stages)} stages, not {stage + 1}; run `pretrain tokens` again"
            )
        first = self.streams[self.stages[stage][0]]
        return first.sequence_length, first.row_length


def make_plan(section: BatchesSection, store: TokenStore, *, raw_length: RawLength) -> Plan:
    """Pack the store's documents into the streams that the stages need.

    Args:
        raw_length: raw tokens of a row, given the stage's sequence length and its objective options.

    Raises:
        DataError: the store is empty, or a mixture asks for a source of which there is no token.
    """
    if not store.tokens:
        raise DataError("the token store holds no tokens; nothing can be trained on it")
    needs, stages = needed_streams(section, store, raw_length)
    streams = tuple(_make_stream(need, section.packing, store) for need in needs)
    used = {stream.source: stream.tokens for stream in streams}
    tokens = {} if None in used else source_tokens(store)
    left_out = {source: number for source, number in tokens.items() if number and source not in used}
    if sum(used.values()) + sum(left_out.values()) != store.tokens:
        raise AssertionError(f"the plan accounts for {used} and {left_out}, not for {store.tokens}; this is a bug")
    return Plan(
        packing=section.packing,
        documents=len(store),
        tokens=store.tokens,
        left_out=left_out,
        streams=streams,
        stages=stages,
        fingerprint=_fingerprint(store.fingerprint, streams),
    )


def _make_stream(need: Need, method: str, store: TokenStore) -> Stream:
    documents: npt.NDArray[np.intp] | None = None
    lengths = store.lengths
    if need.source is not None:
        documents = np.flatnonzero(store.source_index == store.sources.index(need.source))
        lengths = lengths[documents]
    packing = pack(lengths, need.row_length, method)
    check_packing(packing, lengths, need.row_length)
    if documents is not None:
        packing.pieces[:, 0] = documents[packing.pieces[:, 0]]
    tokens, places = int(lengths.sum()), packing.samples * need.row_length
    return Stream(
        source=need.source,
        sequence_length=need.sequence_length,
        row_length=need.row_length,
        bucket_rows=BUCKET_ROWS if method == "none" else 1,
        documents=len(lengths),
        pieces=len(packing.pieces),
        samples=packing.samples,
        tokens=tokens,
        padding=places - tokens,
        fill=tokens / places,
        packing=packing,
    )


def _fingerprint(store: str, streams: tuple[Stream, ...]) -> str:
    """Of the store and of all rows."""
    digest = hashlib.sha256(store.encode())
    for stream in streams:
        digest.update(json.dumps(stream.facts).encode())
        digest.update(stream.packing.pieces.data)
        digest.update(stream.packing.offsets.data)
    return digest.hexdigest()[:16]


def save_plan(plan: Plan, folder: Path) -> None:
    """Write ``plan.json`` and, for each stream, ``plan_00_pieces.npy`` and ``plan_00_offsets.npy``."""
    for number, stream in enumerate(plan.streams):
        for name, array in zip(_files(number), (stream.packing.pieces, stream.packing.offsets), strict=True):
            np.save(folder / name, array)
    (folder / "plan.json").write_text(json.dumps(plan.facts, indent=2) + "\n", "utf-8")


def load_plan(folder: Path) -> Plan:
    """Read a plan; the arrays stay on disk, memory-mapped.

    Raises:
        DataError: the folder holds no plan, or a damaged one.
    """
    if not (folder / "plan.json").exists():
        raise DataError(f"{folder} holds no batch plan; run `pretrain tokens` first")
    try:
        facts = json.loads((folder / "plan.json").read_text("utf-8"))
        facts["streams"] = tuple(_load_streams(folder, facts["streams"]))
        facts["stages"] = tuple(tuple(stage) for stage in facts["stages"])
        return Plan(**facts)
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"the batch plan in {folder} is damaged, or of another version ({error}); run `pretrain tokens` again"
        ) from error


def _load_streams(folder: Path, streams: list[dict[str, Any]]) -> Iterator[Stream]:
    for number, facts in enumerate(streams):
        pieces, offsets = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in _files(number))
        if pieces.shape != (facts["pieces"], 3) or offsets.shape != (facts["samples"] + 1,):
            raise ValueError(f"{_files(number)[0]} has the shape {pieces.shape}, not {(facts['pieces'], 3)}")
        yield Stream(**facts, packing=Packing(pieces, offsets))


def _files(number: int) -> tuple[str, str]:
    return f"plan_{number:02d}_pieces.npy", f"plan_{number:02d}_offsets.npy"
