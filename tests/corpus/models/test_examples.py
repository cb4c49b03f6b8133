"""Which documents a classifier learns from and which it is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.models.examples import TEXT_KEPT, read_examples
from pretraining.corpus.models.texts import id_share
from pretraining.corpus.sections.classifier_training import ClassifierTraining
from pretraining.corpus.sources import SourceError
from pretraining.errors import DataError


def training(**keys: Any) -> ClassifierTraining:
    def sources(name: str) -> list[dict[str, str]]:
        return [{"type": "text", "path": f"{name}.txt", "documents": "line", "license": "MIT"}]

    return ClassifierTraining.model_validate({"positive": sources("good"), "negative": sources("bad"), **keys})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("good", "bad"):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{name} text {i}" for i in range(200)))
    return tmp_path


def test_the_split_is_that_of_a_corpus_with_the_same_share(folder: Path) -> None:
    data = read_examples(training(held_out=0.2), folder)
    held_out = {f"good text {i}" for i in range(200) if id_share(f"good/good.txt:{i + 1}") < 0.2}
    found = {text for text, label in zip(data.held_out.texts, data.held_out.labels, strict=True) if label == 1}
    assert found == held_out and 20 < len(held_out) < 60
    assert not set(data.train.texts) & set(data.held_out.texts)
    assert len(data.train.texts) + len(data.held_out.texts) == 400


def test_max_documents_chooses_by_hash_and_still_holds_some_out(folder: Path) -> None:
    data = read_examples(training(max_documents=100, held_out=0.2), folder)
    assert data.train.labels.count(1) + data.held_out.labels.count(1) == 100
    assert 8 < data.held_out.labels.count(1) < 35
    lines = (folder / "good.txt").read_text().splitlines()
    numbers = sorted(lines.index(text) for text in data.train.texts if text.startswith("good"))
    assert numbers[0] < 20 and numbers[-1] > 180
    assert data.sources == [
        {"name": "bad", "label": "negative", "license": "MIT", "documents": 200},
        {"name": "good", "label": "positive", "license": "MIT", "documents": 200},
    ]


def test_repeated_texts_count_once_and_texts_with_both_labels_not_at_all(folder: Path) -> None:
    with (folder / "good.txt").open("a") as file:
        file.write("\ngood text 1\nbad text 5\n")
    data = read_examples(training(), folder)
    texts = data.train.texts + data.held_out.texts
    assert texts.count("good text 1") == 1 and "bad text 5" not in texts
    assert data.repeated == 3


def test_only_the_beginning_is_held(folder: Path) -> None:
    with (folder / "good.txt").open("a") as file:
        file.write("\n" + "long " * TEXT_KEPT)
    data = read_examples(training(), folder)
    assert max(map(len, data.train.texts + data.held_out.texts)) == TEXT_KEPT


def test_too_few_documents_are_an_error_that_says_what_to_do(folder: Path) -> None:
    (folder / "bad.txt").write_text("one\ntwo\n")
    with pytest.raises(DataError, match=r"`negative` have 2 documents, . of them to .*\n.*`documents: line`"):
        read_examples(training(), folder)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"bad\.txt does not exist"):
        read_examples(training(), tmp_path)
