from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.ledger import UNREADABLE_LISTED, Count, Ledger, LedgerError, SourceLedger, StepCount, Unreadable

Document = tuple[str, int, str, int, bool]
"""Source, bytes, fate, bytes after the edit, held out."""
DOCUMENTS = st.lists(
    st.tuples(
        st.sampled_from(["web", "books"]),
        st.integers(0, 100),
        st.sampled_from(["keep", "unreadable", "too_short", "too_long"]),
        st.integers(0, 100),
        st.booleans(),
    ),
    min_size=1,
)


def remove(step: StepCount, reason: str, size: int) -> None:
    step.removed[reason] += Count(1, size)
    step.documents_in += 1
    step.bytes_in += size


def keep(step: StepCount, size: int, after: int) -> None:
    step.documents_in += 1
    step.documents_out += 1
    step.bytes_in += size
    step.bytes_out += after
    step.bytes_edited += size - after


def account(documents: list[Document]) -> Ledger:
    """Books of documents that are read and go through one editing filter."""
    ledger = Ledger({})
    for i, (name, size, fate, after, held_out) in enumerate(documents):
        read = StepCount.of("read", ["empty"])
        length = StepCount.of("length", ["too_short", "too_long"], ["lines"])
        splits = {"train": Count(), "validation": Count()}
        lost = []
        if fate == "unreadable":
            remove(read, "empty", size)
            lost = [Unreadable(name, f"{i}.txt", "empty", size)]
        else:
            keep(read, size, size)
            if fate == "keep":
                keep(length, size, after)
                length.edits["lines"] += 1
                splits["validation" if held_out else "train"] += Count(1, after)
            else:
                remove(length, fate, size)
        ledger = ledger + Ledger({name: SourceLedger([read, length], splits)}, lost)
    return ledger


@settings(max_examples=50)
@given(DOCUMENTS)
def test_in_is_kept_and_removed_and_unreadable_and_edited(documents: list[Document]) -> None:
    ledger = account(documents)
    ledger.check()
    data = ledger.to_json()
    d, b = data["documents"], data["bytes"]
    assert d["in"] == len(documents) == d["kept"] + d["removed"] + d["unreadable"]
    assert b["in"] == sum(size for _, size, *_ in documents)
    assert b["in"] == b["kept"] + b["removed"] + b["unreadable"] + b["edited"]
    assert d["unreadable"] == sum(fate == "unreadable" for _, _, fate, *_ in documents)
    by_source = sum(
        count["documents"]
        for source in data["sources"].values()
        for reasons in source["removed"].values()
        for count in reasons.values()
    )
    assert by_source == d["removed"]
    fired = {fate for _, _, fate, *_ in documents}
    assert data["never_fired"] == [f"length.{r}" for r in ("too_short", "too_long") if r not in fired]
    assert data["steps"][1]["edits"] == {"lines": d["kept"]}


@settings(max_examples=50)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
def test_adding_up_is_associative_and_the_same_as_one_account(
    a: list[Document], b: list[Document], c: list[Document]
) -> None:
    left = (account(a) + account(b)) + account(c)
    assert left == account(a) + (account(b) + account(c))
    left.check()
    assert left.sources == account([*a, *b, *c]).sources


@settings(max_examples=50)
@given(DOCUMENTS)
def test_json_round_trip(documents: list[Document]) -> None:
    for source in account(documents).sources.values():
        assert SourceLedger.from_json(json.loads(json.dumps(asdict(source)))) == source


BOOKS: list[Document] = [
    ("web", 10, "keep", 8, False),
    ("web", 5, "too_short", 0, False),
    ("web", 3, "unreadable", 0, False),
]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda b: setattr(b.steps[1], "documents_out", 2), r"step length: documents 2 != 2 \+ 1"),
        (lambda b: setattr(b.steps[1], "bytes_edited", 0), r"step length: bytes 15 != 8 \+ 5 \+ 0"),
        (lambda b: keep(b.steps[0], 1, 1), "not all that left step read entered step length"),
        (lambda b: b.splits.update(train=Count(2, 8)), "the splits hold 2 documents and 8 bytes, not 1 documents"),
        (lambda b: b.splits.update(train=Count(1, 9)), "the splits hold 1 documents and 9 bytes, not 1 documents"),
    ],
)
def test_an_account_that_does_not_balance_is_an_error(spoil: object, says: str) -> None:
    ledger = account(BOOKS)
    ledger.check()
    spoil(ledger.sources["web"])  # type: ignore[operator]
    with pytest.raises(LedgerError, match=says):
        ledger.check()


def test_every_reason_is_listed_and_no_other_can_be_used() -> None:
    step = account(BOOKS).total.steps[1]
    assert step.removed == {"too_short": Count(1, 5), "too_long": Count(0, 0)}
    with pytest.raises(KeyError):
        step.removed["ugly"] += Count(1, 1)


def test_accounts_of_different_steps_are_not_added() -> None:
    other = Ledger({"web": SourceLedger([StepCount.of("read", ["empty"])], {})})
    with pytest.raises(LedgerError, match="different steps"):
        account(BOOKS) + other
    with pytest.raises(LedgerError, match="cannot be added"):
        StepCount.of("length", ["a"]) + StepCount.of("length", ["b"])


def test_unreadable_records_are_listed_up_to_a_limit_and_all_counted() -> None:
    many = Ledger(account(BOOKS).sources, [Unreadable("web", "a", "empty", 1)] * (UNREADABLE_LISTED - 1))
    both = many + many
    assert len(both.unreadable) == UNREADABLE_LISTED
    assert both.to_json()["documents"]["unreadable"] == 2
