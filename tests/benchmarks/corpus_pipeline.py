"""The whole corpus stage against datatrove's own blocks: speed, memory, and whether the same documents stay.

    python tests/benchmarks/corpus_pipeline.py DOCUMENTS.jsonl [--documents 2000] [--chunks 4]
    python tests/benchmarks/corpus_pipeline.py DOCUMENTS.jsonl --processes [--documents 2000]

DOCUMENTS is a JSON Lines file of English text with the keys ``id`` and ``text``. The recipe is Gopher's two filters,
C4's, FineWeb's, MinHash, and personal data (mail and IP addresses). Ours is ``build_corpus`` with all that belongs to
it (ledger, ids, splits); the stock is datatrove 0.10.1's blocks in its local executor, as in its FineWeb example, with
uncompressed JSON Lines between them. Each side has one process, which takes chunk after chunk of the documents; they
work by turns. Time is the CPU time of the process, children included. What both spend on a chunk of 40 documents,
mostly the start of tasks, is given as ``fixed``, and taken off in the line ``without fixed``: a real task has 64 MB.

``--processes`` builds the documents in eight tasks with one worker and with two, by turns, each time in new processes,
and gives the time on the clock; it means something only on a machine with two idle cores. The same for few documents
says what the start costs (a process loads its libraries and spaCy's rules), which is taken off for the second ratio.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from heuristics import GOPHER_REASONS  # beside this script

FILTERS = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
STEPS = (*FILTERS, "minhash_deduplication", "privacy")
MASKS = {"EMAIL_ADDRESS": "[EMAIL_ADDRESS]", "IP_ADDRESS": "[IP_ADDRESS]"}
SMALL = 40
"""Documents of the chunk that measures what every build costs."""
TURNS, TASKS = 3, 8
"""Builds with one worker, and with two, of so many tasks."""
Report = dict[str, Any]
Run = Callable[[Path, Path, Counter[str]], None]


def section(path: Path, **executor: Any) -> dict[str, Any]:
    """Our recipe."""
    return {
        "sources": [{"type": "jsonl", "path": str(path), "id": "id", "name": "d", "language": "eng_Latn"}],
        "steps": [
            {"type": "gopher_repetition", "variant": "gopher-datatrove"},
            {"type": "gopher_quality", "variant": "gopher-datatrove"},
            {"type": "c4", "variant": "c4-datatrove"},
            {"type": "fineweb"},
            {"type": "minhash_deduplication", "hashing": "datatrove"},
            {"type": "privacy", "types": list(MASKS), "max_replaced": None},
        ],
        "keep_measurements": False,
        "canaries": False,
        "held_out": 0.0,
        "executor": executor,
    }


def timed(function: Callable[..., Any], name: str, spent: Counter[str]) -> Callable[..., Any]:
    """The function; its CPU time is added to ``spent[name]``."""

    def call(*arguments: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments)
        finally:
            spent[name] += time.process_time() - start  # type: ignore[assignment]

    return call


def ours() -> Run:
    """Loads what is needed; the function builds one file into a folder, and adds up its times."""
    from pretraining.corpus import blocks
    from pretraining.corpus.build import build_corpus
    from pretraining.corpus.config import CorpusSection
    from pretraining.corpus.deduplication.minhash import MinhashDeduplication as Minhash

    spent: Counter[str] = Counter()
    apply = blocks.apply

    def timed_apply(step: Any, draft: Any) -> Any:
        return timed(apply, step.section.type, spent)(step, draft)

    blocks.apply = timed_apply
    for method in ("sign", "save", "find"):
        setattr(Minhash, method, timed(getattr(Minhash, method), "minhash_deduplication", spent))

    def run(path: Path, folder: Path, times: Counter[str]) -> None:
        spent.clear()
        start = process_seconds()
        build_corpus(CorpusSection.model_validate(section(path)), folder, base=folder, progress=False)
        times["all"] += process_seconds() - start  # type: ignore[assignment]
        times.update({name: spent[name] for name in STEPS})  # type: ignore[arg-type]

    return run


def our_fates(folder: Path) -> Report:
    """By id: (step, reason as datatrove calls it) of the removed, the text of the kept; and groups of copies."""
    import pyarrow.parquet as pq

    fates: dict[str, Any] = {}
    groups: dict[str, set[str]] = defaultdict(set)
    columns = ["id", "fate", "step", "reason", "duplicate_of"]
    for row in pq.read_table(folder / "ledger", columns=columns).to_pylist():
        name = source_id(row["id"])
        if row["step"] == "minhash_deduplication":
            first = source_id(row["duplicate_of"])
            groups[first] |= {name, first}
        reason = row["reason"]
        fates[name] = [row["step"], f"gopher_{GOPHER_REASONS[reason]}" if reason in GOPHER_REASONS else reason]
    for path in folder.glob("*.parquet"):
        for row in pq.read_table(path, columns=["id", "text"]).to_pylist():
            fates[source_id(row["id"])] = ["kept", row["text"]]
    return {"fates": fates, "groups": [sorted(group) for group in groups.values()]}


def source_id(identifier: str) -> str:
    """Without the name of the source before it."""
    return identifier.partition("/")[2]


def stock() -> Run:
    """As ``ours``, with datatrove's blocks."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, filters
    from datatrove.pipeline.formatters import PIIFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter
    from loguru import logger

    logger.disable("datatrove")
    kinds = dict(
        zip(
            FILTERS,
            (
                filters.GopherRepetitionFilter,
                filters.GopherQualityFilter,
                filters.C4QualityFilter,
                filters.FineWebQualityFilter,
            ),
            strict=True,
        )
    )
    spent: Counter[str] = Counter()
    for name, kind in kinds.items():
        kind.filter = timed(kind.filter, name, spent)
    for method in ("get_shingles", "get_signature"):
        original = getattr(dedup.MinhashDedupSignature, method)
        setattr(dedup.MinhashDedupSignature, method, timed(original, "minhash_deduplication", spent))
    PIIFormatter.format = timed(PIIFormatter.format, "privacy", spent)

    def run(path: Path, folder: Path, times: Counter[str]) -> None:
        spent.clear()
        start = process_seconds()

        def write(name: str) -> Any:
            return JsonlWriter(str(folder / name), compression=None)

        def execute(name: str, *pipeline: Any, tasks: int = 1) -> None:
            before = process_seconds()
            logs = str(folder / "logs" / name)
            LocalPipelineExecutor(list(pipeline), tasks=tasks, workers=1, logging_dir=logs).run()
            times[name] += process_seconds() - before  # type: ignore[assignment]

        filtering = [kind(exclusion_writer=write(f"removed/{name}")) for name, kind in kinds.items()]
        execute("filter", JsonlReader(str(path.parent), glob_pattern=path.name), *filtering, write("filtered"))
        read = JsonlReader(str(folder / "filtered"))
        signatures, buckets, clusters = (str(folder / name) for name in ("signatures", "buckets", "clusters"))
        execute("sign", read, dedup.MinhashDedupSignature(signatures))
        execute("buckets", dedup.MinhashDedupBuckets(signatures, buckets), tasks=14)
        execute("clusters", dedup.MinhashDedupCluster(buckets, clusters, save_cluster_id=True))
        copies = dedup.MinhashDedupFilter(
            clusters, exclusion_writer=write("removed/minhash_deduplication"), load_cluster_ids=True
        )
        masking = PIIFormatter(email_replacement=MASKS["EMAIL_ADDRESS"], ip_replacement=MASKS["IP_ADDRESS"])
        execute("write", read, copies, masking, write("output"))
        times["all"] += process_seconds() - start  # type: ignore[assignment]
        spent["minhash_deduplication"] += times.pop("buckets") + times.pop("clusters")  # type: ignore[assignment]
        times.update({name: spent[name] for name in STEPS})  # type: ignore[arg-type]

    return run


