from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pretraining.errors import DataError
from pretraining.publishing.run_folder import count_parameters, read_run, removed_samples


def test_parameters_of_all_the_shards(tmp_path: Path) -> None:
    save_file(
        {"a": torch.zeros(3, 5), "b": torch.zeros(())}, tmp_path / "model-00001-of-00002.safetensors", {"format": "pt"}
    )
    save_file({"c": torch.zeros(7)}, tmp_path / "model-00002-of-00002.safetensors")
    assert count_parameters(tmp_path) == 3 * 5 + 1 + 7


def test_damaged_files_are_named(run: Path) -> None:
    (run / "model" / "model.safetensors").write_bytes(b"\xff" * 9)
    with pytest.raises(DataError, match=r"model.safetensors is damaged .*run `pretrain train` again"):
        read_run(run)
    (run / "metrics.jsonl").write_text('{"loss": 1}\n{"loss": \n')
    with pytest.raises(DataError, match=r"metrics.jsonl:2 is damaged .*run `pretrain train` again"):
        read_run(run)


def test_metrics_without_training(run: Path) -> None:
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(DataError, match="no line of training; run `pretrain train` first"):
        read_run(run)


def test_first_removed_samples_of_each_reason(run: Path) -> None:
    (run / "corpus" / "removed" / "empty.jsonl").write_text("")
    found = removed_samples(run, each=2)
    assert list(found) == ["deduplication-exact_copy", "length-too_short"]
    assert [sample["id"] for sample in found["length-too_short"]] == ["sotu/0", "sotu/1"]
