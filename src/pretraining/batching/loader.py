"""From the plan to samples: any global sample index, in any order, straight from the token store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pretraining.batching.order import permute
from pretraining.batching.plan import Plan
from pretraining.tokenization.store import TokenStore

Sample = dict[str, Any]


class Samples:
    """The endless stream of samples as a map-style dataset: ``samples[i]`` is the sample at global index ``i``.

    Epoch ``e`` covers the indices ``e * n .. (e + 1) * n - 1`` in an order of its own. A sample is
    ``{"input_ids": unsigned (t,), "lengths": int64 (pieces,), "index": int, "epoch": int}`` with
    ``t = lengths.sum() <= sequence_length``. It depends on (seed, index) alone: not on ranks, workers, micro-batch
    size, or on when the run was stopped. Only three integers and two memory-mapped arrays travel to a worker.
    """

    def __init__(self, store: TokenStore, plan: Plan, *, seed: int, shuffle: bool = True) -> None:
        self._store, self._seed, self._shuffle = store, seed, shuffle
        # plain views of the memory maps: numpy's memmap type makes every small slice several times slower
        self._pieces, self._offsets = np.asarray(plan.packing.pieces), np.asarray(plan.packing.offsets)
        self.size = plan.packing.samples
        self.sequence_length = plan.facts.sequence_length

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Many samples at once, which is what torch's DataLoader asks for."""
        index = np.asarray(indices, np.int64)
        epoch = index // self.size
        rows = index % self.size
        if self._shuffle:
            rows = permute(rows, epoch, size=self.size, seed=self._seed)
        begins, ends = self._offsets[rows].tolist(), self._offsets[rows + 1].tolist()
        return [self._row(*key) for key in zip(begins, ends, index.tolist(), epoch.tolist(), strict=True)]

    def _row(self, begin: int, end: int, index: int, epoch: int) -> Sample:
        pieces = self._pieces[begin:end]
        parts = self._store.slices(pieces)
        ids = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return {"input_ids": ids, "lengths": pieces[:, 2].copy(), "index": index, "epoch": epoch}


class GlobalBatches:
    """The global sample indices of each micro-batch of one rank, from any step on: torch's ``batch_sampler``.

    Step ``s`` is the indices ``s * batch .. (s + 1) * batch - 1``. Rank ``r`` of ``n`` takes every n-th of them,
    in micro-batches; the union over ranks and micro-batches is the same for every ``n``.

    Args:
        batch: samples of one global batch.
        micro: samples of one micro-batch on one rank; ``batch`` is a multiple of ``micro * ranks``.
        first_step, last_step: the steps to yield, half open.
    """

    def __init__(self, *, batch: int, micro: int, rank: int, ranks: int, first_step: int, last_step: int) -> None:
        if batch % (micro * ranks):
            raise ValueError(f"a batch of {batch} samples is not a multiple of {micro} x {ranks}")
        self.batch, self.micro, self.rank, self.ranks = batch, micro, rank, ranks
        self.first_step, self.last_step = first_step, last_step

    @property
    def micro_batches(self) -> int:
        """Micro-batches of one rank in one step."""
        return self.batch // (self.micro * self.ranks)

    def __len__(self) -> int:
        return (self.last_step - self.first_step) * self.micro_batches

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first_step, self.last_step):
            mine = range(step * self.batch + self.rank, (step + 1) * self.batch, self.ranks)
            for first in range(0, len(mine), self.micro):
                yield list(mine[first : first + self.micro])
