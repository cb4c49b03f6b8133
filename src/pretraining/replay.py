"""``pretrain replay``: what training saw, or will see, at a step; and at which steps it sees a document.

The order of the samples is arithmetic, so nothing is replayed: the rows of a step are looked up in the batch plan, and
their pieces in the token store. Nothing of torch or transformers is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pretraining.batching.config import BatchesSection
from pretraining.batching.loader import Samples, batch_digest
from pretraining.batching.plan import Plan, load_plan
from pretraining.batching.schedule import make_schedule
from pretraining.batching.timeline import Leg, Timeline
from pretraining.errors import DataError, RunFolderError, UserError
from pretraining.manifests import MANIFEST, read_json
from pretraining.run import Run
from pretraining.stages import BY_NAME
from pretraining.tokenization.store import TokenStore

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TIMELINE = "timeline.json"
_DECODED = 1024  # documents that are decoded together


@dataclass(frozen=True)
class Piece:
    """``length`` tokens of a document from its token ``start`` on."""

    document: str
    source: str
    start: int
    length: int
    text: str


@dataclass(frozen=True)
class ReplayedSample:
    """A sample of a step: ``row`` of ``stream`` of the batch plan, seen for the ``epoch + 1``-th time."""

    index: int
    rank: int
    stream: int
    row: int
    epoch: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class ReplayedStep:
    """A step, counted from 1 as in the log. ``first_sample`` and ``first_token`` count what was seen before it."""

    step: int
    steps: int
    stage: str
    sequence_length: int
    batch_samples: int
    first_sample: int
    first_token: int
    digest: str
    """Of the whole batch, whatever the rank: ``batch_digest`` of the samples."""
    samples: tuple[ReplayedSample, ...]


@dataclass(frozen=True)
class Sighting:
    """A step, counted from 1, at which a piece of a document is seen. ``seen`` is False where training is not there
    yet."""

    step: int
    index: int
    epoch: int
    start: int
    length: int
    seen: bool


@dataclass(frozen=True)
class Trace:
    """A document and where it is seen, in the order of the run; ``held_out`` documents are never trained on."""

    document: str
    source: str
    tokens: int
    held_out: bool
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True)
class Found:
    """Numbers of documents of the training split, and of the held-out one."""

    training: list[int]
    held_out: list[int]

    def __len__(self) -> int:
        return len(self.training) + len(self.held_out)

    def first(self, most: int) -> Found:
        """At most ``most`` of them, those of the training first."""
        return Found(self.training[:most], self.held_out[: max(0, most - len(self.training))])


class Replay:
    """The order of a run, from its folder.

    Raises:
        RunFolderError: tokens or batches are missing, or were made for another recipe.
        DataError: only a training that has started knows its steps.
    """

    def __init__(self, run: Run) -> None:
        self.folder = run.folder
        self.plan, self.store = load_plan(run.folder / "batches"), TokenStore(run.folder / "tokens")
        facts = read_json(run.folder / TIMELINE)
        self.started = facts is not None
        self.since = 0
        """Steps that a training took from other data (``--allow-different-data``): what was in them is not known."""
        batches, seed, decisions = run.loaded.recipe.batches, run.loaded.recipe.seed, []
        if facts is not None:
            _require_plan(run, self.plan, facts)
            self.timeline = Timeline(tuple(Leg(**leg) for leg in facts["legs"]), tuple(facts["stages"]))
            batches = BatchesSection.model_validate(facts["batches"])
            seed, decisions = facts["seed"], facts["decisions"]
            self.since = max((change["step"] for change in facts["data_changes"]), default=0)
        else:
            _require_batches(run)
            self.timeline = _computed_timeline(run)
        schedule = make_schedule(batches, self.timeline, self.plan, decisions=decisions)
        self.samples = Samples(self.store, self.plan, schedule, seed=seed)
        self.done = _steps_done(run.folder) if self.started else 0

    @cached_property
    def held_out(self) -> TokenStore:
        """The documents that are never trained on."""
        return TokenStore(self.folder / "tokens", "validation")

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the run, without transformers."""
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_file(str(self.folder / "tokenizer" / "tokenizer.json"))
        except Exception as error:  # tokenizers raises nothing narrower
            raise DataError(
                f"{self.folder / 'tokenizer'} holds no tokenizer ({error}); run `pretrain tokenizer`"
            ) from None

    def step(self, step: int, *, rank: int | None = None, ranks: int = 1, most: int | None = None) -> ReplayedStep:
        """The samples of a step, of one rank or of all.

        Args:
            step: counted from 1, as in the log.
            most: decode at most this many tokens of each piece; all when None.

        Raises:
            UserError: the run has no such step or rank, or a batch does not divide among the ranks.
            DataError: the step was taken from other data than is there now.
        """
        self._require_step(step)
        leg, indices = self.timeline.leg(step - 1), self.timeline.samples_of(step - 1)
        if ranks < 1 or not 0 <= (rank or 0) < ranks:
            raise UserError(f"--rank {rank} --ranks {ranks}: ranks are counted from 0 to one less than --ranks")
        if len(indices) % ranks:
            raise UserError(f"--ranks {ranks}: the {len(indices)} samples of step {step} do not divide among them")
        return ReplayedStep(
            step=step,
            steps=self.timeline.steps,
            stage=self.timeline.stage_names[leg.stage],
            sequence_length=leg.sequence_length,
            batch_samples=leg.batch_samples,
            first_sample=indices.start,
            first_token=self.timeline.tokens_before(step - 1),
            digest=batch_digest(self.samples.__getitems__(indices)),
            samples=tuple(self._samples(indices if rank is None else indices[rank::ranks], ranks, most)),
        )

    def _require_step(self, step: int) -> None:
        if not 1 <= step <= self.timeline.steps:
            raise UserError(f"--step {step}: the run has the steps 1 to {self.timeline.steps:,}")
        if step <= self.since:
            raise DataError(
                f"--step {step}: the first {self.since:,} steps of this run took their samples from other data, before "
                "--allow-different-data let it go on with the data of now"
            )

    def _samples(self, indices: range, ranks: int, most: int | None) -> Iterator[ReplayedSample]:
        streams, rows, epochs = (part.tolist() for part in self.samples.rows(indices))
        parts = [self._row(*place) for place in zip(streams, rows, strict=True)]
        ids = [piece[:most].tolist() for piece in self.store.slices(np.concatenate(parts))]
        texts = iter(self.tokenizer.decode_batch(ids, skip_special_tokens=False))
        first = self.timeline.samples_before(self.timeline.step_of(indices.start))
        for index, stream, row, epoch, part in zip(indices, streams, rows, epochs, parts, strict=True):
            pieces = tuple(self._piece(*place, text=next(texts)) for place in part.tolist())
            yield ReplayedSample(index, (index - first) % ranks, stream, row, epoch, pieces)

    def _row(self, stream: int, row: int) -> npt.NDArray[np.int64]:
        packing = self.plan.streams[stream].packing
        return np.asarray(packing.pieces[packing.offsets[row] : packing.offsets[row + 1]], np.int64)

    def _piece(self, document: int, start: int, length: int, *, text: str) -> Piece:
        return Piece(self.store.document_id(document), self.store.source(document), start, length, text)

    def traces(self, documents: Found) -> list[Trace]:
        """Where documents are seen (after step ``since``): those of the training, in their order, then the held-out."""
        found: dict[int, list[Sighting]] = {document: [] for document in documents.training}
        for number, stream in enumerate(self.plan.streams):
            packing = stream.packing
            for at in np.flatnonzero(np.isin(packing.pieces[:, 0], documents.training)).tolist():
                row = int(np.searchsorted(packing.offsets, at, side="right")) - 1
                document, start, length = packing.pieces[at].tolist()
                for epoch, index in enumerate(self.samples.seen(number, row)):
                    step = self.timeline.step_of(index) + 1
                    if step > self.since:
                        found[document].append(Sighting(step, index, epoch, start, length, step <= self.done))
        seen = [_trace(self.store, document, sightings) for document, sightings in found.items()]
        return seen + [_trace(self.held_out, document, [], held_out=True) for document in documents.held_out]

    def find(self, wanted: str, *, progress: bool = False) -> Found:
        """Documents by id: the whole one, else a part of it; where no id has it, by their text, which takes longer.

        Args:
            progress: show a bar over the documents while their texts are searched.
        """
        stores = (self.store, self.held_out)
        exact = Found(*([] if (number := store.find(wanted)) is None else [number] for store in stores))
        if exact:
            return exact
        parts = Found(*(store.find_all(wanted) for store in stores))
        return parts or Found(*(list(self._with_text(store, wanted, progress)) for store in stores))

    def _with_text(self, store: TokenStore, wanted: str, progress: bool) -> Iterator[int]:
        from rich.progress import track

        batches = range(0, len(store), _DECODED)
        shown = track(batches, "documents", disable=not progress, console=_stderr(), transient=True)
        for first in shown:
            documents = range(first, min(first + _DECODED, len(store)))
            texts = self.tokenizer.decode_batch(
                [store[document].tolist() for document in documents], skip_special_tokens=False
            )
            yield from (document for document, text in zip(documents, texts, strict=True) if wanted in text)


