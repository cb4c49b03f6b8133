from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.batching.config import BatchesSection, MixtureSection, StageSection
from pretraining.batching.packing import pack
from pretraining.batching.plan import Plan, load_plan, make_plan, save_plan
from pretraining.errors import DataError
from pretraining.section import Duration
from pretraining.tokenization.store import TokenStore


class Store(SimpleNamespace):
    """What a plan needs of a token store: no tokens."""

    lengths: Any

    def __len__(self) -> int:
        return len(self.lengths)


def store(documents: list[tuple[str, int]], sources: tuple[str, ...] | None = None) -> Any:
    names = sources or tuple(sorted({source for source, _ in documents}))
    lengths = np.array([length for _, length in documents], np.int64)
    return Store(
        lengths=lengths,
        tokens=int(lengths.sum()),
        sources=names,
        source_index=np.array([names.index(source) for source, _ in documents], np.int32),
        fingerprint="f",
    )


DOCUMENTS = [("web", 10), ("books", 3), ("web", 1), ("code", 7), ("books", 2), ("web", 5)]


def same(length: int, options: dict[str, Any]) -> int:
    return length


def plan_of(documents: list[tuple[str, int]] = DOCUMENTS, *, raw_length: Any = same, **section: Any) -> Plan:
    return make_plan(BatchesSection(**{"sequence_length": 4, **section}), store(documents), raw_length=raw_length)


def weights(**shares: float) -> MixtureSection:
    return MixtureSection(weights=shares)


def stage(name: str, **more: Any) -> StageSection:
    return StageSection(name=name, duration=Duration(steps=1), **more)


def tokens_in(plan: Plan, number: int) -> list[tuple[int, int]]:
    pieces = plan.streams[number].packing.pieces.tolist()
    return sorted((document, start + i) for document, start, length in pieces for i in range(length))


def test_without_a_mixture_all_documents_are_one_stream() -> None:
    plan = plan_of(sequence_length=6)
    (stream,) = plan.streams
    assert stream.facts == {
        "source": None,
        "sequence_length": 6,
        "row_length": 6,
        "bucket_rows": 1,
        "documents": 6,
        "pieces": 8,
        "samples": 5,
        "tokens": 28,
        "padding": 2,
        "fill": 28 / 30,
    }
    assert plan.facts == {
        "packing": "best_fit",
        "documents": 6,
        "tokens": 28,
        "left_out": {},
        "streams": [stream.facts],
        "stages": ((0,),),
        "fingerprint": plan.fingerprint,
    }


def test_a_mixture_gives_every_source_a_stream_of_its_own_documents() -> None:
    plan = plan_of(mixture=weights(web=2, books=1, code=1))
    assert [stream.source for stream in plan.streams] == ["books", "code", "web"]
    assert plan.stages == ((0, 1, 2),)
    for number, stream in enumerate(plan.streams):
        mine = [(d, i) for d, (source, n) in enumerate(DOCUMENTS) for i in range(n) if source == stream.source]
        assert tokens_in(plan, number) == mine
    assert plan.stream_of("web", 4, 4) == 2


def test_a_source_of_weight_0_or_without_a_weight_has_no_stream_and_is_in_the_ledger() -> None:
    plan = plan_of(mixture=weights(web=1, books=0))
    assert [stream.source for stream in plan.streams] == ["web"]
    assert plan.left_out == {"books": 5, "code": 7}
    # of weight 0, it need not even be there
    assert plan_of(mixture=weights(web=1, papers=0)).streams[0].source == "web"


def test_stages_share_streams_of_like_source_and_length() -> None:
    plan = plan_of(
        mixture=weights(web=1, books=1, code=0),
        stages=[
            stage("general"),
            stage("long", sequence_length=8),
            stage("code", mixture=weights(web=1, code=3)),
        ],
    )
    assert [(s.source, s.row_length) for s in plan.streams] == [
        ("books", 4),
        ("web", 4),
        ("books", 8),
        ("web", 8),
        ("code", 4),
    ]
    assert plan.stages == ((0, 1), (2, 3), (4, 1))  # by source
    assert [plan.lengths_of(number) for number in range(3)] == [(4, 4), (8, 8), (4, 4)]
    assert plan.left_out == {}


