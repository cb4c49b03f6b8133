"""A plan of streams without a store, for the tests of mixture and schedule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pretraining.batching.packing import Packing
from pretraining.batching.plan import Plan, Stream


def stub_plan(
    streams: Sequence[tuple[str | None, int, int, int]], stages: Sequence[Sequence[int]] | None = None
) -> Plan:
    """A plan whose streams are (source, sequence length, rows, tokens) and hold nothing; all stages draw from all."""
    made = tuple(
        Stream(
            source=source,
            sequence_length=length,
            row_length=length,
            bucket_rows=1,
            documents=rows,
            pieces=rows,
            samples=rows,
            tokens=tokens,
            padding=rows * length - tokens,
            fill=tokens / (rows * length),
            packing=Packing(np.empty((0, 3), np.int64), np.zeros(rows + 1, np.int64)),
        )
        for source, length, rows, tokens in streams
    )
    return Plan(
        packing="best_fit",
        documents=0,
        tokens=sum(stream.tokens for stream in made),
        left_out={},
        streams=made,
        stages=tuple(tuple(stage) for stage in stages or [range(len(made))]),
        fingerprint="stub",
    )


@pytest.fixture()
def make_stub_plan() -> object:
    """``stub_plan``."""
    return stub_plan