def _trace(store: TokenStore, document: int, sightings: list[Sighting], *, held_out: bool = False) -> Trace:
    ordered = tuple(sorted(sightings, key=lambda sighting: (sighting.index, sighting.start)))
    tokens = int(store.lengths[document])
    return Trace(store.document_id(document), store.source(document), tokens, held_out, ordered)


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def _require_plan(run: Run, plan: Plan, facts: dict[str, Any]) -> None:
    """The training that wrote ``timeline.json`` used the plan that is there."""
    if plan.fingerprint != facts["plan"]:
        raise RunFolderError(
            f"the training in {run.folder} used the batch plan {facts['plan']}, and the one there now is "
            f"{plan.fingerprint}: what it saw cannot be told any more. Restore the plan, or move {TIMELINE} away to "
            "see what a training that starts now would see"
        )


def _require_batches(run: Run) -> None:
    """Before there is a training, the plan is that of the recipe."""
    manifest = read_json(run.folder / "batches" / MANIFEST) or {}
    if manifest.get("section") != run.section(*BY_NAME["batches"].keys):
        raise RunFolderError(
            f"{run.folder / 'batches'} was made for another recipe; run `pretrain tokens {run.arguments}` first"
        )


def _computed_timeline(run: Run) -> Timeline:
    timeline = run.loaded.timeline
    if timeline is None:
        raise DataError(
            f"training.duration = {run.loaded.recipe.training.duration} becomes steps only when the model is built; "
            f"start the training once (`pretrain train {run.arguments}`), it writes {run.folder / TIMELINE}"
        )
    return timeline


def _steps_done(folder: Path) -> int:
    """Steps that a training has finished, as far as its log tells."""
    try:
        lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
        return max((int(json.loads(line)["step"]) for line in lines[-1:]), default=0)
    except (OSError, ValueError, KeyError):
        return 0
