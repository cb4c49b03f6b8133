"""Time and memory of a batch plan for millions of documents, and how full the rows are for real text.

    python tests/benchmarks/packing.py time                                      # 10^6 and 10^7 documents
    python tests/benchmarks/packing.py time --documents 1_000_000 --sources 20
    python tests/benchmarks/packing.py fill leads-en.jsonl.gz leads-fr.jsonl.gz  # {"text": ...} a line, or *.txt

``time`` makes a whole plan (packing, check, fingerprint) and writes it, for documents of log-normal length (mean 500
tokens), each in a process of its own. ``fill`` trains a byte-level BPE on the text and packs all of it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from pretraining.batching.config import BatchesSection, MixtureSection
from pretraining.batching.packing import pack
from pretraining.batching.plan import make_plan, save_plan

METHODS = ("best_fit", "concatenate", "none")
MEAN, SIGMA = 500, 1.0


def imaginary_store(documents: int, sources: int) -> Any:
    """What ``make_plan`` reads of a token store, without the tokens."""
    random = np.random.default_rng(0)
    lengths = np.empty(documents, np.int64)
    for first in range(0, documents, 1 << 20):  # the draws must not be what takes the memory
        part = lengths[first : first + (1 << 20)]
        part[:] = random.lognormal(np.log(MEAN) - SIGMA**2 / 2, SIGMA, len(part)) + 2
    names = tuple(f"source_{i:03d}" for i in range(sources))

    class Store(SimpleNamespace):
        def __len__(self) -> int:
            return documents

    return Store(
        lengths=lengths,
        tokens=int(lengths.sum()),
        fingerprint="imaginary",
        sources=names,
        source_index=random.integers(0, sources, documents, dtype=np.int32) if sources > 1 else None,
    )


def timed(documents: int, sources: int, row_length: int, method: Any) -> None:
    """Print the figures of one plan; called in a fresh process."""
    store = imaginary_store(documents, sources)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mixture = MixtureSection(temperature=1.0) if sources > 1 else None
    section = BatchesSection(sequence_length=row_length, packing=method, mixture=mixture)
    start, cpu = time.perf_counter(), time.process_time()
    plan = make_plan(section, store, raw_length=lambda length, options: length)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    with tempfile.TemporaryDirectory() as folder:
        save_plan(plan, Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        saved = time.perf_counter() - start - seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pieces, rows = (sum(getattr(stream, name) for stream in plan.streams) for name in ("pieces", "samples"))
    print(
        f"{method:<11} {documents:>11,} documents, {store.tokens:>14,} tokens -> {rows:>11,} rows of {row_length:,}, "
        f"{pieces:>11,} pieces, fill {store.tokens / rows / row_length:.4%}: {seconds:.2f} s, {cpu:.2f} s of CPU; "
        f"written in {saved:.2f} s, {size / 1e6:,.0f} MB; peak {peak >> 10:,} MiB of which {before >> 10:,} before",
        flush=True,
    )


def time_plans(arguments: argparse.Namespace) -> None:
    """One process for each number of documents and method."""
    context = multiprocessing.get_context("spawn")
    for method in arguments.methods:
        for documents in arguments.documents:
            run = (documents, arguments.sources, arguments.row_length, method)
            process = context.Process(target=timed, args=run)
            process.start()
            process.join()


def texts(paths: list[Path]) -> list[str]:
    """The documents of JSON lines, plain or gzipped, and of text files."""
    found = []
    for path in paths:
        if path.suffix == ".txt":
            found.append(path.read_text("utf-8"))
            continue
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            found += [json.loads(line)["text"] for line in file]
    return found


def token_lengths(documents: list[str], vocab_size: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Tokens of each document by a byte-level BPE that was trained on them, with one to open and one to end it."""
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(documents, vocab_size=vocab_size, show_progress=False)
    return np.array([len(encoding.ids) + 2 for encoding in tokenizer.encode_batch(documents)], np.int64)


def measure_fill(arguments: argparse.Namespace) -> None:
    """Print how full the rows are."""
    documents = texts(arguments.paths)
    lengths = token_lengths(documents, arguments.vocab_size)
    print(
        f"{len(documents):,} documents, {lengths.sum():,} tokens; length: median {np.median(lengths):.0f}, "
        f"mean {lengths.mean():.0f}, longest {lengths.max():,}"
    )
    for row_length in arguments.row_lengths:
        fits, found = lengths <= row_length, []
        for method in METHODS:
            packing = pack(lengths, row_length, method)
            whole = np.bincount(packing.pieces[:, 0])[fits] == 1
            found.append(f"{method} {lengths.sum() / (packing.samples * row_length):.3%} ({whole.sum():,} whole)")
        print(f"rows of {row_length:>5}, which hold {fits.sum():,} documents: " + "; ".join(found))


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    timing = kinds.add_parser("time")
    timing.add_argument("--documents", type=int, nargs="+", default=[10**6, 10**7])
    timing.add_argument("--sources", type=int, default=1)
    timing.add_argument("--row-length", type=int, default=2048)
    timing.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    timing.set_defaults(run=time_plans)
    filling = kinds.add_parser("fill")
    filling.add_argument("paths", type=Path, nargs="+")
    filling.add_argument("--vocab-size", type=int, default=8192)
    filling.add_argument("--row-lengths", type=int, nargs="+", default=[256, 512, 1024, 2048])
    filling.set_defaults(run=measure_fill)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
