from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.evaluation.config import EvaluationSection, SamplesSection
from pretraining.evaluation.evaluate import evaluate_model, summary
from pretraining.evaluation.trained import Trained

SECTION = EvaluationSection(
    samples=SamplesSection(prompts=["The"], max_new_tokens=5), pseudo_perplexity_tokens=8, batch_size=4
)
LOSS = ["loss", "perplexity", "accuracy"]


@pytest.fixture
def model_folder(tmp_path: Path, llama: Any, tokenizer: Any) -> Path:
    llama.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def causal(trained: Callable[..., Trained]) -> Trained:
    return replace(trained(type="causal_lm"), sequence_length=64)


def evaluate(section: EvaluationSection, trained: Trained, model: Path, corpus: Path, output: Path) -> dict[str, Any]:
    return evaluate_model(section, trained, model_folder=model, corpus_folder=corpus, output=output, progress=False)


def test_results_are_written_and_the_same_at_every_run(
    tmp_path: Path, model_folder: Path, causal: Trained, corpus: Path, speeches: list[str]
) -> None:
    written = []
    for run in ("first", "second"):
        results = evaluate(SECTION, causal, model_folder, corpus, tmp_path / run)
        written.append((tmp_path / run / "results.json").read_bytes())
        assert json.loads(written[-1]) == results
    assert written[0] == written[1]
    held_out = results["held_out"]
    assert (held_out["documents"], held_out["window"], held_out["stride"]) == (2, 64, 32)
    assert held_out["bytes"] == sum(len(text.encode()) for text in speeches[10:])
    assert len(results["yardsticks"]) == 4 and results["samples"][0]["prompt"] == "The"
    assert summary(results).endswith(f"token perplexity {held_out['token_perplexity']:.2f}, on 2 held-out documents")


def test_yardsticks_can_be_left_out(tmp_path: Path, model_folder: Path, causal: Trained, corpus: Path) -> None:
    section = SECTION.model_copy(update={"yardsticks": False, "window": 32, "stride": 32})
    results = evaluate(section, causal, model_folder, corpus, tmp_path / "out")
    assert results["yardsticks"] == [] and results["held_out"]["stride"] == 32


def test_results_are_valid_json_where_a_figure_is_infinite(
    tmp_path: Path, model_folder: Path, causal: Trained, helpers: Any, speeches: list[str]
) -> None:
    corpus = helpers.write_corpus(tmp_path / "chinese", train=speeches, validation=["国" * 400])
    evaluate(SECTION, causal, model_folder, corpus, tmp_path / "out")
    text = (tmp_path / "out" / "results.json").read_text("utf-8")
    assert "Infinity" not in text and json.loads(text)["held_out"]["word_perplexity"] is None


@pytest.mark.parametrize(
    ("architecture", "objective", "names"),
    [
        ("llama", {"type": "prefix_lm"}, LOSS),
        ("bert", {"type": "masked_lm"}, [*LOSS, "pseudo_perplexity"]),
        ("bert", {"type": "sentence_pair"}, [*LOSS, "pair_loss", "pair_accuracy", "pseudo_perplexity"]),
        ("t5", {"type": "span_corruption"}, [*LOSS, "bits_per_byte"]),
        ("xlnet", {"type": "permutation_lm"}, LOSS),
        ("electra", {"type": "replaced_token_detection"}, ["detection_accuracy", "loss"]),
        ("bert", {"type": "contrastive"}, ["loss"]),
    ],
)
def test_every_kind_of_model_from_the_folder_that_is_published(
    tmp_path: Path,
    store: Path,
    trained: Callable[..., Trained],
    full_tokenizer: Any,
    helpers: Any,
    architecture: str,
    objective: dict[str, Any],
    names: list[str],
) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 9, "held_out_loss": 2.5, "held_out_detection_accuracy": 0.75}\n', "utf-8"
    )
    about = replace(trained(**objective), metrics=tmp_path / "metrics.jsonl")
    helpers.pretraining_model(architecture, about.objective, full_tokenizer).model.save_pretrained(tmp_path / "model")
    full_tokenizer.save_pretrained(tmp_path / "model")
    section = SECTION.model_copy(update={"yardsticks": False})
    results = evaluate(section, about, tmp_path / "model", store / "corpus", tmp_path / "out")
    held_out = results["held_out"]
    assert [each["name"] for each in held_out["figures"]] == names
    assert held_out["objective"] == objective["type"] and held_out["documents"] == 2
    assert ("bits_per_byte" in held_out) == (architecture == "llama")
    assert f"{held_out['figures'][0]['value']:.4f}" in summary(results) or architecture == "llama"
    assert results["yardsticks"] == [] and (tmp_path / "out" / "results.json").is_file()


def test_summary_of_nothing_measured_says_why() -> None:
    held_out = {"objective": "contrastive", "documents": 7, "bytes": 1, "figures": [], "note": "nothing, because"}
    assert summary({"held_out": held_out}) == "nothing, because, on 7 held-out documents"


def test_summary_of_several_tasks_has_their_losses() -> None:
    figures = [{"name": name, "value": 1.5} for name in ("loss", "a/loss", "a/accuracy", "b/loss")]
    figures.append({"name": "pseudo_perplexity", "value": None})
    line = summary({"held_out": {"documents": 7, "figures": figures}})
    assert line == "loss 1.5000, a/loss 1.5000, b/loss 1.5000, on 7 held-out documents"


def test_no_model(tmp_path: Path, corpus: Path, causal: Trained) -> None:
    with pytest.raises(DataError, match="run `pretrain train` first"):
        evaluate(SECTION, causal, tmp_path / "model", corpus, tmp_path / "out")