def stock_fates(folder: Path) -> Report:
    """As ``our_fates``."""
    fates: dict[str, Any] = {}
    groups: dict[int, list[str]] = defaultdict(list)
    for file in sorted([*folder.glob("removed/*/*.jsonl"), *folder.glob("output/*.jsonl")]):
        step = file.parent.name
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            metadata = row.get("metadata", {})
            if metadata.get("minhash_cluster_id", -1) >= 0:
                groups[metadata["minhash_cluster_id"]].append(row["id"])
            reason = "near_duplicate" if step == "minhash_deduplication" else metadata.get("filter_reason")
            fates[row["id"]] = ["kept", row["text"]] if step == "output" else [step, reason]
    return {"fates": fates, "groups": [sorted(group) for group in groups.values()]}


def process_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def serve(side: str, pipe: Connection) -> None:
    """One side's process: a file comes in; times, peak memory and the folder of the output go out."""
    run = {"ours": ours, "stock": stock}[side]()
    while (path := pipe.recv()) is not None:
        folder = Path(tempfile.mkdtemp())
        times: Counter[str] = Counter()
        with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):  # datatrove prints a bar
            run(path, folder, times)
        pipe.send((times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, folder))


def cut(path: Path, documents: int, chunks: int, folder: Path) -> list[Path]:
    """Files of as many documents each; the first one, of ``SMALL``, repeats the beginning."""
    with path.open(encoding="utf-8") as file:
        lines = list(islice(file, documents))
    size = -(-len(lines) // chunks)
    pieces = [lines[:SMALL], *(lines[start : start + size] for start in range(0, len(lines), size))]
    paths = []
    for number, piece in enumerate(pieces):
        paths.append(folder / f"{number}" / "documents.jsonl")
        paths[-1].parent.mkdir()
        paths[-1].write_text("".join(piece), "utf-8")
    return paths


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Both sides by turns over the chunks."""
    small, *paths = cut(arguments.path, arguments.documents, arguments.chunks, folder)
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for side in ("ours", "stock"):
        pipes[side], other = context.Pipe()
        context.Process(target=serve, args=(side, other), daemon=True).start()

    def ask(side: str, path: Path) -> tuple[Counter[str], int, Report]:
        pipes[side].send(path)
        spent, peak, output = pipes[side].recv()
        report = {"ours": our_fates, "stock": stock_fates}[side](output)
        shutil.rmtree(output)
        return spent, peak, report

    fixed = {side: [ask(side, small) for _ in range(3)][-1][0]["all"] for side in pipes}  # the first loads spaCy
    times: dict[str, Counter[str]] = {side: Counter() for side in pipes}
    memory: dict[str, int] = {}
    factors, agreement = [], Counter[str]()
    for turn, path in enumerate(paths):
        reports, spent = {}, {}
        for side in sorted(pipes, reverse=bool(turn % 2)):
            spent[side], memory[side], reports[side] = ask(side, path)
            times[side].update(spent[side])
        factors.append(spent["stock"]["all"] / spent["ours"]["all"])
        agreement.update(agree(reports["ours"], reports["stock"]))
    for pipe in pipes.values():
        pipe.send(None)
    show(paths, times, fixed, memory, factors, agreement)


def agree(one: Report, other: Report) -> Counter[str]:
    """How many documents share their fate, and how many groups of copies their members."""
    found: Counter[str] = Counter()
    copies = "minhash_deduplication"
    for name, (step, detail) in one["fates"].items():
        step_there, detail_there = other["fates"][name]
        # of two copies either may stay: what counts is that one of the same group does
        late = {step, step_there} <= {"kept", copies}
        found["documents"] += 1
        found["fate"] += step == step_there or late
        found["reason"] += late or (step == step_there and detail == detail_there)
        both = step == step_there == "kept"
        found["kept"] += both
        found["text"] += both and detail == detail_there
    here, there = ({tuple(group) for group in report["groups"]} for report in (one, other))
    found["groups"], found["same groups"] = len(here | there), len(here & there)
    for side, report in (("ours", one), ("stock", other)):
        found[f"kept {side}"] = sum(step == "kept" for step, _ in report["fates"].values())
    return found


def show(
    paths: list[Path],
    times: dict[str, Counter[str]],
    fixed: dict[str, float],
    memory: dict[str, int],
    factors: list[float],
    agreement: Counter[str],
) -> None:
    """The tables."""
    texts = [json.loads(line)["text"] for path in paths for line in path.read_text("utf-8").splitlines()]
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {size:.1f} MB in {len(paths)} chunks; load {os.getloadavg()[0]:.1f}")
    print(f"{'seconds of CPU':24} {'ours':>8} {'stock':>8} {'factor':>7}")

    def row(name: str, mine: float, theirs: float) -> None:
        print(f"{name:24} {mine:8.2f} {theirs:8.2f} {theirs / mine:7.1f}")

    rest = {}
    for side, spent in times.items():
        rest[side] = spent["all"] - sum(spent[step] for step in STEPS)
    for step in STEPS:
        row(step, times["ours"][step], times["stock"][step])
    row("reading, writing, rest", rest["ours"], rest["stock"])
    row("all", times["ours"]["all"], times["stock"]["all"])
    row("fixed, per chunk", fixed["ours"], fixed["stock"])
    net = {side: times[side]["all"] - len(paths) * fixed[side] for side in times}
    row("without fixed", net["ours"], net["stock"])
    print(f"factor by chunk: {', '.join(f'{f:.1f}' for f in factors)}")
    for side in times:
        print(
            f"{side:6} {len(texts) / net[side]:7,.0f} documents/s {size / net[side]:6.2f} MB/s per core "
            f"({size / times[side]['all']:.2f} with fixed), peak memory {memory[side] / 1e6:,.0f} MB"
        )
    a = agreement
    print(
        f"same decision (one of a group of copies counts as another): {a['fate']}/{a['documents']}, "
        f"same reason {a['reason']}, groups of copies {a['same groups']}/{a['groups']}, "
        f"kept {a['kept ours']} and {a['kept stock']}, same text {a['text']}/{a['kept']} of those that both kept"
    )


def build_once(pattern: Path, workers: int, shard: int, pipe: Connection) -> None:
    """One build in a process of its own, so that nothing is warm; seconds on the clock and of CPU go out."""
    from pretraining.corpus.build import build_corpus
    from pretraining.corpus.config import CorpusSection

    with tempfile.TemporaryDirectory() as folder:
        recipe = CorpusSection.model_validate(section(pattern, workers=workers, shard_bytes=shard))
        start, before = time.perf_counter(), process_seconds()
        build_corpus(recipe, Path(folder), base=Path(folder), progress=False)
        pipe.send((time.perf_counter() - start, process_seconds() - before))


def processes(arguments: argparse.Namespace, folder: Path) -> None:
    """One worker against two."""
    context = multiprocessing.get_context("spawn")

    def seconds(part: str, workers: int) -> tuple[float, float]:
        paths = list((folder / part).glob("*/*.jsonl"))
        shard = min(path.stat().st_size for path in paths)
        pipe, other = context.Pipe()
        process = context.Process(target=build_once, args=(folder / part / "[1-8]" / "*.jsonl", workers, shard, other))
        process.start()
        clock, cpu = pipe.recv()
        process.join()
        return clock, cpu

    for part, documents in (("few", 8 * SMALL), ("all", arguments.documents)):
        (folder / part).mkdir()
        shutil.rmtree(cut(arguments.path, documents, TASKS, folder / part)[0].parent)
    found: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for turn in range(TURNS):
        for workers in (1, 2) if turn % 2 else (2, 1):
            for part in ("few", "all"):
                found[part, workers].append(seconds(part, workers))
    middle = {key: tuple(map(statistics.median, zip(*times, strict=True))) for key, times in found.items()}
    for (part, workers), (clock, cpu) in sorted(middle.items()):
        print(f"{part} documents, {workers} workers: {clock:.1f} s, CPU time {cpu:.1f} s")
    whole = middle["all", 1][0] / middle["all", 2][0]
    net = [middle["all", workers][0] - middle["few", workers][0] for workers in (1, 2)]
    print(f"{whole:.2f} times as fast with two, {net[0] / net[1]:.2f} without the start; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("path", type=Path)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--processes", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (processes if arguments.processes else compare)(arguments, Path(folder))


if __name__ == "__main__":
    main()
