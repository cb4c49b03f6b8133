from __future__ import annotations

import filecmp
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretraining.errors import DataError
from pretraining.tokenization.documents import texts
from pretraining.tokenization.report import Report
from pretraining.tokenization.store import TokenStore, smallest_unsigned, write_token_store


@pytest.mark.parametrize(
    ("size", "name"), [(256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32"), (152_000, "uint32")]
)
def test_smallest_unsigned(size: int, name: str) -> None:
    assert smallest_unsigned(size).name == name


def test_every_document_is_bos_tokens_eos(run_folder: Path, corpus_folder: Path, tokenizer: Any) -> None:
    for split in ("train", "validation"):
        store = TokenStore(run_folder / "tokens", split)
        documents = list(texts(corpus_folder, split))
        assert len(store) == len(documents)
        for ids, text in zip(store, documents, strict=True):
            assert ids.dtype == np.uint16
            assert (ids == tokenizer.bos_token_id).sum() == 1 == (ids == tokenizer.eos_token_id).sum()
            assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id
            assert tokenizer.decode(ids[1:-1]) == text
        assert store.document_id(3) == f"{split}/3"


def test_reads_are_views_not_copies(run_folder: Path) -> None:
    store = TokenStore(run_folder / "tokens")
    view = store.slice(2, 3, 4)
    assert not view.flags.owndata and not view.flags.writeable
    assert view.tolist() == store[2].tolist()[3:7]


def test_datasets_opens_the_folder(run_folder: Path) -> None:
    import datasets

    opened = datasets.load_from_disk(str(run_folder / "tokens"))
    assert set(opened) == {"train", "validation"}
    assert opened["train"].column_names == ["input_ids", "source", "document_id"]
    assert opened["train"].features["input_ids"].feature.dtype == "uint16"


def test_writing_twice_gives_the_same_bytes(
    run_folder: Path, corpus_folder: Path, tokenizer: Any, tmp_path: Path
) -> None:
    write_token_store(tokenizer, corpus_folder, tmp_path)
    files = [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) == 7
    assert filecmp.cmpfiles(tmp_path, run_folder / "tokens", files, shallow=False)[0] == files


def test_the_text_of_a_special_token_stays_text(tokenizer: Any, tmp_path: Path) -> None:
    text = f"before {tokenizer.eos_token} after"
    corpus, output = tmp_path / "corpus", tmp_path / "tokens"
    corpus.mkdir(), output.mkdir()
    table = pa.table({"id": ["a"], "text": [text], "source": ["s"], "metadata": ["{}"]})
    pq.write_table(table, corpus / "train-00000-of-00001.parquet")
    write_token_store(tokenizer, corpus, output)
    ids = TokenStore(output)[0]
    assert (ids == tokenizer.eos_token_id).sum() == 1
    assert tokenizer.decode(ids[1:-1]) == text
    assert len(TokenStore(output, "validation")) == 0


def test_report_counts_bytes_words_and_the_round_trip(corpus_folder: Path, tokenizer: Any, tmp_path: Path) -> None:
    report = Report(len(tokenizer))
    write_token_store(tokenizer, corpus_folder, tmp_path, report=report)
    result = report.result(tokenizer)
    documents = list(texts(corpus_folder, "train"))
    assert result["round_trip"] == {"documents": 40, "lossless": 40}
    assert sum(s["bytes"] for s in result["sources"].values()) == sum(len(t.encode()) for t in documents)
    assert sum(s["words"] for s in result["sources"].values()) == sum(len(t.split()) for t in documents)
    tokens = sum(s["tokens"] for s in result["sources"].values())
    assert tokens == TokenStore(tmp_path).tokens - 2 * 40
    assert 0 < result["vocabulary_used"] < 1


def test_missing_and_foreign_folders_say_what_to_run(tmp_path: Path, tokenizer: Any) -> None:
    with pytest.raises(DataError, match="pretrain tokens"):
        TokenStore(tmp_path)
    with pytest.raises(DataError, match="no training documents"):
        write_token_store(tokenizer, tmp_path, tmp_path)
    (tmp_path / "train-00000-of-00001.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"train-00000.*pretrain corpus"):
        list(texts(tmp_path, "train"))
