"""The token store is the same bytes however often its writing was stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretraining.errors import DataError
from pretraining.tokenization import shards, writing
from pretraining.tokenization.documents import texts
from pretraining.tokenization.figures import Figures
from pretraining.tokenization.store import TokenStore
from pretraining.tokenization.training import save_tokenizer
from pretraining.tokenization.writing import STATE, write_token_store


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def corpus(make_corpus: Callable[..., Path], prose: list[str], tmp_path: Path) -> Path:
    """Four files for training, two held out."""
    folder = tmp_path / "corpus"
    make_corpus(folder, prose * 3, files=4)
    return make_corpus(folder, prose, files=2, split="validation")


def write(tokenizer: Any, corpus: Path, output: Path, **keys: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(figures, files) of a new store."""
    output.mkdir()
    return write_token_store(tokenizer, corpus, output, **keys), content(output)


def test_every_document_is_there_once_in_order(run_folder: Path, corpus_folder: Path, tokenizer: Any) -> None:
    for split in ("train", "validation"):
        store = TokenStore(run_folder / "tokens", split)
        documents = list(texts(corpus_folder, split))
        assert len(store) == len(documents)
        for number, (ids, text) in enumerate(zip(store, documents, strict=True)):
            assert [ids[0], ids[-1]] == [tokenizer.bos_token_id, tokenizer.eos_token_id]
            assert tokenizer.decode(ids[1:-1]) == text
            assert store.document_id(number) == f"{split}/{number}"


def test_datasets_opens_the_folder(run_folder: Path) -> None:
    import datasets

    opened = datasets.load_from_disk(str(run_folder / "tokens"))
    assert set(opened) == {"train", "validation"}
    assert opened["train"].column_names == ["input_ids", "source", "document_id"]
    assert opened["train"].features["input_ids"].feature.dtype == "uint16"
    assert opened["train"][1]["source"] == "union"
    assert opened["train"][3]["input_ids"] == TokenStore(run_folder / "tokens")[3].tolist()


