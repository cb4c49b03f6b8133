from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.removed import Samples, id_hash, merged

KEYS = ("step", "reason")


def sample(identifier: str, reason: str = "too_short") -> dict[str, Any]:
    return {"id": identifier, "step": "length", "reason": reason}


def chosen_of(size: int, tasks: list[list[str]]) -> list[str]:
    accounts = []
    for task in tasks:
        samples = Samples(size, KEYS)
        for identifier in task:
            samples.add(id_hash(identifier), sample(identifier))
        accounts.append(samples.chosen())
    return [entry["id"] for entry in merged(size, KEYS, accounts)]


@given(st.integers(0, 5), st.sets(st.text(max_size=3), max_size=200), st.integers(0, 200))
def test_the_sample_is_the_smallest_hashes_however_the_tasks_are_cut(size: int, ids: set[str], cut: int) -> None:
    ordered = sorted(ids)
    expected = sorted(ordered, key=id_hash)[:size]
    assert chosen_of(size, [ordered]) == expected
    assert chosen_of(size, [ordered[:cut], ordered[cut:]]) == expected


@given(st.lists(st.text(max_size=2), max_size=200))
def test_whatever_is_chosen_would_have_been_taken_when_it_came(ids: list[str]) -> None:
    samples = Samples(3, KEYS)
    taken = set()
    for identifier in ids:
        if samples.would_take(("length", "too_short"), id_hash(identifier)):
            taken.add(identifier)
        samples.add(id_hash(identifier), sample(identifier))
    assert {entry["id"] for entry in samples.chosen()} <= taken


def test_kinds_are_apart() -> None:
    samples = Samples(2, KEYS)
    for reason in ("too_short", "too_long"):
        for i in range(300):
            samples.add(id_hash(f"s/{i}"), sample(f"s/{i}", reason))
    assert [entry["reason"] for entry in samples.chosen()] == ["too_short"] * 2 + ["too_long"] * 2


def test_no_samples() -> None:
    samples = Samples(0, KEYS)
    samples.add(1, sample("s/1"))
    assert samples.chosen() == []


def test_salts_give_independent_numbers() -> None:
    assert id_hash("a") == id_hash("a", "") != id_hash("a", "sample")