def test_every_source_with_a_token_is_drawn_in_proportion() -> None:
    plan = make_plan(
        BatchesSection(sequence_length=4, mixture=MixtureSection(temperature=2.0)),
        store(DOCUMENTS, sources=("books", "code", "empty", "web")),
        raw_length=same,
    )
    assert [stream.source for stream in plan.streams] == ["books", "code", "web"] and plan.left_out == {}


def test_rows_are_as_long_as_the_objective_of_the_stage_asks() -> None:
    asked = []

    def raw_length(length: int, options: dict[str, Any]) -> int:
        asked.append((length, options))
        return length + options.get("more", 0)

    plan = plan_of(
        raw_length=raw_length,
        stages=[stage("a"), stage("b", objective={"more": 2}), stage("c", sequence_length=6)],
    )
    assert asked == [(4, {}), (4, {"more": 2}), (6, {})]
    assert [(s.sequence_length, s.row_length) for s in plan.streams] == [(4, 4), (4, 6), (6, 6)]
    assert plan.lengths_of(1) == (4, 6)
    assert all(s.tokens + s.padding == s.samples * s.row_length for s in plan.streams)


def test_packing_none_keeps_rows_of_like_length_in_buckets() -> None:
    (stream,) = plan_of(packing="none").streams
    assert stream.bucket_rows == 64
    assert stream.packing.pieces[:, 2].tolist() == [4, 4, 4, 4, 3, 3, 2, 2, 1, 1]


@given(
    documents=st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 30)), min_size=1, max_size=30),
    packing=st.sampled_from(["best_fit", "concatenate", "none"]),
    named=st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_every_token_is_in_the_ledger(documents: list[tuple[str, int]], packing: str, named: set[str]) -> None:
    there = {source: sum(n for name, n in documents if name == source) for source in "abc"}
    named = {source for source in named if there[source]}
    if not sum(there.values()):
        return
    plan = plan_of(documents, packing=packing, mixture=weights(**dict.fromkeys(named, 1.0)) if named else None)
    assert all(s.tokens + s.padding == s.samples * s.row_length and s.padding >= 0 for s in plan.streams)
    assert {s.source: s.tokens for s in plan.streams} == ({s: there[s] for s in named} or {None: sum(there.values())})
    assert plan.left_out == ({s: n for s, n in there.items() if n and s not in named} if named else {})


def test_the_fingerprint_is_of_the_store_and_the_rows() -> None:
    first = plan_of()
    assert plan_of().fingerprint == first.fingerprint
    changed = [
        plan_of(sequence_length=5),
        plan_of(packing="concatenate"),
        plan_of(raw_length=lambda length, options: length + 1),
        plan_of(DOCUMENTS[::-1]),
        plan_of(mixture=weights(web=1, books=1, code=1)),
        plan_of(mixture=weights(web=1, books=1)),
    ]
    assert len({first.fingerprint, *(plan.fingerprint for plan in changed)}) == 7
    # shares are not in the plan: another weight needs no other rows
    mixed = plan_of(mixture=weights(web=2, books=1, code=1), stages=[stage("a"), stage("b")])
    assert mixed.fingerprint == changed[4].fingerprint


def test_a_store_without_tokens_is_refused() -> None:
    for documents in ([], [("web", 0)]):
        with pytest.raises(DataError, match="holds no tokens"):
            plan_of(documents)


def test_a_packing_that_loses_a_token_becomes_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretraining.batching.plan.pack", lambda lengths, row_length, _: pack([10], row_length, "none"))
    with pytest.raises(AssertionError, match="loses, repeats or overfills"):
        plan_of()


def test_a_source_that_is_not_there_is_refused_with_its_stage() -> None:
    with pytest.raises(DataError) as error:
        plan_of(mixture=weights(web=1), stages=[stage("general"), stage("annealing", mixture=weights(bokos=1))])
    assert str(error.value) == (
        "batches.stages[1].mixture.weights.bokos: stage annealing asks for bokos, of which the token store holds no "
        "token; it holds books, code, web. Did you mean books? Correct the name, see in corpus/ledger.json what "
        "removed its documents, or give it the weight 0."
    )
    with pytest.raises(DataError, match=r"batches\.mixture\.weights\.zzz: the run asks for zzz.* code, web\. Correct"):
        plan_of(mixture=weights(zzz=1))
    with pytest.raises(DataError, match=r"the run asks for empty, of which the token store holds no token"):
        plan_of([("web", 4), ("empty", 0)], mixture=weights(web=1, empty=1))
    with pytest.raises(DataError, match=r"batches\.mixture\.weights has no weight above 0"):
        plan_of(mixture=weights(web=0))


