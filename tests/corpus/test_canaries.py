"""Each canary would catch the mistake that it is there for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stdnum import iban, luhn
from stdnum.cn import ric

from pretraining.corpus import canaries
from pretraining.corpus.canaries import CANARY, PERSONAL, PROSE, known_canaries, near_copy
from pretraining.corpus.canary_fates import CanaryError, jaccard
from pretraining.corpus.deduplication.exact import ExactDeduplication
from pretraining.corpus.deduplication.minhash import MinhashDeduplication
from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.gopher_quality import GopherQuality
from pretraining.corpus.filters.gopher_repetition import GopherRepetition
from pretraining.corpus.filters.normalize import Normalize
from pretraining.corpus.models.language import Language
from pretraining.corpus.privacy.step import Privacy
from pretraining.errors import DataError

Build = Callable[..., Any]
SOURCE = {"type": "text", "path": "in", "name": "books"}
STEPS: list[dict[str, Any]] = [
    {"type": "normalize"},
    {"type": "language", "accept": ["eng_Latn"]},
    {"type": "gopher_repetition"},
    {"type": "gopher_quality"},
    {"type": "exact_deduplication"},
    {"type": "minhash_deduplication"},
    {"type": "privacy"},
]


@pytest.fixture
def books(tmp_path: Path, speeches: list[str]) -> Path:
    """Three speeches."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i, speech in enumerate(speeches[:3]):
        (folder / f"{i}.txt").write_text(speech, "utf-8")
    return folder


def test_every_promise_is_put_to_the_test(build: Build, books: Path) -> None:
    built = build(SOURCE, steps=STEPS)
    found = built.ledger["canaries"]
    assert all(each["ok"] for each in found) and len(found) > 15
    tested = {f"{each['canary']}: {each['expected']}" for each in found if each["tested"]}
    assert {
        "repeated: to be removed by gopher_repetition",
        "chinese: to be removed by language",
        "exact_copy: to be removed by exact_deduplication",
        "exact_copy: to be a copy of canary/prose",
        "near_copy: to be removed by minhash_deduplication",
        "letters: to lose its PHONE_NUMBER in privacy",
        "receipts: to lose its CN_RESIDENT_ID in privacy",
        "no_personal_data: to come out as it went in",
    } <= tested


def test_canaries_are_in_nothing_that_is_counted(build: Build, books: Path) -> None:
    with_, without = (build(SOURCE, name=str(on), steps=STEPS, canaries=on) for on in (True, False))
    assert with_.ledger.pop("canaries") and without.ledger.pop("canaries") == []
    assert with_.ledger == without.ledger
    for name, data in without.files().items():
        if name.endswith(".parquet") or name.startswith(("removed", "changed")):
            assert with_.files()[name] == data, name


def _keeps(self: Any, draft: Draft) -> Iterator[float]:
    yield from (float("nan") for _ in self.rules)


def _twinless(self: Any, draft: Draft) -> Iterator[float]:
    next(self._twins)
    self.twin = -1
    yield float("nan")


def _removes_what_is_new(self: Any, draft: Draft) -> Iterator[float]:
    next(self._twins)
    yield 1.0


def _strips(self: Any, draft: Draft) -> Iterator[float]:
    draft.text = "\n".join(line.strip() for line in draft.text.split("\n"))
    self.edited = {}
    yield from ()


