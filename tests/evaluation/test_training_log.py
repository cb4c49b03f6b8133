from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pretraining.evaluation.trained import Trained
from pretraining.evaluation.training_log import logged_figures

LINES: list[dict[str, Any]] = [
    {"step": 10, "held_out_loss": 9.0, "held_out_generator": 5.0},
    {
        "step": 20,
        "held_out_loss": 8.0,
        "held_out_generator": 4.0,
        "held_out_discriminator": 0.08,
        "held_out_detection_accuracy": 0.9,
        "held_out_replaced_found": 0.25,
        "held_out_loss/sotu": 7.0,
    },
    {"step": 30, "loss": 7.5},
]


@pytest.fixture
def log(tmp_path: Path, trained: Callable[..., Trained]) -> Callable[..., Trained]:
    def make(lines: list[dict[str, Any]], **objective: Any) -> Trained:
        (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return replace(trained(**objective), metrics=tmp_path / "metrics.jsonl")

    return make


def test_the_last_held_out_line_and_where_it_comes_from(log: Callable[..., Trained]) -> None:
    figures, note = logged_figures(log(LINES, type="replaced_token_detection"))
    assert [(each["name"], each["value"]) for each in figures] == [
        ("replaced_found", 0.25),
        ("detection_accuracy", 0.9),
        ("discriminator_loss", 0.08),
        ("generator_loss", 4.0),
        ("loss", 8.0),
    ]
    assert note == "the generator is not in the published folder; measured in training, at step 20 of 30"


def test_only_what_was_measured(log: Callable[..., Trained]) -> None:
    figures, note = logged_figures(log([{"step": 5, "held_out_loss": 1.0}], type="contrastive"))
    assert [each["name"] for each in figures] == ["loss"] and "at step 5 of 5" in note


def test_of_span_boundaries_the_term_that_the_folder_cannot_give(log: Callable[..., Trained]) -> None:
    line = {"step": 5, "held_out_loss": 9.0, "held_out_masked_lm": 4.0, "held_out_span_boundary": 5.0}
    figures, note = logged_figures(log([line], type="masked_lm", unit="span", span_boundary=True))
    assert [(each["name"], each["value"]) for each in figures] == [("span_boundary_loss", 5.0)]
    assert "the head of the span boundary objective is not in the published folder" in note


def test_nothing_measured_says_why(log: Callable[..., Trained]) -> None:
    figures, note = logged_figures(log(LINES[2:], type="replaced_token_detection"))
    assert figures == [] and note.endswith("training.evaluate_every was not set while it ran")
