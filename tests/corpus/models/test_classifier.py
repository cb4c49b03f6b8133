"""The step ``classifier``: votes, thresholds, GPT-3's draw, and classifiers of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.draft import Draft
from pretraining.corpus.models.classifier import CARD, Classifier, combined, pareto_draw
from pretraining.corpus.models.linear import LinearClassifier, bag_of_ngrams
from pretraining.corpus.sections.models import ClassifierStep
from pretraining.corpus.step import Preparation, Verdict, apply
from pretraining.errors import DataError

MakeStep = Callable[..., Classifier]


def draft(text: str, number: int = 1) -> Draft:
    return Draft(text, f"a/{number}", source="a", file="a.txt")


def write_linear(folder: Path, weight: float) -> None:
    """A classifier with ``sigmoid(weight)`` for the text "good" and ``sigmoid(-weight)`` for "bad"."""
    weights = np.zeros(1024, dtype=np.float32)
    for word, sign in (("good", 1), ("bad", -1)):
        weights[bag_of_ngrams([word], word_ngrams=1, buckets=1024).places[0]] = sign * weight
    folder.mkdir()
    LinearClassifier(weights, 0.0, word_ngrams=1, max_words=100).save(folder)
    card = {
        "kind": "linear",
        "labels": ["negative", "positive"],
        "settings": {"word_ngrams": 1, "max_words": 100},
        "files": ["linear.safetensors"],
    }
    (folder / CARD).write_text(json.dumps(card))


@pytest.fixture
def opened(tmp_path: Path) -> MakeStep:
    """``opened(key=value)``: the classifiers ``a``, ``b``, ``c`` give 0.8808, 0.7311 and 0.0474 to "good"."""
    for name, weight in (("a", 2.0), ("b", 1.0), ("c", -3.0)):
        write_linear(tmp_path / name, weight)

    def make(**keys: Any) -> Classifier:
        step = Classifier(ClassifierStep.model_validate({"type": "classifier", "models": ["a"], **keys}))
        preparation = Preparation(tmp_path, tmp_path / "step", {}, 0.0)
        step.prepare(preparation)
        step.open(preparation)
        return step

    return make


def test_the_score_is_a_field_and_below_the_minimum_removes(opened: MakeStep) -> None:
    step = opened()
    assert apply(step, good := draft("good")) is None
    assert good.fields == {"quality_score": 0.8808}
    assert apply(step, bad := draft("bad")) == Verdict("score_too_low", 0.1192, 0.5)
    assert bad.fields == {"quality_score": 0.1192}


def test_the_other_label_the_other_limit_and_another_field(opened: MakeStep) -> None:
    step = opened(label="negative", min_score=None, max_score=0.5, field="badness")
    assert apply(step, good := draft("good")) is None and good.fields == {"badness": 0.1192}
    assert apply(step, draft("bad")) == Verdict("score_too_high", 0.8808, 0.5)


@pytest.mark.parametrize(("vote", "score"), [("mean", 0.5531), ("majority", 0.7311), ("any", 0.8808), ("all", 0.0474)])
def test_votes_of_three(opened: MakeStep, vote: str, score: float) -> None:
    apply(opened(models=["a", "b", "c"], vote=vote), good := draft("good"))
    assert good.fields["quality_score"] == pytest.approx(score, abs=1e-4)


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=6), threshold=st.floats(0, 1))
def test_one_score_decides_as_the_votes_would(scores: list[float], threshold: float) -> None:
    votes = sum(score >= threshold for score in scores)
    assert (combined(scores, "any") >= threshold) == (votes >= 1)
    assert (combined(scores, "all") >= threshold) == (votes == len(scores))
    assert (combined(scores, "majority") >= threshold) == (votes > len(scores) / 2)


def test_pareto_keeps_as_often_as_gpt3s_rule(opened: MakeStep) -> None:
    step = opened(select="pareto")
    assert step.section.min_score == 1.0
    kept = sum(apply(step, draft("bad", number)) is None for number in range(4000)) / 4000
    expected = (1 + (1 - 0.1192)) ** -9.0  # P(Lomax(9) > 1 - score)
    assert kept == pytest.approx(expected, abs=0.002) and kept > 0
    removed = next(v for number in range(10) if (v := apply(step, draft("bad", number))) is not None)
    assert removed.reason == "score_not_drawn" and removed.threshold == 1.0


def test_draws_have_numpys_distribution_and_depend_on_id_and_seed_alone() -> None:
    draws = np.array([pareto_draw(f"a/{number}", alpha=9.0, seed=0) for number in range(5000)])
    theirs = np.random.default_rng(0).pareto(9.0, 200_000)
    for quantile in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(draws, quantile) == pytest.approx(np.quantile(theirs, quantile), rel=0.12)
    assert pareto_draw("a/1", alpha=9.0, seed=0) == draws[1] != pareto_draw("a/1", alpha=9.0, seed=1)


def test_fasttext_files_serve(opened: MakeStep, fasttext_file: Callable[..., Path], tmp_path: Path) -> None:
    fasttext_file({"good": "hq", "bad": "lq"}).rename(tmp_path / "quality.bin")
    step = opened(models=["quality.bin"], label="hq")
    assert apply(step, draft("good\ntext")) is None
    assert apply(step, draft("bad noise")) is not None
    with pytest.raises(DataError, match=r"quality\.bin has no label 'positive'; its labels are .*[hl]q, [hl]q"):
        opened(models=["quality.bin"])


def sequence_classifier(folder: Path, tokenizer: Any, labels: list[str]) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    config = AutoConfig.for_model(
        "bert",
        vocab_size=320,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=48,
        id2label=dict(enumerate(labels)),
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def test_transformers_folders_serve_and_long_texts_are_cut(
    opened: MakeStep, tmp_path: Path, tokenizer: Any, prose: list[str]
) -> None:
    import torch

    model = sequence_classifier(tmp_path / "bert", tokenizer, ["low", "high"])
    text = draft(" ".join(prose))
    apply(opened(models=["bert"], label="high", min_score=None), text)
    ids = tokenizer(text.text, truncation=True, max_length=48, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = model(input_ids=ids).logits.softmax(-1)[0, 1]
    assert ids.shape[1] == 48 and text.fields["quality_score"] == pytest.approx(float(expected), abs=1e-4)
    with pytest.raises(DataError, match="has no label 'positive'; its labels are low, high"):
        opened(models=["bert"])


def test_a_classifier_with_one_output_gives_it_as_it_is(
    opened: MakeStep, tmp_path: Path, tokenizer: Any, prose: list[str]
) -> None:
    import torch

    model = sequence_classifier(tmp_path / "edu", tokenizer, ["LABEL_0"])
    text = draft(prose[0][:60])
    apply(opened(models=["edu"], min_score=None), text)
    with torch.no_grad():
        expected = model(**tokenizer(text.text, return_tensors="pt", return_token_type_ids=False)).logits[0, 0]
    assert text.fields["quality_score"] == pytest.approx(float(expected), abs=1e-4)


def test_what_is_missing_or_damaged_is_said(opened: MakeStep, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no classifier .*nowhere: neither .*\n.*pretrain train-classifier"):
        opened(models=["nowhere"])
    (tmp_path / "b" / "linear.safetensors").unlink()
    with pytest.raises(DataError, match=r"b lacks linear\.safetensors; train the classifier again"):
        opened(models=["a", "b"])
    (tmp_path / "c" / CARD).write_text('{"kind": "magic"}')
    with pytest.raises(DataError, match=r"does not say what kind of classifier"):
        opened(models=["c"])
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json is not JSON"):
        opened(models=["hub"])
    (tmp_path / "a" / "linear.safetensors").write_bytes(b"not a model")
    with pytest.raises(DataError, match=r"linear\.safetensors is damaged"):
        opened(models=["a"])


def test_a_classifier_that_was_trained_again_is_read_again(opened: MakeStep, tmp_path: Path) -> None:
    import shutil

    apply(opened(), first := draft("good"))
    shutil.rmtree(tmp_path / "a")
    write_linear(tmp_path / "a", -2.0)
    apply(opened(min_score=None), second := draft("good"))
    assert (first.fields["quality_score"], second.fields["quality_score"]) == (0.8808, 0.1192)
