from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretraining.corpus.sources import SourceError


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of two Parquet files."""
    (tmp_path / "letters").mkdir()
    for i, texts in enumerate((["one", "", "three"], ["four"])):
        table = pa.table({"body": texts, "meta": [{"key": f"{i}-{j}"} for j in range(len(texts))]})
        pq.write_table(table, tmp_path / f"letters/train-{i}.parquet")
    return tmp_path / "letters"


def test_a_folder_of_files_is_read_shard_by_shard(folder: Path, read: Callable) -> None:
    result = read(type="huggingface", path="letters", text="body")
    assert result.texts == {
        "s/train-00000-of-00002:1": "one",
        "s/train-00000-of-00002:3": "three",
        "s/train-00001-of-00002:1": "four",
    }
    assert result.reasons == [(2, "empty")]
    assert result.docs[0].fields == {"meta": {"key": "0-0"}}
    assert result.advanced == result.size


def test_nested_ids(folder: Path, read: Callable) -> None:
    assert list(read(type="huggingface", path="letters", text="body", id="meta.key").texts) == [
        "s/0-0",
        "s/0-2",
        "s/1-0",
    ]


@pytest.mark.parametrize("splits", [True, False])
def test_a_folder_that_save_to_disk_wrote(tmp_path: Path, read: Callable, splits: bool) -> None:
    import datasets

    saved: Any = datasets.Dataset.from_dict({"text": ["one", "two"]})
    (datasets.DatasetDict({"test": saved}) if splits else saved).save_to_disk(tmp_path / "saved")
    result = read(type="huggingface", path="saved", split="test")
    assert list(result.texts.values()) == ["one", "two"] and next(iter(result.texts)) == "s/test-00000-of-00001:1"


def test_what_cannot_be_opened(folder: Path, read: Callable) -> None:
    with pytest.raises(SourceError, match=r"letters cannot be opened .*split 'test'"):
        read(type="huggingface", path="letters", split="test")
    with pytest.raises(SourceError, match="needs the network"):
        read(type="huggingface", path="nobody/no-such-dataset")


def test_a_damaged_shard_gives_an_unreadable_record(folder: Path, read: Callable) -> None:
    path = folder / "train-1.parquet"
    data = bytearray(path.read_bytes())
    data[4:60] = b"\x77" * 56
    path.write_bytes(data)
    result = read(type="huggingface", path="letters", text="body")
    assert list(result.texts.values()) == ["one", "three"] and result.reasons[-1] == (1, "corrupt")
