from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from pretraining.corpus.draft import Draft
from pretraining.corpus.privacy.finder import redact
from pretraining.corpus.privacy.names import PIECE, check_model, load_recognizer
from pretraining.corpus.privacy.step import Privacy
from pretraining.corpus.sections.privacy import PrivacyStep
from pretraining.corpus.step import Preparation, apply
from pretraining.errors import DataError

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "B-ORG"]
WORDS = {"Anna": 1, "Schmidt": 2, "Berlin": 3, "Siemens": 4, "lives": 0, "in": 0, ".": 0, "works": 0, "at": 0}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without layers whose word vectors are the labels."""
    folder = tmp_path_factory.mktemp("ner")
    vocabulary = {"[UNK]": 0, "[PAD]": 1, **{word: i + 2 for i, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=16
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=8, num_hidden_layers=0, num_attention_heads=1, intermediate_size=8,
        max_position_embeddings=16, id2label=dict(enumerate(LABELS)), label2id={k: i for i, k in enumerate(LABELS)},
    )  # fmt: skip
    network = BertForTokenClassification(config)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.bert.embeddings.LayerNorm.weight.fill_(1)
        words = network.bert.embeddings.word_embeddings.weight
        words[:, 0] = 1
        for word, label in WORDS.items():
            words[vocabulary[word]] = torch.eye(8)[label]
        network.classifier.weight.copy_(5 * torch.eye(8)[: len(LABELS)])
    network.save_pretrained(folder)
    return folder


def test_a_token_classifier(model: Path) -> None:
    check_model(model)
    recognizer = load_recognizer(model)
    text = "Anna Schmidt lives in Berlin . Anna works at Siemens ."
    found = [(m.type, text[m.start : m.end]) for m in recognizer(text)]
    assert found == [("PERSON", "Anna Schmidt"), ("LOCATION", "Berlin"), ("PERSON", "Anna")]
    assert (
        redact(text, ["PERSON"], recognizer=recognizer)[0] == "[PERSON] lives in Berlin . [PERSON] works at Siemens ."
    )


def test_long_texts_are_seen_to_the_end(model: Path) -> None:
    text = "lives in . " * (PIECE // 5) + "Berlin\n" + "works " * PIECE + "Anna Schmidt"
    found = load_recognizer(model)(text)
    assert [(m.type, text[m.start : m.end]) for m in found] == [("LOCATION", "Berlin"), ("PERSON", "Anna Schmidt")]


def test_the_step(model: Path, tmp_path: Path) -> None:
    section = PrivacyStep(type="privacy", types=["EMAIL_ADDRESS", "PERSON"], ner_model=str(model))
    step = Privacy(section)
    preparation = Preparation(base=tmp_path, folder=tmp_path, sources={}, held_out=0.0)
    step.prepare(preparation)
    step.open(preparation)
    draft = Draft("Anna Schmidt lives in Berlin . anna@firm.de", "id", source="web", file="a.txt")
    assert apply(step, draft) is None
    assert draft.text == "[PERSON] lives in Berlin . [EMAIL_ADDRESS]"
    assert draft.edits == [{"EMAIL_ADDRESS": 1, "PERSON": 1}]


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds neither a transformers model"):
        check_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="no weights"):
        check_model(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(DataError, match=r"none of the labels of .* is a person or a place \(none\)"):
        check_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "POSITIVE", "1": "NEGATIVE"}}))
    with pytest.raises(DataError, match="POSITIVE, NEGATIVE"):
        check_model(tmp_path)


@pytest.fixture
def spacy_folder(tmp_path: Path) -> Path:
    (tmp_path / "meta.json").write_text(json.dumps({"lang": "de", "name": "core_news_sm"}))
    return tmp_path


def test_presidio_missing(spacy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"presidio_analyzer is not installed; pip install 'presidio-analyzer>=2.2,<3'"):
        check_model(spacy_folder)


def test_a_spacy_pipeline_with_a_transformer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text(json.dumps({"lang": "en", "pipeline": ["curated_transformer", "ner"]}))
    with pytest.raises(DataError, match=r"with a transformer, which is not run here; take one without \(sm, md, lg\)"):
        check_model(tmp_path)


def test_presidio_is_asked_for_persons_and_places(spacy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        def __init__(self, *, nlp_engine: Any, supported_languages: list[str]) -> None:
            assert (nlp_engine, supported_languages) == (str(spacy_folder), ["de"])

        def analyze(self, text: str, *, language: str, entities: list[str]) -> list[Any]:
            assert (language, entities) == ("de", ["PERSON", "LOCATION"])
            start = text.find("Anna")
            sure = SimpleNamespace(entity_type="PERSON", start=start, end=start + 4, score=0.85)
            unsure = SimpleNamespace(entity_type="LOCATION", start=0, end=3, score=0.2)
            return [sure, unsure] if start >= 0 else []

    class Provider:
        def __init__(self, *, nlp_configuration: dict[str, Any]) -> None:
            assert nlp_configuration["nlp_engine_name"] == "spacy"
            [self.model] = nlp_configuration["models"]

        def create_engine(self) -> str:
            return str(self.model["model_name"])

    package, engines = ModuleType("presidio_analyzer"), ModuleType("presidio_analyzer.nlp_engine")
    monkeypatch.setattr(package, "AnalyzerEngine", Engine, raising=False)
    monkeypatch.setattr(engines, "NlpEngineProvider", Provider, raising=False)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", package)
    monkeypatch.setitem(sys.modules, "presidio_analyzer.nlp_engine", engines)
    recognizer = load_recognizer(spacy_folder)
    text = "x " * PIECE + "und Anna kam"
    [match] = recognizer(text)
    assert (match.type, text[match.start : match.end]) == ("PERSON", "Anna")
