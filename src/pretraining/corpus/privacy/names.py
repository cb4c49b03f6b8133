"""Names of persons and places, by a model for named entities that lies on disk. Off unless the recipe names one."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pretraining.corpus.privacy.spans import Match
from pretraining.errors import DataError

LABELS = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "LOCATION": "LOCATION",
    "ADDRESS": "LOCATION",
    "STREET_ADDRESS": "LOCATION",
}
"""Labels of models (CoNLL, OntoNotes, Presidio's data) and the types they mean here; others are ignored."""
PIECE = 1000
"""Characters that the model sees at once."""
MIN_SCORE = 0.5


class Recognizer(Protocol):
    """Finds names in a text."""

    def __call__(self, text: str) -> list[Match]:
        """Matches with types of ``LABELS``."""


def check_model(folder: Path) -> None:
    """Raises ``DataError`` unless the folder holds a model and the package that runs it is installed; fast."""
    if not folder.is_dir():
        raise DataError(
            f"the folder {folder} of privacy.ner_model is not there; put the model there, or correct the path"
        )
    if (folder / "config.json").is_file():
        if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            raise DataError(f"privacy.ner_model: {folder} has a config.json but no weights (model.safetensors)")
        labels = json.loads((folder / "config.json").read_text("utf-8")).get("id2label", {}).values()
        if not any(_type_of(label) for label in labels):
            raise DataError(
                f"privacy.ner_model: none of the labels of {folder} is a person or a place "
                f"({', '.join(labels) or 'none'}); take a token classifier with some of {', '.join(LABELS)}"
            )
    elif (folder / "meta.json").is_file():
        parts = json.loads((folder / "meta.json").read_text("utf-8")).get("pipeline", [])
        if any("transformer" in part for part in parts):  # text/spacy_parts.py keeps torch out of spaCy
            raise DataError(
                f"privacy.ner_model: {folder} is a spaCy pipeline with a transformer, which is not run here; take one "
                "without (sm, md, lg), or the folder of a transformers token classifier (config.json)"
            )
        for package in ("presidio_analyzer", "spacy"):
            if importlib.util.find_spec(package) is None:
                raise DataError(
                    f"privacy.ner_model: {folder} is a spaCy pipeline, which is run through Presidio, and the package "
                    f"{package} is not installed; pip install 'presidio-analyzer>=2.2,<3' 'spacy>=3.7,<4'"
                )
    else:
        raise DataError(
            f"privacy.ner_model: {folder} holds neither a transformers model (config.json) "
            "nor a spaCy pipeline (meta.json)"
        )


def _type_of(label: str) -> str | None:
    return LABELS.get(label.upper().removeprefix("B-").removeprefix("I-"))


def load_recognizer(folder: Path) -> Recognizer:
    """The model of a folder that ``check_model`` accepts, on the CPU."""
    return _TokenClassifier(folder) if (folder / "config.json").is_file() else _Presidio(folder)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """(start, piece) of at most ``PIECE`` characters, cut after a line or at a space where there is one."""
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text):
            cut = max(text.rfind("\n", start, end), text.rfind("。", start, end))
            cut = cut if cut > start else text.rfind(" ", start, end)
            end = cut + 1 if cut > start else end
        yield start, text[start:end]
        start = end


class _TokenClassifier:
    def __init__(self, folder: Path) -> None:
        from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True)
        tokenizer.model_max_length = min(tokenizer.model_max_length, model.config.max_position_embeddings)
        self._pipeline: Any = pipeline(
            "token-classification",
            model=model,
            tokenizer=tokenizer,
            aggregation_strategy="first",
            stride=tokenizer.model_max_length // 4,
            device="cpu",
        )

    def __call__(self, text: str) -> list[Match]:
        matches = []
        for start, piece in _pieces(text):
            for entity in self._pipeline(piece) if piece.strip() else ():
                kind = _type_of(entity["entity_group"])
                if kind and entity["score"] >= MIN_SCORE:
                    span = (start + int(entity["start"]), start + int(entity["end"]))
                    matches.append(Match(kind, *span, float(entity["score"])))
        return matches


class _Presidio:
    def __init__(self, folder: Path) -> None:
        presidio: Any = importlib.import_module("presidio_analyzer")
        engines: Any = importlib.import_module("presidio_analyzer.nlp_engine")
        self._language = str(json.loads((folder / "meta.json").read_text("utf-8"))["lang"])
        models = [{"lang_code": self._language, "model_name": str(folder)}]
        provider = engines.NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
        self._engine: Any = presidio.AnalyzerEngine(
            nlp_engine=provider.create_engine(), supported_languages=[self._language]
        )

    def __call__(self, text: str) -> list[Match]:
        matches = []
        for start, piece in _pieces(text):
            for found in self._engine.analyze(piece, language=self._language, entities=["PERSON", "LOCATION"]):
                if found.score >= MIN_SCORE:
                    matches.append(Match(found.entity_type, start + found.start, start + found.end, float(found.score)))
        return matches
