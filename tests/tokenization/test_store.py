"""Reading the token store: views, places, sources, and what is said of damaged files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretraining.errors import DataError
from pretraining.tokenization import shards
from pretraining.tokenization.store import TokenStore
from pretraining.tokenization.writing import write_token_store


@pytest.fixture
def tokens(make_corpus: Callable[..., Path], tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of 12 documents in three files, with a record batch for almost every document."""
    monkeypatch.setattr(shards, "RECORD_BATCH_TOKENS", 4)
    monkeypatch.setattr("pretraining.tokenization.documents.BATCH_ROWS", 1)
    sources = [("b", "a", "c")[i % 3] for i in range(12)]
    corpus = make_corpus(tmp_path / "corpus", [f"text {i}" for i in range(12)], files=3, source=sources)
    (tmp_path / "tokens").mkdir()
    write_token_store(tokenizer, corpus, tmp_path / "tokens")
    return tmp_path / "tokens"


def test_reads_are_views_not_copies(run_folder: Path) -> None:
    store = TokenStore(run_folder / "tokens")
    view = store.slice(2, 3, 4)
    assert not view.flags.owndata and not view.flags.writeable
    assert view.tolist() == store[2].tolist()[3:7]
    pieces = np.array([[2, 3, 4], [0, 0, 2], [39, 1, 1]])
    assert [piece.tolist() for piece in store.slices(pieces)] == [store.slice(*row).tolist() for row in pieces.tolist()]
    assert not any(piece.flags.owndata for piece in store.slices(pieces))


def test_documents_sources_and_ids_over_many_record_batches(tokens: Path, tokenizer: Any) -> None:
    store = TokenStore(tokens)
    assert [tokenizer.decode(ids[1:-1]) for ids in store] == [f"text {i}" for i in range(12)]
    assert store.sources == ("a", "b", "c")
    assert store.source_index.dtype == np.int32
    assert store.source_index.tolist() == [1, 0, 2] * 4
    assert [store.find(store.document_id(i)) for i in range(12)] == list(range(12))
    assert store.find("train/12") is None
    assert store.lengths.dtype == np.int64 and store.tokens == store.lengths.sum() == sum(map(len, store))


def test_a_split_without_documents_is_empty(tokens: Path) -> None:
    store = TokenStore(tokens, "validation")
    assert (len(store), store.tokens, store.fingerprint, store.sources) == (0, 0, "empty", ())
    assert store.source_index.tolist() == [] and store.find("a") is None


def cut(path: Path, size: int) -> None:
    """Keep the first bytes of a file."""
    path.write_bytes(path.read_bytes()[:size])


def without_last_batch(path: Path) -> None:
    """Cut a file between two record batches, so that what is left is a whole stream without an end."""
    import pyarrow as pa

    batches = list(pa.ipc.open_stream(path.read_bytes()))
    with path.open("wb") as sink, pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches[:-1]:
            writer.write_batch(batch)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "data-00001-of-00003.arrow is damaged or cut short": lambda s: cut(s / "train/data-00001-of-00003.arrow", 900),
    "data-00002-of-00003.arrow is damaged or cut short": lambda s: cut(s / "train/data-00002-of-00003.arrow", 3),
    "data-00000-of-00003.arrow is damaged or cut short": lambda s: cut(s / "train/data-00000-of-00003.arrow", 0),
    "holds 3 of its 4 documents": lambda s: without_last_batch(s / "train/data-00000-of-00003.arrow"),
    "data-00000-of-00003.arrow is missing": lambda s: (s / "train/data-00000-of-00003.arrow").unlink(),
    "state.json is missing": lambda s: (s / "train/state.json").unlink(),
    "is not a token store, or is damaged": lambda s: cut(s / "train/dataset_info.json", 100),
    "dataset_dict.json is missing": shutil.rmtree,
}


@pytest.mark.parametrize("message", list(DAMAGE))
def test_a_damaged_store_says_what_to_do(tokens: Path, message: str) -> None:
    DAMAGE[message](tokens)
    with pytest.raises(DataError, match=f"{message}.*run `pretrain tokens`"):
        TokenStore(tokens)


def test_offsets_that_go_back_are_damage(tokens: Path) -> None:
    path = tokens / "train" / "data-00000-of-00003.arrow"
    store = TokenStore(tokens)
    offsets = np.array([0, store.lengths[0]], np.int32).tobytes()
    content = path.read_bytes()
    assert offsets in content
    path.write_bytes(content.replace(offsets, np.array([0, -1], np.int32).tobytes(), 1))
    with pytest.raises(DataError, match="run `pretrain tokens` again"):
        TokenStore(tokens)


def test_a_store_that_datasets_wrote_is_refused_with_a_reason(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"input_ids": [[1, 2]], "source": ["s"], "document_id": ["a"]}).save_to_disk(
        tmp_path / "train"
    )
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    with pytest.raises(DataError, match="run `pretrain tokens` again"):
        TokenStore(tmp_path)
