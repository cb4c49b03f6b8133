"""How many tokens there are to train on: counted once the batch plan exists, bounded by file sizes before."""

from __future__ import annotations

import json
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import COMPRESSIONS, source_files
from pretraining.errors import DataError


def available_tokens(corpus: CorpusSection, base: Path, run_folder: Path) -> tuple[int, bool] | None:
    """Tokens of one pass over the training rows, and whether they were counted; None when nothing can be said.

    Without a count it is the number of bytes, because a byte-level tokenizer makes at most one token of a byte:
    how many it will make of which language is not known before. Compressed files say nothing.

    Args:
        base: folder that the sources' relative paths start from.
        run_folder: ``runs/<name>``; its batch plan is exact, padding included, unless a source is newer.
    """
    plan = run_folder / "batches" / "plan.json"
    counted = _planned(plan)
    made = plan.stat().st_mtime if counted is not None else 0.0
    size, newest, packed = 0, 0.0, False
    for source in corpus.sources:
        try:
            for file in source_files(source, base):
                packed |= file.path.endswith((*COMPRESSIONS, ".zip", ".parquet", ".arrow", ".feather"))
                size += file.size
                newest = max(newest, Path(file.path).stat().st_mtime)
        except (DataError, OSError):  # a rule of the corpus says what is wrong with it
            return None
    if counted is not None and made >= newest:
        return counted, True
    return None if packed else (size, False)


def _planned(plan: Path) -> int | None:
    try:
        facts = json.loads(plan.read_text(encoding="utf-8"))
        return int(facts["samples"]) * int(facts["sequence_length"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
