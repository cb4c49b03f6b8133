from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.batching.config import BatchesSection, MixtureSection, StageSection
from pretraining.batching.loader import GlobalBatches, Rows, Samples, batch_digest, held_out_samples
from pretraining.batching.order import permute
from pretraining.batching.plan import Plan, load_plan, make_plan
from pretraining.batching.schedule import make_schedule
from pretraining.batching.timeline import BatchSize, Timeline, make_timeline
from pretraining.errors import DataError
from pretraining.section import Duration
from pretraining.tokenization.store import TokenStore

MIXED = BatchesSection(
    sequence_length=32,
    mixture=MixtureSection(weights={"lincoln": 1.0, "union": 3.0}),
    stages=[
        StageSection(name="short", duration=Duration(steps=20)),
        StageSection(name="long", duration=Duration(steps=10), sequence_length=64),
        StageSection(
            name="one", duration=Duration(steps=10), mixture=MixtureSection(weights={"lincoln": 1.0, "union": 0.0})
        ),
    ],
)


def plan_of(batches: BatchesSection, store: TokenStore) -> Plan:
    return make_plan(batches, store, raw_length=lambda length, options: length)


def samples_of(batches: BatchesSection, store: TokenStore, *, steps: int = 0, batch: int = 256) -> Samples:
    timeline = make_timeline(batches, BatchSize(batch, batch), Duration(steps=steps) if steps else None)
    plan = plan_of(batches, store)
    return Samples(store, plan, make_schedule(batches, timeline, plan), seed=3)


@pytest.fixture()
def store(run_folder: Path) -> TokenStore:
    return TokenStore(run_folder / "tokens")


def test_without_mixture_and_stages_index_i_is_row_permute_of_i(store: TokenStore, run_folder: Path) -> None:
    """The order of a run of one stream, which never changes between versions."""
    packing = load_plan(run_folder / "batches").streams[0].packing
    samples = samples_of(BatchesSection(sequence_length=32), store, steps=40)
    for index in range(len(samples)):
        epoch, position = divmod(index, packing.samples)
        row = int(permute(position, epoch, size=packing.samples, seed=3))
        pieces = packing.pieces[packing.offsets[row] : packing.offsets[row + 1]]
        sample = samples[index]
        assert (sample["index"], sample["epoch"], sample["stage"]) == (index, epoch, 0)
        assert sample["lengths"].tolist() == pieces[:, 2].tolist() and sample["lengths"].dtype == np.int64
        expected = np.concatenate([store.slice(*map(int, piece)) for piece in pieces])
        assert np.array_equal(sample["input_ids"], expected) and sample["input_ids"].dtype == np.uint16


def test_one_epoch_holds_every_token_once_and_the_next_has_another_order(store: TokenStore) -> None:
    samples = samples_of(BatchesSection(sequence_length=32), store, steps=40)
    size = next(index for index in range(len(samples)) if samples[index]["epoch"] == 1)
    rows = samples.__getitems__(range(size))
    counted = np.bincount(np.concatenate([row["input_ids"] for row in rows]), minlength=320)
    assert counted.tolist() == np.bincount(np.concatenate(list(store)), minlength=320).tolist()
    first, second = ([samples[e * size + i]["input_ids"].tolist() for i in range(size)] for e in (0, 1))
    assert first != second and sorted(first) == sorted(second)
    with pytest.raises(IndexError, match=f"of a run of {len(samples)}"):
        samples[len(samples)]


def test_a_mixture_in_stages_draws_rows_of_its_sources_and_lengths(store: TokenStore) -> None:
    samples = samples_of(MIXED, store)
    plan = plan_of(MIXED, store)
    streams, rows, epochs = samples.rows(np.arange(len(samples)))
    everything = samples.__getitems__(range(len(samples)))
    assert [sample["stage"] for sample in everything] == [0] * 160 + [1] * 40 + [2] * 80
    for sample, number, row, epoch in zip(everything, streams, rows, epochs, strict=True):
        stream = plan.streams[number]
        pieces = stream.packing.pieces[stream.packing.offsets[row] : stream.packing.offsets[row + 1]]
        assert {store.sources[i] for i in store.source_index[pieces[:, 0]]} == {stream.source}
        assert stream.sequence_length == (64 if sample["stage"] == 1 else 32) >= len(sample["input_ids"])
        assert sample["epoch"] == epoch
    assert {plan.streams[number].source for number in streams[200:]} == {"lincoln"}
    drawn = streams.tolist().count(plan.stream_of("lincoln", 32, 32))
    assert epochs.max() == (drawn - 1) // plan.streams[plan.stream_of("lincoln", 32, 32)].samples


@pytest.mark.parametrize("packing", ["best_fit", "none"])
def test_every_index_at_which_a_row_was_seen_is_found(store: TokenStore, packing: str) -> None:
    batches = MIXED.model_copy(update={"packing": packing})
    samples, plan = samples_of(batches, store), plan_of(batches, store)
    streams, rows, _ = samples.rows(np.arange(len(samples)))
    for number, stream in enumerate(plan.streams):
        for row in range(stream.samples):
            assert samples.seen(number, row) == np.flatnonzero((streams == number) & (rows == row)).tolist()


