from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.evaluation.config import EvaluationSection, SamplesSection
from pretraining.evaluation.evaluate import evaluate_model

SECTION = EvaluationSection(samples=SamplesSection(prompts=["The"], max_new_tokens=5))


@pytest.fixture
def model_folder(tmp_path: Path, llama: Any, tokenizer: Any) -> Path:
    llama.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_results_are_written_and_the_same_at_every_run(
    tmp_path: Path, model_folder: Path, corpus: Path, speeches: list[str]
) -> None:
    written = []
    for run in ("first", "second"):
        results = evaluate_model(
            SECTION,
            model_folder=model_folder,
            corpus_folder=corpus,
            output=tmp_path / run,
            sequence_length=64,
            progress=False,
        )
        written.append((tmp_path / run / "results.json").read_bytes())
        assert json.loads(written[-1]) == results
    assert written[0] == written[1]
    held_out = results["held_out"]
    assert (held_out["documents"], held_out["window"], held_out["stride"]) == (2, 64, 32)
    assert held_out["bytes"] == sum(len(text.encode()) for text in speeches[10:])
    assert len(results["yardsticks"]) == 4 and results["samples"][0]["prompt"] == "The"


def test_yardsticks_can_be_left_out(tmp_path: Path, model_folder: Path, corpus: Path) -> None:
    results = evaluate_model(
        SECTION.model_copy(update={"yardsticks": False, "window": 32, "stride": 32}),
        model_folder=model_folder,
        corpus_folder=corpus,
        output=tmp_path / "out",
        sequence_length=64,
        progress=False,
    )
    assert results["yardsticks"] == [] and results["held_out"]["stride"] == 32


def test_results_are_valid_json_where_a_figure_is_infinite(
    tmp_path: Path, model_folder: Path, helpers: Any, speeches: list[str]
) -> None:
    corpus = helpers.write_corpus(tmp_path / "chinese", train=speeches, validation=["国" * 400])
    evaluate_model(
        SECTION,
        model_folder=model_folder,
        corpus_folder=corpus,
        output=tmp_path / "out",
        sequence_length=64,
        progress=False,
    )
    text = (tmp_path / "out" / "results.json").read_text("utf-8")
    assert "Infinity" not in text and json.loads(text)["held_out"]["word_perplexity"] is None


def test_no_model(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(DataError, match="run `pretrain train` first"):
        evaluate_model(
            SECTION, model_folder=tmp_path / "model", corpus_folder=corpus, output=tmp_path / "out", sequence_length=64
        )
