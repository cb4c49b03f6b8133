from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.batching.config import BatchesSection
from pretraining.batching.loader import GlobalBatches, Samples
from pretraining.batching.plan import load_plan, make_plan
from pretraining.errors import DataError
from pretraining.tokenization.store import TokenStore


@pytest.fixture()
def samples(run_folder: Path) -> Samples:
    return Samples(TokenStore(run_folder / "tokens"), load_plan(run_folder / "batches"), seed=3)


def test_one_epoch_holds_every_token_once(samples: Samples, run_folder: Path) -> None:
    store = TokenStore(run_folder / "tokens")
    rows = [samples[i] for i in range(samples.size)]
    assert {row["epoch"] for row in rows} == {0} and samples[samples.size]["epoch"] == 1
    assert sum(len(row["input_ids"]) for row in rows) == store.tokens
    counted = np.bincount(np.concatenate([row["input_ids"] for row in rows]), minlength=320)
    assert counted.tolist() == np.bincount(np.concatenate(list(store)), minlength=320).tolist()
    for row in rows:
        assert row["lengths"].sum() == len(row["input_ids"]) <= 32


def test_the_next_epoch_has_another_order(samples: Samples) -> None:
    first, second = ([samples[i + e * samples.size]["input_ids"].tolist() for i in range(samples.size)] for e in (0, 1))
    assert first != second and sorted(first) == sorted(second)


@given(
    step=st.integers(0, 50),
    ranks=st.sampled_from([1, 2, 4]),
    micro=st.sampled_from([1, 2, 3]),
    first=st.integers(0, 50),
)
def test_a_global_batch_is_the_same_for_any_ranks_micro_batch_and_start(
    step: int, ranks: int, micro: int, first: int
) -> None:
    start = min(first, step)
    seen: list[int] = []
    for rank in range(ranks):
        batches = GlobalBatches(batch=24, micro=micro, rank=rank, ranks=ranks, first_step=start, last_step=step + 1)
        per_step = batches.micro_batches
        every = list(batches)
        assert len(every) == len(batches) and all(len(b) == micro for b in every)
        seen += [i for b in every[(step - start) * per_step :] for i in b]
    assert sorted(seen) == list(range(step * 24, (step + 1) * 24))


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple of 3 x 2"):
        GlobalBatches(batch=8, micro=3, rank=0, ranks=2, first_step=0, last_step=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_worker_processes_change_nothing(samples: Samples, workers: int) -> None:
    from torch.utils.data import DataLoader

    batches = GlobalBatches(batch=4, micro=2, rank=0, ranks=1, first_step=2, last_step=9)
    loader: Any = DataLoader(samples, batch_sampler=batches, collate_fn=list, num_workers=workers)  # type: ignore[arg-type]
    digest = hashlib.sha256()
    for batch in loader:
        for row in batch:
            digest.update(np.asarray(row["input_ids"]).tobytes() + str(row["index"]).encode())
    expected = hashlib.sha256()
    for index in range(8, 36):
        expected.update(np.asarray(samples[index]["input_ids"]).tobytes() + str(index).encode())
    assert digest.hexdigest() == expected.hexdigest()


def test_plan_facts_add_up_and_the_plan_is_reproducible(run_folder: Path) -> None:
    store = TokenStore(run_folder / "tokens")
    saved, again = load_plan(run_folder / "batches"), make_plan(BatchesSection(sequence_length=32), store)
    assert saved.facts == again.facts
    assert saved.facts.tokens + saved.facts.padding == saved.facts.samples * 32
    assert saved.facts.tokens == store.tokens
    other = make_plan(BatchesSection(sequence_length=31), store)
    assert other.facts.fingerprint != saved.facts.fingerprint


def test_missing_plan_says_what_to_run(tmp_path: Path, run_folder: Path) -> None:
    with pytest.raises(DataError, match="pretrain tokens"):
        load_plan(tmp_path)
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(DataError, match="no batch plan"):
        load_plan(tmp_path)