def test_a_stop_at_any_batch_changes_nothing(
    corpus: Path, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = write(tokenizer, corpus, tmp_path / "whole")
    assert len(expected[1]) == 11  # six shards, two JSON files for each split, one for both
    work = tmp_path / "work"
    for stop in range(12):
        calls = iter(range(100))

        def stopping(name: str, real: Callable[..., Any], at: int = stop, calls: Any = calls) -> Callable[..., Any]:
            def function(*arguments: Any, **keys: Any) -> Any:
                if next(calls) == at:
                    raise KeyboardInterrupt(name)
                return real(*arguments, **keys)

            return function

        output = tmp_path / f"stopped-{stop}"
        with monkeypatch.context() as patch:
            patch.setattr(Figures, "add", stopping("add", Figures.add))
            patch.setattr(Figures, "save", stopping("save", Figures.save))
            with pytest.raises(KeyboardInterrupt):
                write(tokenizer, corpus, output, work=work, inputs="same")
        assert content(output) == {}
        assert write(tokenizer, corpus, tmp_path / f"resumed-{stop}", work=work, inputs="same") == expected
        (work / STATE).unlink()


def test_finished_shards_are_not_encoded_again(
    corpus: Path, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(path: Path) -> Any:
        read.append(path.name)
        return small_batches(path)

    small_batches = writing.small_batches
    monkeypatch.setattr(writing, "small_batches", reading)
    work = tmp_path / "work"
    for number, inputs in enumerate(("a", "a", "b")):
        read.clear()
        write(tokenizer, corpus, tmp_path / str(number), work=work, inputs=inputs)
        assert len(read) == (0 if number == 1 else 6)


@pytest.mark.parametrize("change", ["inputs", "tokenizer", "corpus", "damage"])
def test_what_is_of_other_inputs_is_thrown_away(
    corpus: Path, tokenizer: Any, kinds: dict[str, Any], tmp_path: Path, change: str, make_corpus: Any, prose: list[str]
) -> None:
    work = tmp_path / "work"
    write(tokenizer, corpus, tmp_path / "before", work=work, inputs="a")
    if change == "corpus":
        make_corpus(corpus, prose * 4, files=4)
    if change == "damage":
        (work / STATE).write_bytes((work / STATE).read_bytes()[:300])
    other = kinds["llama3"] if change == "tokenizer" else tokenizer
    inputs = "b" if change == "inputs" else "a"
    found = write(other, corpus, tmp_path / "after", work=work, inputs=inputs)
    assert found == write(other, corpus, tmp_path / "fresh")


KILLED = """
import sys, time
from pathlib import Path
from transformers import PreTrainedTokenizerFast
from pretraining.tokenization.figures import Figures
from pretraining.tokenization.writing import write_token_store
add, calls = Figures.add, iter(range(99))
Figures.add = lambda *arguments, **keys: (next(calls) > 2 and time.sleep(600), add(*arguments, **keys))
folder, corpus = map(Path, sys.argv[1:])
(folder / "out").mkdir()
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer")
write_token_store(tokenizer, corpus, folder / "out", work=folder / "work", inputs="same")
"""


def test_a_killed_process_loses_nothing_that_was_finished(corpus: Path, tokenizer: Any, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(corpus)])
    second, limit = tmp_path / "work" / "train" / "data-00001-of-00004.arrow", time.monotonic() + 100
    while not second.exists() and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = second.stat().st_mtime_ns
    loaded = PreTrainedTokenizerFast.from_pretrained(tmp_path / "tokenizer")
    found = write(loaded, corpus, tmp_path / "resumed", work=tmp_path / "work", inputs="same")
    assert found == write(loaded, corpus, tmp_path / "whole")
    first = tmp_path / "work" / "train" / "data-00000-of-00004.arrow"
    assert first.stat().st_mtime_ns < before  # it was not written again


def test_the_fingerprint_is_of_the_documents_not_of_the_files(
    make_corpus: Callable[..., Path], tokenizer: Any, prose: list[str], tmp_path: Path
) -> None:
    def fingerprint(name: str, documents: list[str], **keys: Any) -> str:
        write(tokenizer, make_corpus(tmp_path / f"c{name}", documents, **keys), tmp_path / name)
        return TokenStore(tmp_path / name).fingerprint

    one = fingerprint("one", prose, files=1)
    assert fingerprint("three", prose, files=3) == one
    assert len({one, fingerprint("turned", prose[::-1]), fingerprint("other", prose, source=["t"] * 5)}) == 3


def test_short_empty_and_long_documents(
    make_corpus: Callable[..., Path], tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "RECORD_BATCH_TOKENS", 1000)
    long = "word " * 40_000
    documents = ["", "a", long, f"{tokenizer.eos_token} quoted {tokenizer.bos_token}", ""]
    figures, _ = write(tokenizer, make_corpus(tmp_path / "corpus", documents), tmp_path / "tokens")
    store = TokenStore(tmp_path / "tokens")
    assert [tokenizer.decode(ids[1:-1]) for ids in store] == documents
    assert store.lengths[[0, 1, 4]].tolist() == [2, 3, 2]
    assert len(TokenStore(tmp_path / "tokens", "validation")) == 0
    assert figures["round_trip"] == {"documents": 5, "lossless": 5, "losses": {}}


def test_bad_corpora_say_what_to_do(make_corpus: Callable[..., Path], tokenizer: Any, tmp_path: Path) -> None:
    def message(corpus: Path) -> str:
        output = tmp_path / f"{corpus.name}.out"
        output.mkdir()
        with pytest.raises(DataError) as error:
            write_token_store(tokenizer, corpus, output)
        return str(error.value)

    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert "holds no training documents; lower corpus.held_out or add sources" in message(nothing)
    assert "holds no training documents" in message(make_corpus(tmp_path / "empty", []))
    assert "no text (null); run `pretrain corpus` again" in message(make_corpus(tmp_path / "null", ["a", None]))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "train-00000-of-00001.parquet").write_bytes(b"not parquet")
    assert "not a corpus file" in message(foreign)
    narrow = tmp_path / "narrow"
    narrow.mkdir()
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), narrow / "train-00000-of-00001.parquet")
    assert "no column metadata, source" in message(narrow)
    surrogate = tmp_path / "surrogate"
    surrogate.mkdir()
    table = {"id": ["a"], "text": pa.array([b"a\xed\xa0\x80"]).view(pa.string()), "source": ["s"], "metadata": ["{}"]}
    pq.write_table(pa.table(table), surrogate / "train-00000-of-00001.parquet")
    assert "is not valid UTF-8" in message(surrogate)
