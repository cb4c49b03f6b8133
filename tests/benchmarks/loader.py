"""Tokens per second of the loader in one process, and the time to seek in a plan of 10^9 tokens.

    python tests/benchmarks/loader.py

It makes a token store of 20 million tokens in documents of log-normal length (median 400), and, for the seek, a plan
of a billion tokens over an imaginary store; both in a temporary folder.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pretraining.batching.config import BatchesSection
from pretraining.batching.loader import GlobalBatches, Samples
from pretraining.batching.plan import load_plan, make_plan, save_plan
from pretraining.tokenization.store import TokenStore

LENGTH = 1024


def lengths(tokens: int) -> npt.NDArray[np.int64]:
    """Document lengths that add up to about ``tokens``."""
    drawn = np.random.default_rng(0).lognormal(6.0, 1.0, tokens // 600).astype(np.int64) + 2
    return drawn[: int(np.searchsorted(np.cumsum(drawn), tokens))]


def make_store(folder: Path, tokens: int) -> TokenStore:
    """A token store of random ids."""
    sizes = lengths(tokens)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    values = np.random.default_rng(1).integers(0, 32_000, offsets[-1]).astype(np.uint16)
    names = [str(i) for i in range(len(sizes))]
    table = pa.table(
        {"input_ids": pa.ListArray.from_arrays(offsets, values), "source": ["s"] * len(sizes), "document_id": names}
    )
    datasets.Dataset(table).save_to_disk(folder / "train")
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    return TokenStore(folder)


def read_speed(samples: Samples, *, shuffle: str) -> None:
    """Median of five passes over 10,000 samples in micro-batches of 32."""
    speeds = []
    for attempt in range(5):
        batches = GlobalBatches(
            batch=32, micro=32, rank=0, ranks=1, first_step=attempt * 300, last_step=(attempt + 1) * 300
        )
        start, count = time.process_time(), 0
        for batch in batches:
            for sample in samples.__getitems__(batch):
                count += len(sample["input_ids"]) * int(sample["input_ids"].max() >= 0)
        speeds.append(count / (time.process_time() - start))
    print(
        f"{shuffle}: {statistics.median(speeds) / 1e6:.1f} million tokens per CPU second "
        f"(min {min(speeds) / 1e6:.1f}), every id read"
    )


class Imaginary:
    """A token store of a billion tokens that holds none."""

    fingerprint = "imaginary"

    def __init__(self) -> None:
        self.lengths = lengths(1_000_000_000)
        self.tokens = int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.lengths)

    def slices(self, pieces: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint16]]:
        """As ``TokenStore.slices``."""
        return [np.zeros(length, np.uint16) for length in pieces[:, 2].tolist()]


def seek_time(folder: Path) -> None:
    """From nothing but the files to the samples of a random step, 20 times."""
    imaginary: Any = Imaginary()
    start = time.perf_counter()
    plan = make_plan(BatchesSection(sequence_length=LENGTH), imaginary)
    print(
        f"plan of {plan.facts.tokens:,} tokens, {plan.facts.documents:,} documents, {plan.facts.samples:,} rows, "
        f"{plan.facts.fill:.3%} full: {time.perf_counter() - start:.1f} s"
    )
    save_plan(plan, folder)
    times = []
    for step in np.random.default_rng(2).integers(0, plan.facts.samples // 512 * 3, 20).tolist():
        start = time.perf_counter()
        samples = Samples(imaginary, load_plan(folder), seed=1)
        first = next(iter(GlobalBatches(batch=512, micro=32, rank=0, ranks=1, first_step=step, last_step=step + 1)))
        samples.__getitems__(first)
        times.append(time.perf_counter() - start)
    print(
        "seek to a random step, plan opened anew: "
        f"median {statistics.median(times) * 1e3:.1f} ms, max {max(times) * 1e3:.1f} ms"
    )


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "store").mkdir()
        store = make_store(folder / "store", 20_000_000)
        for packing in ("best_fit", "concatenate"):
            plan = make_plan(BatchesSection(sequence_length=LENGTH, packing=packing), store)  # type: ignore[arg-type]
            read_speed(
                Samples(store, plan, seed=1),
                shuffle=f"{packing}, {len(plan.packing.pieces) / plan.packing.samples:.1f} pieces a row",
            )
        seek_time(folder)


if __name__ == "__main__":
    main()
