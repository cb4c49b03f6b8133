"""The heuristic filters against datatrove's own: documents and bytes per second, and whether the decisions agree.

    python tests/benchmarks/heuristics.py DOCUMENTS.jsonl [--documents 1000] [--block 50]

DOCUMENTS is a JSON Lines file with the key ``text``, or a folder of ``.txt`` files, of English text. Both sides see
every document in blocks by turns, each step the document as it came; time is the process's own (CPU) time on one
thread. The first use of a word is part of the time on both sides. ``words: regex`` is measured afterwards, by its
decisions too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.utils.text import split_into_parts

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.c4 import C4
from pretraining.corpus.filters.fineweb import FineWeb
from pretraining.corpus.filters.gopher_quality import GopherQuality
from pretraining.corpus.filters.gopher_repetition import GopherRepetition
from pretraining.corpus.sections.heuristics import C4Step, FineWebStep, GopherQualityStep, GopherRepetitionStep
from pretraining.corpus.step import Step, apply
from pretraining.corpus.text.spacy_memo import spacy_memo

NAMES = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
GOPHER_REASONS = {
    "too_few_words": "short_doc",
    "too_many_words": "long_doc",
    "words_too_short": "below_avg_threshold",
    "words_too_long": "above_avg_threshold",
    "too_many_hashes": "too_many_hashes",
    "too_many_ellipses": "too_many_ellipsis",
    "too_many_bullet_lines": "too_many_bullets",
    "too_many_ellipsis_lines": "too_many_end_ellipsis",
    "too_few_alphabetic_words": "below_alpha_threshold",
    "too_few_stop_words": "enough_stop_words",
}
Outcome = tuple[str | None, str]


def steps(words: str) -> dict[str, Step]:
    """The four steps with datatrove's numbers."""
    gopher: Any = {"variant": "gopher-datatrove", "words": words}
    return {
        "gopher_repetition": GopherRepetition(GopherRepetitionStep(type="gopher_repetition", **gopher)),
        "gopher_quality": GopherQuality(GopherQualityStep(type="gopher_quality", **gopher)),
        "c4": C4(C4Step(type="c4", variant="c4-datatrove")),
        "fineweb": FineWeb(FineWebStep(type="fineweb", words=words)),  # type: ignore[arg-type]
    }


def decide_ours(step: Step, draft: Draft) -> Outcome:
    """(reason as datatrove calls it, text afterwards)."""
    verdict = apply(step, draft)
    reason = None if verdict is None else verdict.reason
    return ("gopher_" + GOPHER_REASONS[reason] if reason in GOPHER_REASONS else reason), draft.text


def decide_theirs(stock: Any, document: Any) -> Outcome:
    """(reason, text afterwards)."""
    result = stock.filter(document)
    return (None if result is True else result[1]), document.text


def texts(path: Path) -> Iterator[str]:
    """The documents."""
    if path.is_dir():
        for file in sorted(path.rglob("*.txt")):
            yield file.read_text("utf-8", "replace")
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def run_block(block: list[str], decide: Any, parts: dict[str, Any], draft: bool, spent: Counter[str]) -> list[Outcome]:
    """The outcomes of every document and step; the time goes to ``spent``."""
    outcomes = []
    for text in block:
        document: Any = Draft(text, "1", source="s", file="f", language="eng_Latn") if draft else Document(text, "1")
        for name, part in parts.items():
            start = time.process_time()
            outcomes.append(decide(part, document))
            spent[name] += time.process_time() - start  # type: ignore[assignment]
            if document.text != text:
                document.text = text
    return outcomes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("documents_path", type=Path)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--block", type=int, default=50)
    arguments = parser.parse_args()
    documents = list(islice(texts(arguments.documents_path), arguments.documents))
    size = sum(len(text.encode()) for text in documents)
    stock: dict[str, Any] = dict(
        zip(
            NAMES,
            (GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(), FineWebQualityFilter()),
            strict=True,
        )
    )
    warm = "IS_ALPHA. "  # loads spaCy on both sides; datatrove keeps this word the first time only
    for _ in range(2):
        run_block([warm], decide_theirs, stock, False, Counter())
        split_into_parts.cache_clear()
    exact, fast = steps("spacy"), steps("regex")
    run_block([warm], decide_ours, exact, True, Counter())
    process = psutil.Process()
    before, grown = process.memory_info().rss, 0
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    ours_outcomes: list[Outcome] = []
    theirs_outcomes: list[Outcome] = []
    for start in range(0, len(documents), arguments.block):
        block = documents[start : start + arguments.block]
        rss = process.memory_info().rss
        ours_outcomes += run_block(block, decide_ours, exact, True, ours)
        grown += process.memory_info().rss - rss
        theirs_outcomes += run_block(block, decide_theirs, stock, False, theirs)
    report(documents, size, ours, theirs, ours_outcomes, theirs_outcomes)
    memo = spacy_memo("en")
    print(
        f"memory: {grown / 1e6:,.0f} MB more during our blocks for {len(memo._young) + len(memo._old):,} chunks; "
        f"the process {before / 1e6:,.0f} -> {process.memory_info().rss / 1e6:,.0f} MB, datatrove included"
    )
    regex: Counter[str] = Counter()
    regex_outcomes = run_block(documents, decide_ours, fast, True, regex)
    print(f"\nwords: regex  {size / 1e6 / regex.total():6.2f} MB/s, all four steps")
    for i, name in enumerate(NAMES):
        changed = sum(a[0] != b[0] for a, b in zip(regex_outcomes[i::4], ours_outcomes[i::4], strict=True))
        kept = sum(
            (a[0] is None) != (b[0] is None) for a, b in zip(regex_outcomes[i::4], ours_outcomes[i::4], strict=True)
        )
        print(f"  {name:18} {kept} of {len(documents)} decisions differ, {changed} reasons")


def report(
    documents: list[str],
    size: int,
    ours: Counter[str],
    theirs: Counter[str],
    ours_outcomes: list[Outcome],
    theirs_outcomes: list[Outcome],
) -> None:
    """The table."""
    print(f"{len(documents)} documents, {size / 1e6:.1f} MB")
    print(f"{'step':18} {'ours MB/s':>10} {'stock MB/s':>10} {'factor':>7} {'ours docs/s':>12} {'agree':>14}")
    for i, name in enumerate(NAMES):
        same = sum(a == b for a, b in zip(ours_outcomes[i::4], theirs_outcomes[i::4], strict=True))
        row(name, documents, size, ours[name], theirs[name], same)
    per_document = zip(*(iter(a == b for a, b in zip(ours_outcomes, theirs_outcomes, strict=True)),) * 4, strict=True)
    row("all", documents, size, ours.total(), theirs.total(), sum(map(all, per_document)))


def row(name: str, documents: list[str], size: int, ours: float, theirs: float, same: int) -> None:
    """One line of the table."""
    print(
        f"{name:18} {size / 1e6 / ours:10.2f} {size / 1e6 / theirs:10.2f} {theirs / ours:7.1f} "
        f"{len(documents) / ours:12.0f} {same:7}/{len(documents)}"
    )


if __name__ == "__main__":
    main()
