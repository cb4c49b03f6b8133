"""From the plan to samples: any global sample index, in any order, straight from the token store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.batching.buckets import permute_buckets, unpermute_buckets
from pretraining.batching.order import Integers, derived_seed, permute, unpermute
from pretraining.batching.packing import Packing, pack
from pretraining.batching.plan import Plan
from pretraining.batching.schedule import Schedule
from pretraining.batching.timeline import Timeline
from pretraining.errors import DataError
from pretraining.tokenization.store import TokenStore

Sample = dict[str, Any]

_TRIES = 16
"""Rows that are looked at for other documents."""


class Rows:
    """The rows of one packing: which pieces are in row ``i``."""

    def __init__(self, packing: Packing) -> None:
        # plain views of the memory maps: numpy's memmap type makes every small slice several times slower
        self._pieces, self._offsets = np.asarray(packing.pieces), np.asarray(packing.offsets)

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return self._pieces[self._offsets[row] : self._offsets[row + 1]]

    def other(self, row: int, *, seed: int, index: int) -> npt.NDArray[Any] | None:
        """The pieces of another row, drawn anew for each sample ``index``, that has no document in common with ``row``.

        None where the rows from the drawn one on all have some.
        """
        size = len(self._offsets) - 1
        own, drawn = self[row][:, 0], derived_seed(seed, index)
        for step in range(min(size - 1, _TRIES)):
            there = self[(row + 1 + (drawn + step) % (size - 1)) % size]
            if not np.isin(there[:, 0], own).any():
                return there
        return None


def _read(store: TokenStore, rows: Sequence[npt.NDArray[Any]]) -> Iterator[Sample]:
    """``{"input_ids", "lengths"}`` of each row, given its pieces; all are looked up in the store at once."""
    pieces = np.concatenate(rows)
    parts, lengths = store.slices(pieces), pieces[:, 2].astype(np.int64)
    end = 0
    for row in rows:
        begin, end = end, end + len(row)
        ids = parts[begin] if len(row) == 1 else np.concatenate(parts[begin:end])
        yield {"input_ids": ids, "lengths": lengths[begin:end]}


def _add_others(store: TokenStore, samples: Sequence[Sample], others: Sequence[npt.NDArray[Any] | None]) -> None:
    """``other`` of each sample for which there are other documents."""
    with_other = [(sample, pieces) for sample, pieces in zip(samples, others, strict=True) if pieces is not None]
    if not with_other:
        return
    for (sample, _), other in zip(with_other, _read(store, [pieces for _, pieces in with_other]), strict=True):
        sample["other"] = other


class Samples:
    """The samples of a run as a map-style dataset: ``samples[i]`` is the sample at global index ``i``.

    A sample is ``{"input_ids": unsigned (t,), "lengths": int64 (pieces,), "index": int, "epoch": int, "stage": int}``
    with ``t = lengths.sum()`` at most the raw row length of its stage; ``epoch`` is how often its stream was seen
    before; ``progress`` is the share of the run that is over. With ``others`` it also has ``other``, a row
    ``{"input_ids", "lengths"}`` of other documents of its stream, where there are such: another one in every epoch. The
    ``d``-th draw of a stream of ``n`` rows is in its epoch ``d // n``, which has an order of its own.

    All of it depends on (seed, schedule, index) alone: not on ranks, workers, micro-batch size, or on when the run
    was stopped. Only integers and memory-mapped arrays travel to a worker.
    """

    def __init__(self, store: TokenStore, plan: Plan, schedule: Schedule, *, seed: int, others: bool = False) -> None:
        streams, self._others, self._seed = plan.streams, others, seed
        self._schedule = schedule
        self._store, self._rows = store, [Rows(stream.packing) for stream in streams]
        self._sizes = np.array([stream.samples for stream in streams], np.int64)
        numbers = range(len(streams))
        self._seeds = np.array([seed] if len(streams) == 1 else [derived_seed(seed, n) for n in numbers], np.uint64)
        self._stages = np.array([segment.stage for segment in schedule.segments])
        self._bucket = streams[0].bucket_rows

    def __len__(self) -> int:
        return self._schedule.samples

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Many samples at once, which is what torch's DataLoader asks for."""
        streams, rows, epochs = self.rows(indices)
        stages = self._stages[self._schedule.segments_of(indices)]
        pieces = [self._rows[stream][row] for stream, row in zip(streams.tolist(), rows.tolist(), strict=True)]
        facts = zip(indices, epochs.tolist(), stages.tolist(), _read(self._store, pieces), strict=True)
        total = len(self)
        samples = [
            sample | {"index": index, "epoch": epoch, "stage": stage, "progress": index / total}
            for index, epoch, stage, sample in facts
        ]
        if self._others:
            places = zip(streams.tolist(), rows.tolist(), indices, strict=True)
            others = [self._rows[stream].other(row, seed=self._seed, index=index) for stream, row, index in places]
            _add_others(self._store, samples, others)
        return samples

    def rows(self, indices: npt.ArrayLike) -> tuple[Integers, Integers, Integers]:
        """(stream, row of its packing, epoch) of each global sample index ``(n,)``.

        Raises:
            IndexError: the run has no such sample.
        """
        streams, draws = self._schedule.draws(indices)
        sizes, seeds = self._order_of(streams)
        epochs, positions = np.divmod(draws, sizes)
        if self._bucket > 1:
            rows = permute_buckets(positions, epochs, size=sizes, bucket=self._bucket, seed=seeds)
        else:
            rows = permute(positions, epochs, size=sizes, seed=seeds)
        return streams, rows, epochs

    def seen(self, stream: int, row: int) -> list[int]:
        """Every global sample index of the run at which a row of a stream is drawn, ascending."""
        size = int(self._sizes[stream])
        epochs = np.arange(-(-self._schedule.drawn.get(stream, 0) // size))
        sizes, seeds = self._order_of(np.full(len(epochs), stream))
        if self._bucket > 1:
            positions = unpermute_buckets(row, epochs, size=sizes, bucket=self._bucket, seed=seeds)
        else:
            positions = unpermute(row, epochs, size=sizes, seed=seeds)
        found = (self._schedule.index_of(stream, draw) for draw in (epochs * size + positions).tolist())
        return sorted(index for index in found if index is not None)

    def _order_of(self, streams: Integers) -> tuple[Integers, npt.NDArray[np.uint64]]:
        """(size, seed) of each stream; one number where there is only one stream, which is faster."""
        if len(self._sizes) == 1:
            return self._sizes, self._seeds
        return self._sizes[streams], self._seeds[streams]


class HeldOutSamples:
    """Packed rows in the order of the packing: ``samples[i]`` is row ``i``; epoch and stage are 0, the run is over."""

    def __init__(self, store: TokenStore, packing: Packing, *, others: bool = False) -> None:
        self._store, self._rows, self.size, self._others = store, Rows(packing), packing.samples, others

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Samples as those of ``Samples``."""
        read = _read(self._store, [self._rows[index] for index in indices])
        facts = {"epoch": 0, "stage": 0, "progress": 1.0}
        samples = [sample | {"index": index} | facts for index, sample in zip(indices, read, strict=True)]
        if self._others:
            _add_others(self._store, samples, [self._rows.other(index, seed=0, index=index) for index in indices])
        return samples


def held_out_samples(
    store: TokenStore,
    row_length: int,
    *,
    packing: str = "best_fit",
    source: str | None = None,
    others: bool = False,
) -> HeldOutSamples:
    """The documents of a store packed into rows of ``row_length`` raw tokens, to be evaluated on.

    Args:
        packing: the method, as ``batches.packing``.
        source: only the documents of this source, when given; there may be none.
        others: samples have ``other``, as those of ``Samples``.

    Raises:
        DataError: the store has no such source.
    """
    if source is None:
        return HeldOutSamples(store, pack(store.lengths, row_length, packing), others=others)
    if source not in store.sources:
        raise DataError(f"no held-out documents of {source}; there are some of {', '.join(store.sources) or 'nothing'}")
    documents = np.flatnonzero(store.source_index == store.sources.index(source))
    packed = pack(store.lengths[documents], row_length, packing)
    pieces = packed.pieces.astype(np.int64)
    pieces[:, 0] = documents[pieces[:, 0]]
    return HeldOutSamples(store, Packing(pieces, packed.offsets), others=others)


class GlobalBatches:
    """The global sample indices of each micro-batch of one rank, from any step on: torch's ``batch_sampler``.

    Step ``s`` takes the indices ``timeline.samples_of(s)``. Rank ``r`` of ``n`` takes every n-th of them, in
    micro-batches; the union over ranks and micro-batches is the same for every ``n``.

    Args:
        micro: samples of one micro-batch on one rank; every batch is a multiple of ``micro * ranks``.
        first_step, last_step: the steps to yield, half open.

    Raises:
        DataError: a batch of these steps is not a multiple.
    """

    def __init__(
        self, timeline: Timeline, *, micro: int, rank: int, ranks: int, first_step: int, last_step: int
    ) -> None:
        self._timeline, self._micro, self._rank, self._ranks = timeline, micro, rank, ranks
        self._first, self._last = first_step, last_step
        self._legs = [
            leg for leg in timeline.legs if leg.first_step < last_step and leg.first_step + leg.steps > first_step
        ]
        for leg in self._legs:
            if leg.batch_samples % (micro * ranks):
                raise DataError(
                    f"from step {leg.first_step + 1} on a batch has {leg.batch_samples} samples, which is not a "
                    f"multiple of {micro} samples on each of {ranks} ranks; change training.micro_batch_size"
                )

    def micro_batches(self, step: int) -> int:
        """Micro-batches of one rank in a step."""
        return self._timeline.leg(step).batch_samples // (self._micro * self._ranks)

    def __len__(self) -> int:
        steps = [min(self._last, leg.first_step + leg.steps) - max(self._first, leg.first_step) for leg in self._legs]
        return sum(n * self.micro_batches(leg.first_step) for n, leg in zip(steps, self._legs, strict=True))

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._first, self._last):
            mine = self._timeline.samples_of(step)[self._rank :: self._ranks]
            for first in range(0, len(mine), self._micro):
                yield list(mine[first : first + self._micro])


def batch_digest(samples: Sequence[Sample]) -> str:
    """A hash of a global batch: ids, lengths, index and epoch of its samples, in whatever order they come."""
    digest = hashlib.sha256()
    for sample in sorted(samples, key=lambda each: int(each["index"])):
        numbers = [sample["index"], sample["epoch"], len(sample["lengths"]), *sample["lengths"]]
        digest.update(np.array(numbers, np.int64).tobytes() + sample["input_ids"].astype(np.uint32).tobytes())
    return digest.hexdigest()[:16]