def test_unpacked_rows_of_like_length_are_neighbours(store: TokenStore) -> None:
    batches = BatchesSection(sequence_length=64, packing="none")
    plan = plan_of(batches, store)
    stream = plan.streams[0]
    samples = samples_of(batches, store, steps=stream.samples // 4 + 1)
    lengths = [len(sample["input_ids"]) for sample in samples.__getitems__(range(stream.samples))]
    assert sorted(lengths, reverse=True) == stream.packing.pieces[:, 2].tolist()
    inside = [lengths[i : i + 64] for i in range(0, len(lengths) - 64, 64)]
    assert sum(len(set(part)) for part in inside) <= len(set(lengths)) + 2 * len(inside)


def test_held_out_rows_come_in_the_order_of_the_packing(store: TokenStore) -> None:
    everything = held_out_samples(store, 32)
    rows = everything.__getitems__(range(everything.size))
    assert sum(len(row["input_ids"]) for row in rows) == store.tokens
    assert [(row["index"], row["epoch"], row["stage"]) for row in rows] == [(i, 0, 0) for i in range(len(rows))]
    tokens = 0
    for number, source in enumerate(store.sources):
        own = held_out_samples(store, 32, source=source)
        ids = np.concatenate([row["input_ids"] for row in own.__getitems__(range(own.size))])
        documents = [store[i] for i in np.flatnonzero(store.source_index == number)]
        assert np.array_equal(np.sort(ids), np.sort(np.concatenate(documents)))
        tokens += len(ids)
    assert tokens == store.tokens
    with pytest.raises(DataError, match="no held-out documents of books; there are some of lincoln, union"):
        held_out_samples(store, 32, source="books")


def ramp() -> Timeline:
    batches = BatchesSection(
        sequence_length=2,
        stages=[
            StageSection(name="a", duration=Duration(tokens=900)),
            StageSection(name="b", duration=Duration(tokens=900), sequence_length=4),
        ],
    )
    return make_timeline(batches, BatchSize(96, 288, 1200), None)


@settings(max_examples=40)
@given(
    step=st.integers(0, 10),
    ranks=st.sampled_from([1, 2, 4]),
    micro=st.sampled_from([1, 2, 3]),
    first=st.integers(0, 10),
)
def test_a_global_batch_is_the_same_for_any_ranks_micro_batch_and_start(
    step: int, ranks: int, micro: int, first: int
) -> None:
    timeline = ramp()
    step = min(step, timeline.steps - 1)
    start = min(first, step)
    seen: list[int] = []
    for rank in range(ranks):
        batches = GlobalBatches(timeline, micro=micro, rank=rank, ranks=ranks, first_step=start, last_step=step + 1)
        every = list(batches)
        assert len(every) == len(batches) == sum(batches.micro_batches(s) for s in range(start, step + 1))
        assert all(len(b) == micro for b in every)
        seen += [i for b in every[-batches.micro_batches(step) :] for i in b]
    assert sorted(seen) == list(timeline.samples_of(step))


def test_a_batch_that_does_not_divide_is_refused_before_it_comes() -> None:
    timeline = ramp()
    GlobalBatches(timeline, micro=16, rank=0, ranks=1, first_step=0, last_step=3)
    with pytest.raises(DataError, match=r"from step 11 on a batch has 72 samples, .* 16 samples on each of 1 ranks"):
        GlobalBatches(timeline, micro=16, rank=0, ranks=1, first_step=0, last_step=timeline.steps)


def test_a_digest_sees_ids_pieces_index_and_epoch_but_not_the_order(store: TokenStore) -> None:
    batch = samples_of(BatchesSection(sequence_length=32), store, steps=5).__getitems__(range(40))
    batch.sort(key=lambda sample: -len(sample["lengths"]))
    assert len(batch[0]["lengths"]) > 1
    digest = batch_digest(batch)
    assert batch_digest(batch[::-1]) == digest and len(digest) == 16
    changed = [
        {**batch[0], "epoch": 1},
        {**batch[0], "index": 40},
        {**batch[0], "input_ids": batch[0]["input_ids"][::-1]},
        {**batch[0], "lengths": np.array([len(batch[0]["input_ids"])])},
    ]
    assert len({batch_digest([sample, *batch[1:]]) for sample in changed} | {digest}) == 5


def test_a_batch_whose_rows_have_no_other_documents(store: TokenStore) -> None:
    one_row = held_out_samples(store, int(store.lengths.sum()), others=True)
    assert one_row.size == 1  # with all documents in it
    (sample,) = one_row.__getitems__([0])
    assert "other" not in sample and len(sample["lengths"]) == len(store)
    rows = held_out_samples(store, 32, others=True)
    assert any("other" in sample for sample in rows.__getitems__(range(rows.size)))


def test_the_other_documents_of_a_row_are_drawn_anew_for_every_sample(store: TokenStore) -> None:
    section = BatchesSection(sequence_length=32, packing="none")
    packing = plan_of(section, store).streams[0].packing
    rows, drawn = Rows(packing), range(200)
    for row in range(packing.samples):
        others = [rows.other(row, seed=3, index=index) for index in drawn]
        found = {int(document) for other in others if other is not None for document in other[:, 0]}
        assert int(rows[row][0, 0]) not in found and all(other is not None for other in others)
        assert len(found) > 0.8 * len(set(packing.pieces[:, 0].tolist()))  # 200 draws reach nearly all documents


def test_the_other_documents_do_not_depend_on_the_batch(store: TokenStore) -> None:
    section = BatchesSection(sequence_length=32, packing="none")
    plan, timeline = plan_of(section, store), make_timeline(section, BatchSize(256, 256), Duration(steps=40))
    samples = Samples(store, plan, make_schedule(section, timeline, plan), seed=3, others=True)
    for together, index in zip(samples.__getitems__(range(9)), range(9), strict=True):
        assert np.array_equal(together["other"]["input_ids"], samples[index]["other"]["input_ids"])
