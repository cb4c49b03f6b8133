"""How many tokens there are to train on: counted once the batch plan exists, bounded by file sizes before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pretraining.batching.supply import Supply
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import COMPRESSIONS, needs_network, source_files, source_name
from pretraining.errors import DataError


def available_tokens(corpus: CorpusSection, base: Path, run_folder: Path) -> Supply:
    """Tokens of one pass over each source, and of one over everything.

    Without a count it is the number of bytes, because a byte-level tokenizer makes at most one token of a byte:
    how many it will make of which language is not known before. Compressed files say nothing, and what is behind a
    network is not asked for: a recipe is checked offline, and whether that text has changed no plan can tell.

    Args:
        base: folder that the sources' relative paths start from.
        run_folder: ``runs/<name>``; its batch plan is exact, padding included, unless a source is newer.
    """
    plan = run_folder / "batches" / "plan.json"
    counted = _planned(plan)
    made = plan.stat().st_mtime if counted is not None else 0.0
    sizes: dict[str, int] = {}
    newest, missing = 0.0, False
    for source in corpus.sources:
        if needs_network(source, base):
            missing = True
            continue
        try:
            files = source_files(source, base)
            newest = max(newest, *(Path(file.path).stat().st_mtime for file in files))
        except (DataError, OSError):  # a rule of the corpus says what is wrong with it
            missing = True
            continue
        if not any(file.path.endswith((*COMPRESSIONS, ".zip", ".parquet", ".arrow", ".feather")) for file in files):
            sizes[source_name(source)] = sum(file.size for file in files)
    if counted is not None and not missing and made >= newest:
        return counted
    return Supply(sizes, False, sum(sizes.values()) if len(sizes) == len(corpus.sources) else None)


def _planned(plan: Path) -> Supply | None:
    """What ``plan.json`` has counted; None where there is none that can be read."""
    try:
        facts = json.loads(plan.read_text(encoding="utf-8"))
        tokens = {str(source): int(number) for source, number in facts["left_out"].items()}
        tokens |= {stream["source"]: int(stream["tokens"]) for stream in facts["streams"] if stream["source"]}
        return Supply(tokens, True, _places(facts["streams"]), _fill(facts["streams"]))
    except (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError):
        return None


def _places(streams: list[dict[str, Any]]) -> int:
    """Samples times sequence length of one pass over everything, in rows of the length that comes first."""
    length = (streams[0]["sequence_length"], streams[0]["row_length"])
    same = [stream for stream in streams if (stream["sequence_length"], stream["row_length"]) == length]
    return sum(int(stream["samples"]) for stream in same) * int(length[0])


def _fill(streams: list[dict[str, Any]]) -> dict[tuple[str, int], float]:
    """Tokens in a place of a row, by source and sequence length."""
    return {
        (stream["source"], int(stream["sequence_length"])): stream["tokens"]
        / (stream["samples"] * stream["sequence_length"])
        for stream in streams
        if stream["source"]
    }