def test_a_stage_that_the_plan_does_not_know_is_refused() -> None:
    plan = plan_of(mixture=weights(web=1))
    with pytest.raises(DataError, match=r"has no rows of 8 tokens of web; run `pretrain tokens` again"):
        plan.stream_of("web", 8, 8)
    with pytest.raises(DataError, match=r"was made for 1 stages, not 2; run `pretrain tokens` again"):
        plan.lengths_of(1)


@pytest.fixture()
def saved(tmp_path: Path) -> Iterator[tuple[Plan, Path]]:
    plan = plan_of(mixture=weights(web=1, books=1), stages=[stage("a"), stage("b", sequence_length=8)])
    save_plan(plan, tmp_path)
    yield plan, tmp_path


def test_a_plan_comes_back_memory_mapped(saved: tuple[Plan, Path]) -> None:
    plan, folder = saved
    again = load_plan(folder)
    assert (again.facts, again.stages) == (plan.facts, plan.stages)
    for one, other in zip(plan.streams, again.streams, strict=True):
        assert isinstance(other.packing.pieces, np.memmap) and isinstance(other.packing.offsets, np.memmap)
        assert other.packing.pieces.dtype == np.uint32
        assert np.array_equal(one.packing.pieces, other.packing.pieces)
        assert np.array_equal(one.packing.offsets, other.packing.offsets)
    names = ["plan.json", *(f"plan_{n:02d}_{part}.npy" for n in range(4) for part in ("offsets", "pieces"))]
    assert sorted(path.name for path in folder.iterdir()) == names


def test_a_missing_plan_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no batch plan; run `pretrain tokens` first"):
        load_plan(tmp_path)


@pytest.mark.parametrize("name", ["plan_01_pieces.npy", "plan_01_offsets.npy", "plan.json"])
@pytest.mark.parametrize("left", [0, 20, -1])
def test_a_truncated_file_is_refused(saved: tuple[Plan, Path], name: str, left: int) -> None:
    path = saved[1] / name
    path.write_bytes(path.read_bytes().rstrip()[:left])
    with pytest.raises(DataError, match=r"is damaged, or of another version .*; run `pretrain tokens` again"):
        load_plan(saved[1])


def test_files_of_different_plans_are_refused(saved: tuple[Plan, Path]) -> None:
    _, folder = saved
    (folder / "plan_00_pieces.npy").write_bytes((folder / "plan_01_pieces.npy").read_bytes())
    with pytest.raises(DataError, match=r"plan_00_pieces.npy has the shape \(\d, 3\), not \(\d, 3\)"):
        load_plan(folder)
    (folder / "plan_00_pieces.npy").unlink()
    with pytest.raises(DataError, match=r"No such file.*plan_00_pieces.npy"):
        load_plan(folder)
    (folder / "plan.json").write_text(json.dumps({"sequence_length": 4, "samples": 8}))  # as it was once
    with pytest.raises(DataError, match="of another version"):
        load_plan(folder)


def test_the_plan_of_a_real_store(run_folder: Path) -> None:
    tokens = TokenStore(run_folder / "tokens")
    plan = load_plan(run_folder / "batches")
    (stream,) = plan.streams
    again = make_plan(BatchesSection(sequence_length=32), tokens, raw_length=same)
    assert again.facts == plan.facts and plan.tokens == stream.tokens == tokens.tokens
    assert stream.packing.pieces[:, 2].sum() == tokens.tokens
    mixed = make_plan(BatchesSection(sequence_length=32, mixture=weights(lincoln=1)), tokens, raw_length=same)
    assert mixed.left_out == {"union": sum(len(tokens[i]) for i in range(1, len(tokens), 2))}
    assert {d % 2 for d in mixed.streams[0].packing.pieces[:, 0].tolist()} == {0}