@pytest.mark.parametrize(
    ("step", "broken", "canary"),
    [
        (ExactDeduplication, _twinless, "exact_copy: expected to be removed by exact_deduplication"),
        (MinhashDeduplication, _twinless, "near_copy: expected to be removed by minhash_deduplication; it was kept"),
        (
            MinhashDeduplication,
            _removes_what_is_new,
            "expected to pass minhash_deduplication; it removed prose, unlike",
        ),
        (GopherRepetition, _keeps, "repeated: expected to be removed by gopher_repetition"),
        (GopherQuality, _keeps, "gibberish: expected to be removed by gopher_quality"),
        (Language, _keeps, "chinese: expected to be removed by language"),
        (Privacy, _keeps, "letters: expected to lose its EMAIL_ADDRESS in privacy; it is still there"),
        (Normalize, _strips, "code: expected to come out as it went in; it was changed"),
    ],
)
def test_a_step_that_does_not_do_its_work_fails_the_build(
    build: Build, books: Path, monkeypatch: pytest.MonkeyPatch, step: Any, broken: Any, canary: str
) -> None:
    kind = {"ExactDeduplication": "exact_deduplication", "MinhashDeduplication": "minhash_deduplication"}
    names = {**kind, "GopherRepetition": "gopher_repetition", "GopherQuality": "gopher_quality"}
    names |= {"Language": "language", "Privacy": "privacy", "Normalize": "normalize"}
    steps = [each for each in STEPS if each["type"] == names[step.__name__]]
    monkeypatch.setattr(step, "run", broken)
    with pytest.raises(CanaryError) as caught:
        build(SOURCE, steps=steps, held_out_near_duplicates="keep")
    assert canary in str(caught.value) and "corpus.canaries: false" in str(caught.value)


@pytest.mark.parametrize(
    "step",
    [
        {"type": "sentence_deduplication"},
        {"type": "line_deduplication"},
        {"type": "substring_deduplication"},
        {"type": "bloom_deduplication", "unit": "line"},
        {"type": "minhash_deduplication", "keep": "longest"},
        {"type": "simhash_deduplication", "keep": "longest"},
        {"type": "exact_deduplication", "keep": "longest", "priority": ["books"]},
        {"type": "url_deduplication"},
        {"type": "textbook"},
        {"type": "c4"},
        {"type": "refinedweb_lines"},
        {"type": "fineweb"},
        {"type": "concatenate", "by": "thread"},
        {"type": "budget", "documents": 3},
    ],
)
def test_a_step_that_does_its_work_passes(build: Build, books: Path, step: dict[str, Any]) -> None:
    for steps in ([step], [*STEPS[:1], step, *STEPS[4:]]):
        name = f"{step['type']}-{len(steps)}"
        built = build(SOURCE, name=name, steps=steps, held_out_near_duplicates="keep")
        assert all(each["ok"] for each in built.ledger["canaries"])


def test_known_similarities_and_valid_values() -> None:
    assert 0.85 < jaccard(PROSE, near_copy(PROSE), 5) < 0.97
    assert jaccard(PROSE, canaries.UNLIKE, 2) < 0.1
    assert luhn.is_valid(PERSONAL["CREDIT_CARD"]) and iban.is_valid(PERSONAL["IBAN_CODE"])
    assert ric.is_valid(PERSONAL["CN_RESIDENT_ID"])
    assert len({canary.name for canary in known_canaries()}) == len(known_canaries())


def test_no_source_may_be_called_canary(build: Build, books: Path) -> None:
    with pytest.raises(DataError, match="a source cannot be called 'canary'"):
        build({**SOURCE, "name": CANARY})


def test_an_item_of_a_benchmark_is_found(build: Build, books: Path, tmp_path: Path) -> None:
    question = "Which of the two clocks in the kitchen stopped whenever a strong wind came in from the eastern sea?"
    (tmp_path / "exam.jsonl").write_text(f'{{"q": "Too short."}}\n{{"q": "{question}"}}\n')
    (books / "9.txt").write_text(f"A page that quotes.\n{question}\nIt goes on for a while after that.")
    step = {"type": "decontamination", "benchmarks": [{"name": "exam", "path": "exam.jsonl", "fields": ["q"]}]}
    built = build(SOURCE, steps=[{"type": "normalize"}, step])
    (found,) = [each for each in built.ledger["canaries"] if each["canary"] == "benchmark_0"]
    assert found["ok"] and found["tested"]
    assert [row["file"] for row in built.records() if row["reason"] == "contaminated"] == ["9.txt"]
    (table,) = built.ledger["contamination"]["decontamination"]
    assert (table["benchmark"], table["items_hit"], table["documents_hit"]) == ("exam", 1, 1)
    evidence = (built.output / "contamination.jsonl").read_text("utf-8")
    assert '"id": "books/9.txt"' in evidence and "stopped whenever a strong wind" in evidence
