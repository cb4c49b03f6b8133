from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.ledger import (
    UNREADABLE_LISTED,
    Count,
    Ledger,
    LedgerError,
    SourceCount,
    StepCount,
    Unreadable,
)

Document = tuple[str, int, str, int, bool]
"""Source, bytes, fate, bytes after the edit, held out."""
DOCUMENTS = st.lists(
    st.tuples(
        st.sampled_from(["web", "books"]),
        st.integers(0, 100),
        st.sampled_from(["keep", "unreadable", "too_short", "too_long"]),
        st.integers(0, 100),
        st.booleans(),
    )
)


def account(documents: list[Document]) -> Ledger:
    """Keeps books of documents as the blocks do: read, then an editing filter."""
    read, length = StepCount.of("read", ["empty"]), StepCount.of("length", ["too_short", "too_long"])
    ledger = Ledger(
        [read, length], {"web": SourceCount(), "books": SourceCount()}, {"train": Count(), "validation": Count()}
    )
    for i, (source, size, fate, after, held_out) in enumerate(documents):
        if fate == "unreadable":
            ledger.lose(Unreadable(source, f"{i}.txt", "empty", size))
            continue
        read.keep(size)
        ledger.sources[source] += SourceCount(documents_in=1, bytes_in=size)
        if fate != "keep":
            length.remove(fate, size)
            continue
        length.keep(size, after)
        ledger.sources[source] += SourceCount(documents_kept=1, bytes_kept=after)
        ledger.splits["validation" if held_out else "train"].add(after)
    return ledger


@settings(max_examples=50)
@given(DOCUMENTS)
def test_in_is_kept_and_removed_and_unreadable_and_edited(documents: list[Document]) -> None:
    ledger = account(documents)
    ledger.check()
    totals = ledger.totals()
    d, b = totals["documents"], totals["bytes"]
    assert d["in"] == len(documents) == d["kept"] + d["removed"] + d["unreadable"]
    assert b["in"] == sum(size for _, size, *_ in documents)
    assert b["in"] == b["kept"] + b["removed"] + b["unreadable"] + b["edited"]
    assert d["unreadable"] == sum(fate == "unreadable" for _, _, fate, *_ in documents)


@settings(max_examples=50)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_adding_up_is_associative_and_the_same_as_one_account(
    a: list[Document], b: list[Document], c: list[Document]
) -> None:
    left = (account(a) + account(b)) + account(c)
    assert left == account(a) + (account(b) + account(c))
    left.check()
    whole = account([*a, *b, *c])
    assert (left.steps, left.sources, left.splits) == (whole.steps, whole.sources, whole.splits)


@settings(max_examples=50)
@given(DOCUMENTS)
def test_json_round_trip(documents: list[Document]) -> None:
    ledger = account(documents)
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))) == ledger


BOOKS: list[Document] = [
    ("web", 10, "keep", 8, False),
    ("books", 5, "too_short", 0, False),
    ("web", 3, "unreadable", 0, False),
]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: setattr(b.steps[1], "documents_out", 2), "step length: documents 2 != 2 \\+ 1"),
        (lambda b: setattr(b.steps[1], "bytes_edited", 0), "step length: bytes 15 != 8 \\+ 5 \\+ 0"),
        (lambda b: b.steps[0].keep(1), "not all that left step read entered step length"),
        (lambda b: setattr(b.sources["web"], "documents_in", 7), "documents of the sources: 8 != 3"),
        (lambda b: setattr(b.sources["web"], "unreadable", 0), "unreadable documents: 0 != 1"),
        (lambda b: b.splits["train"].add(0), "documents of the splits: 2 != 1"),
        (lambda b: b.splits["train"].add(1, 0), "bytes of the splits: 9 != 8"),
    ],
)
def test_an_account_that_does_not_balance_is_an_error(spoil: object, says: str) -> None:
    ledger = account(BOOKS)
    ledger.check()
    spoil(ledger)  # type: ignore[operator]
    with pytest.raises(LedgerError, match=says):
        ledger.check()


def test_every_reason_is_listed_and_no_other_can_be_used() -> None:
    step = account(BOOKS).steps[1]
    assert step.removed == {"too_short": Count(1, 5), "too_long": Count(0, 0)}
    with pytest.raises(KeyError):
        step.remove("ugly", 1)


def test_accounts_of_different_steps_are_not_added() -> None:
    other = Ledger([StepCount.of("read", ["empty"])])
    with pytest.raises(LedgerError, match="different steps"):
        account(BOOKS) + other
    with pytest.raises(LedgerError, match="cannot be added"):
        StepCount.of("length", ["a"]) + StepCount.of("length", ["b"])


def test_unreadable_records_are_listed_up_to_a_limit_and_all_counted() -> None:
    many: list[Document] = [("web", 1, "unreadable", 0, False)] * (UNREADABLE_LISTED - 1)
    ledger = account(many) + account(many)
    assert len(ledger.unreadable) == UNREADABLE_LISTED
    assert ledger.totals()["documents"]["unreadable"] == 2 * (UNREADABLE_LISTED - 1)
