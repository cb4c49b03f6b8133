"""The batch plan: the packing of a token store, written to a folder and read back memory-mapped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pretraining.batching.config import BatchesSection
from pretraining.batching.packing import Packing, pack
from pretraining.errors import DataError
from pretraining.tokenization.store import TokenStore


@dataclass(frozen=True)
class PlanFacts:
    """``plan.json``: every token of the store is in exactly one piece; ``padding`` fills the rows."""

    sequence_length: int
    packing: str
    samples: int
    documents: int
    pieces: int
    tokens: int
    padding: int
    fill: float
    fingerprint: str


@dataclass(frozen=True)
class Plan:
    """A packing and the facts about it."""

    facts: PlanFacts
    packing: Packing


def make_plan(section: BatchesSection, store: TokenStore) -> Plan:
    """Pack the store's documents.

    Raises:
        DataError: the store is empty.
    """
    if not store.tokens:
        raise DataError("the token store holds no tokens; nothing can be trained on it")
    packing = pack(store.lengths, section.sequence_length, section.packing)
    places = packing.samples * section.sequence_length
    digest = hashlib.sha256(store.fingerprint.encode() + str(section.sequence_length).encode())
    digest.update(packing.pieces.tobytes())
    digest.update(packing.offsets.tobytes())
    facts = PlanFacts(
        sequence_length=section.sequence_length,
        packing=section.packing,
        samples=packing.samples,
        documents=len(store),
        pieces=len(packing.pieces),
        tokens=store.tokens,
        padding=places - store.tokens,
        fill=store.tokens / places,
        fingerprint=digest.hexdigest()[:16],
    )
    check_plan(facts, packing, store.lengths)
    return Plan(facts, packing)


def check_plan(facts: PlanFacts, packing: Packing, lengths: npt.NDArray[np.int64]) -> None:
    """Assert that every token is placed exactly once and no row is over-full; a plan that lies is worse than none."""
    rows = np.add.reduceat(packing.pieces[:, 2], packing.offsets[:-1])
    order = np.lexsort((packing.pieces[:, 1], packing.pieces[:, 0]))
    document, start, length = packing.pieces[order].T
    covered = np.bincount(document, weights=length, minlength=len(lengths)).astype(np.int64)
    follows = (document[1:] != document[:-1]) | (start[1:] == start[:-1] + length[:-1])
    if not ((covered == lengths).all() and follows.all() and rows.max() <= facts.sequence_length):
        raise AssertionError("the packing loses, repeats or overfills; this is a bug")


def save_plan(plan: Plan, folder: Path) -> None:
    """Write ``plan.json``, ``plan_pieces.npy`` and ``plan_offsets.npy``."""
    np.save(folder / "plan_pieces.npy", plan.packing.pieces)
    np.save(folder / "plan_offsets.npy", plan.packing.offsets)
    (folder / "plan.json").write_text(json.dumps(asdict(plan.facts), indent=2) + "\n", "utf-8")


def load_plan(folder: Path) -> Plan:
    """Read a plan; the arrays stay on disk, memory-mapped.

    Raises:
        DataError: the folder holds no plan.
    """
    try:
        facts = PlanFacts(**json.loads((folder / "plan.json").read_text("utf-8")))
        pieces = np.load(folder / "plan_pieces.npy", mmap_mode="r", allow_pickle=False)
        offsets = np.load(folder / "plan_offsets.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder} holds no batch plan ({error}); run `pretrain tokens`") from error
    return Plan(facts, Packing(pieces, offsets))
