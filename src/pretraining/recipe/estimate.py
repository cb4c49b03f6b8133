"""How many tokens there are to train on: counted once the batch plan exists, guessed from file sizes before."""

from __future__ import annotations

import json
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import COMPRESSIONS, source_files
from pretraining.errors import DataError

BYTES_PER_TOKEN = 4
"""A usual figure for byte-pair encodings of English with some ten thousand tokens."""
COMPRESSION = 3
"""How much text a compressed byte holds."""


def available_tokens(corpus: CorpusSection, base: Path, run_folder: Path) -> tuple[int, bool] | None:
    """Tokens of one pass over the training rows, and whether they were counted; None when nothing can be said.

    Args:
        base: folder that the sources' relative paths start from.
        run_folder: ``runs/<name>``; its batch plan is exact, padding included.
    """
    counted = _planned(run_folder / "batches" / "plan.json")
    if counted is not None:
        return counted, True
    size = 0
    for source in corpus.sources:
        try:
            for file in source_files(source, base):
                packed = file.path.endswith((*COMPRESSIONS, ".parquet"))
                size += file.size * (COMPRESSION if packed else 1)
        except (DataError, OSError):  # a rule of the corpus says what is wrong with it
            return None
    return int(size * (1 - corpus.held_out)) // BYTES_PER_TOKEN, False


def _planned(plan: Path) -> int | None:
    try:
        facts = json.loads(plan.read_text(encoding="utf-8"))
        return int(facts["samples"]) * int(facts["sequence_length"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
