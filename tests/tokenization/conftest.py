"""A small tokenizer of every kind, and corpora made of a few texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

KINDS: dict[str, dict[str, Any]] = {
    "byte_level": {"vocab_size": 320},
    "llama3": {"vocab_size": 320, "pattern": "llama3", "split_digits": "groups_of_three"},
    "metaspace": {"vocab_size": 420, "pre_tokenizer": "metaspace"},
    "unigram": {"vocab_size": 260, "algorithm": "unigram", "character_coverage": 1.0},
    "wordpiece": {"vocab_size": 260, "algorithm": "wordpiece", "character_coverage": 1.0},
    "uncased": {"vocab_size": 260, "algorithm": "wordpiece", "character_coverage": 1.0, "lowercase": True},
}

MakeCorpus = Callable[..., Path]


def write_corpus(folder: Path, texts: Sequence[str], *, files: int = 1, split: str = "train", **columns: Any) -> Path:
    """A corpus folder with ``texts`` in order in ``files`` files, as the corpus stage names them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rows = len(texts)
    data = {
        "id": [f"{split}/{i}" for i in range(rows)],
        "text": list(texts),
        "source": ["s"] * rows,
        "metadata": ["{}"] * rows,
    }
    table = pa.table({**data, **columns}, schema=pa.schema([(name, pa.string()) for name in data]))
    for number in range(files):
        begin, end = rows * number // files, rows * (number + 1) // files
        pq.write_table(table.slice(begin, end - begin), folder / f"{split}-{number:05d}-of-{files:05d}.parquet")
    return folder


@pytest.fixture(scope="session")
def make_corpus() -> MakeCorpus:
    """``write_corpus``."""
    return write_corpus


@pytest.fixture(scope="session")
def kinds(corpus_folder: Path) -> dict[str, Any]:
    """A tokenizer of every kind, by name."""
    from pretraining.tokenization.config import TokenizerSection
    from pretraining.tokenization.training import train_tokenizer

    return {name: train_tokenizer(TokenizerSection(**keys), corpus_folder) for name, keys in KINDS.items()}
