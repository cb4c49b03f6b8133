"""What ``pretrain try`` says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pretraining.cli import app
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.trial import sweep, try_text
from pretraining.errors import DataError

Build = Callable[..., Any]
STEPS: list[dict[str, Any]] = [
    {"type": "normalize"},
    {"type": "length", "min_characters": 20},
    {"type": "gopher_quality"},
    {"type": "exact_deduplication"},
    {"type": "privacy"},
]


def section(**keys: Any) -> CorpusSection:
    return CorpusSection.model_validate(
        {"sources": [{"type": "text", "path": "in", "name": "b"}], "steps": STEPS, **keys}
    )


def test_every_rule_is_measured_also_after_the_first_that_removes(tmp_path: Path) -> None:
    trial = try_text(section(), "Write to\u200b m.okafor@varnholm.org today.", base=tmp_path)
    assert trial.removed_by is not None
    assert (trial.removed_by.step, trial.removed_by.rule) == ("gopher_quality", "too_few_words")
    measured = {(each.step, each.rule): each for each in trial.measured}
    assert measured["length", "too_short"].value == 37 and not measured["length", "too_short"].removes
    stop_words = measured["gopher_quality", "too_few_stop_words"]
    assert (stop_words.value, stop_words.threshold, stop_words.removes) == (1, 2, True)
    assert trial.skipped == ["exact_deduplication"]
    assert trial.text == "Write to [EMAIL_ADDRESS] today."
    assert trial.edits["normalize"]["characters_removed"] == 1 and trial.edits["privacy"]["EMAIL_ADDRESS"] == 1


def test_a_good_document_is_kept(tmp_path: Path, speeches: list[str]) -> None:
    trial = try_text(section(), speeches[0], base=tmp_path)
    assert trial.removed_by is None and not any(math.isnan(each.value) for each in trial.measured[1:3])


def test_a_step_that_does_not_look_at_the_document_has_no_say(tmp_path: Path) -> None:
    long = {"type": "length", "min_characters": 1000}
    steps = [{**long, "sources": ["other"]}, {**long, "languages": ["fra_Latn"]}, {**long, "sources": ["b"]}]
    trial = try_text(section(steps=steps[:2]), "short", base=tmp_path, language="eng_Latn")
    assert trial.removed_by is None and trial.passed == ["length", "length_2"]
    trial = try_text(section(steps=steps), "short", base=tmp_path, language="fra_Latn", source="b")
    assert trial.passed == ["length"] and trial.removed_by is not None and trial.removed_by.step == "length_2"
    with pytest.raises(DataError, match="the recipe has no source 'c'\n    its sources are: b"):
        try_text(section(), "short", base=tmp_path, source="c")


@pytest.fixture
def books(tmp_path: Path, speeches: list[str]) -> Path:
    (tmp_path / "in").mkdir()
    for i, speech in enumerate(speeches[:8]):
        (tmp_path / "in" / f"{i}.txt").write_text(speech, "utf-8")
    (tmp_path / "in" / "9.txt").write_text("Far too short to be a speech.")
    return tmp_path


def test_a_sweep_says_the_same_from_the_ledger_and_from_the_sources(build: Build, books: Path) -> None:
    built = build({"type": "text", "path": "in", "name": "b"}, steps=STEPS)
    thresholds = [0, 50, 1500, 10**6]
    results = []
    for ledger in (built.output / "ledger", None):
        rule, rows, origin = sweep(
            section(), "gopher_quality.min_words", thresholds, base=books, ledger=ledger, documents=100
        )
        assert rule.reason == "too_few_words"
        results.append([(row.documents, row.removed) for row in rows])
    assert results[0] == results[1]
    assert results[0][0] == (9, 0) and results[0][1] == (9, 1) and results[0][3] == (9, 9)
    assert "the first 9 documents" in origin


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("c4.min_sentences", "the recipe has no step 'c4'"),
        (
            "length.min_words",
            "step 'length' has no threshold 'min_words'\n    it has: length.max_characters, length.min",
        ),
    ],
)
def test_a_sweep_over_what_is_not_there(books: Path, key: str, says: str) -> None:
    with pytest.raises(DataError) as caught:
        sweep(section(), key, [1.0], base=books, ledger=None, documents=10)
    assert says in str(caught.value)


@pytest.fixture
def recipe(books: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(books)
    path = books / "r.yaml"
    model = {"architecture": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    data = {
        "name": "r",
        "corpus": {"sources": [{"type": "text", "path": "in", "name": "b"}], "steps": STEPS, "held_out": 0.2},
        "tokenizer": {"vocab_size": 300},
        "batches": {"sequence_length": 32},
        "model": {**model, "num_attention_heads": 2, "num_key_value_heads": 2},
        "training": {"duration": {"steps": 1}, "batch_tokens": 64, "micro_batch_size": 2},
    }
    path.write_text(json.dumps(data))
    return path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_the_commands(recipe: Path) -> None:
    status, output = run("try", str(recipe), "--text", "in/9.txt")
    assert status == 0 and "removed by gopher_quality: too_few_words" in output
    status, output = run("try", str(recipe), "--sweep", "gopher_quality.min_words=0,50,null")
    assert (
        status == 0
        and "null" in output
        and "0 of 9" in output
        and "1 of 9" in output
        and "the first 9 documents" in output
    )
    assert run("rethreshold", str(recipe))[0] == 2
    assert run("corpus", str(recipe))[0] == 0
    status, output = run("try", str(recipe), "--sweep", "gopher_quality.min_words=50")
    assert status == 0 and "all documents of the corpus" in output
    status, output = run("rethreshold", str(recipe), "corpus.steps.2.min_words=5", "corpus.steps.2.min_stop_words=1")
    assert status == 0 and "1 rescued from gopher_quality.too_few_words" in output, output
    status, output = run("rethreshold", str(recipe), "corpus.steps.1.min_characters=4000")
    assert "now removed by length.too_short" in output, output
    status, output = run("rethreshold", str(recipe), "corpus.steps.0.unicode_form=NFKC")
    assert status == 2 and "corpus.steps[0].unicode_form changed" in output, output
    (recipe.parent / "in" / "new.txt").write_text("More text.")
    status, output = run("rethreshold", str(recipe), "corpus.steps.1.min_characters=4000")
    assert status == 2 and "the input or this program changed" in output, output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give either --text FILE or --sweep"),
        (["--text", "nothing.txt"], "nothing.txt is not a file"),
        (["--text", "in/9.txt", "--language", "english"], "like eng_Latn or cmn_Hani"),
        (["--sweep", "gopher_quality.min_words=a"], "'a' is not a list of numbers"),
    ],
)
def test_mistakes_are_told(recipe: Path, arguments: list[str], says: str) -> None:
    status, output = run("try", str(recipe), *arguments)
    assert status == 2 and says in output and "Traceback" not in output
