"""Tokens per second of the loader in one process, and the time to seek in a plan of 10^9 tokens.

    python tests/benchmarks/loader.py

It makes a token store of 20 million tokens in documents of log-normal length (median 400) from seven sources, and,
for the seek, a plan of a billion tokens over an imaginary store; both in a temporary folder.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pretraining.batching.config import BatchesSection, MixtureSection
from pretraining.batching.loader import GlobalBatches, Samples
from pretraining.batching.plan import Plan, load_plan, make_plan, save_plan
from pretraining.batching.schedule import make_schedule
from pretraining.batching.timeline import BatchSize, Timeline, make_timeline
from pretraining.section import Duration
from pretraining.tokenization.store import TokenStore

LENGTH = 1024
# Touvron et al. 2023, table 1; the documents are spread over the sources in these shares too.
LLAMA = {"arxiv": 0.025, "books": 0.045, "c4": 0.15, "cc": 0.67, "github": 0.045, "stackexchange": 0.02, "wiki": 0.045}


def lengths(tokens: int) -> npt.NDArray[np.int64]:
    """Document lengths that add up to about ``tokens``."""
    drawn = np.random.default_rng(0).lognormal(6.0, 1.0, tokens // 600).astype(np.int64) + 2
    return drawn[: int(np.searchsorted(np.cumsum(drawn), tokens))]


def make_store(folder: Path, tokens: int, sources: Mapping[str, float]) -> TokenStore:
    """A token store of random ids, its documents spread over the sources by their shares."""
    sizes = lengths(tokens)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    rng = np.random.default_rng(1)
    values = rng.integers(0, 32_000, offsets[-1]).astype(np.uint16)
    shares = np.array(list(sources.values()))
    columns = {
        "input_ids": pa.ListArray.from_arrays(offsets, values),
        "source": rng.choice(list(sources), len(sizes), p=shares / shares.sum()),
        "document_id": [str(i) for i in range(len(sizes))],
    }
    datasets.disable_progress_bars()
    datasets.Dataset(pa.table(columns)).save_to_disk(folder / "train")
    # what `pretrain tokens` writes beside it, with which a store that is cut short is found
    about = folder / "train" / "dataset_info.json"
    splits = {"train": {"shard_lengths": [len(sizes)]}}
    about.write_text(json.dumps(json.loads(about.read_text()) | {"splits": splits}))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    return TokenStore(folder)


def plan_of(batches: BatchesSection, store: TokenStore) -> Plan:
    """The plan for causal language modeling."""
    return make_plan(batches, store, raw_length=lambda length, options: length)


def timeline_of(batches: BatchesSection, samples: int, steps: int) -> Timeline:
    """Steps of one size."""
    size = samples * batches.sequence_length
    return make_timeline(batches, BatchSize(size, size), Duration(steps=steps))


def read_speed(what: str, batches: BatchesSection, store: TokenStore) -> None:
    """Median of five passes over 9,600 samples in micro-batches of 32."""
    plan, timeline = plan_of(batches, store), timeline_of(batches, 32, 1500)
    samples = Samples(store, plan, make_schedule(batches, timeline, plan), seed=1)
    speeds = []
    for attempt in range(5):
        steps = range(attempt * 300, (attempt + 1) * 300)
        mine = GlobalBatches(timeline, micro=32, rank=0, ranks=1, first_step=steps.start, last_step=steps.stop)
        start, count = time.process_time(), 0
        for batch in mine:
            for sample in samples.__getitems__(batch):
                count += len(sample["input_ids"]) * int(sample["input_ids"].max() >= 0)
        speeds.append(count / (time.process_time() - start))
    print(
        f"{what}: {statistics.median(speeds) / 1e6:.1f} million tokens per CPU second "
        f"(min {min(speeds) / 1e6:.1f}, max {max(speeds) / 1e6:.1f}), every id read"
    )


class Imaginary:
    """A token store of a billion tokens that holds none."""

    fingerprint = "imaginary"
    sources = tuple(LLAMA)

    def __init__(self) -> None:
        self.lengths = lengths(1_000_000_000)
        self.tokens = int(self.lengths.sum())
        self.source_index = np.random.default_rng(1).choice(len(LLAMA), len(self.lengths), p=list(LLAMA.values()))

    def __len__(self) -> int:
        return len(self.lengths)

    def slices(self, pieces: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint16]]:
        """As ``TokenStore.slices``."""
        return [np.zeros(length, np.uint16) for length in pieces[:, 2].tolist()]


def seek_time(what: str, batches: BatchesSection, imaginary: Any, folder: Path) -> None:
    """From nothing but the files to the samples of a random step of three epochs, 20 times."""
    start = time.perf_counter()
    plan = plan_of(batches, imaginary)
    rows = sum(stream.samples for stream in plan.streams)
    print(
        f"{what}: plan of {plan.tokens:,} tokens, {plan.documents:,} documents, {rows:,} rows in "
        f"{len(plan.streams)} streams: {time.perf_counter() - start:.1f} s"
    )
    save_plan(plan, folder)
    timeline = timeline_of(batches, 512, rows // 512 * 3)
    times = []
    for step in np.random.default_rng(2).integers(0, timeline.steps, 20).tolist():
        start = time.perf_counter()
        opened = load_plan(folder)
        samples = Samples(imaginary, opened, make_schedule(batches, timeline, opened), seed=1)
        samples.__getitems__(
            next(iter(GlobalBatches(timeline, micro=32, rank=0, ranks=1, first_step=step, last_step=step + 1)))
        )
        times.append(time.perf_counter() - start)
    print(
        f"{what}: seek to a random step, plan opened anew: "
        f"median {statistics.median(times) * 1e3:.1f} ms, max {max(times) * 1e3:.1f} ms"
    )


def main() -> None:
    """Print the figures."""
    mixture = MixtureSection(weights=LLAMA)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "store").mkdir()
        store = make_store(folder / "store", 20_000_000, LLAMA)
        read_speed("best_fit", BatchesSection(sequence_length=LENGTH), store)
        read_speed("concatenate", BatchesSection(sequence_length=LENGTH, packing="concatenate"), store)
        read_speed("none", BatchesSection(sequence_length=LENGTH, packing="none"), store)
        read_speed("best_fit, mixture of 7", BatchesSection(sequence_length=LENGTH, mixture=mixture), store)
        imaginary = Imaginary()
        seek_time("no mixture", BatchesSection(sequence_length=LENGTH), imaginary, folder)
        seek_time("mixture of 7", BatchesSection(sequence_length=LENGTH, mixture=mixture), imaginary, folder)


if __name__ == "__main__":
    main()
