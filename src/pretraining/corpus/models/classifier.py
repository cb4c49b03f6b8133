"""The step ``classifier``: scores of one or several classifiers, by threshold or by GPT-3's draw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pretraining.corpus.draft import Draft
from pretraining.corpus.models.fasttext_model import check_fasttext, load_fasttext
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sections.models import ClassifierStep
from pretraining.corpus.step import Preparation, Rule, Step
from pretraining.errors import DataError

CARD = "classifier.json"
"""The file by which a folder of ``pretrain train-classifier`` is known: kind, labels, settings."""
SCORE_DECIMALS = 4

Scorer = Callable[[str], float]
"""The score of a text for the step's label."""


class Classifier(Step):
    """A score in a field, and two limits on it."""

    rules = (
        Rule("score_too_low", "<", "min_score", "score"),
        Rule("score_too_high", ">", "max_score", "score"),
    )
    section: ClassifierStep

    def __init__(self, section: ClassifierStep, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        if section.select == "pareto":  # numpy.random.pareto(alpha) > 1 - score keeps: not at 1 itself
            self.rules = (Rule("score_not_drawn", "<=", "min_score", "score + draw"), self.rules[1])

    def prepare(self, preparation: Preparation) -> None:
        """Check that every classifier is there and knows the label.

        Raises:
            DataError: one is missing, is none, or does not know the label.
        """
        for path in self._paths(preparation):
            check_classifier(path, self.section.label)

    def open(self, preparation: Preparation) -> None:
        """Load the classifiers."""
        paths = self._paths(preparation)
        self._scorers = [load_scorer(path, self.section.label, self.section.device) for path in paths]

    def _paths(self, preparation: Preparation) -> list[Path]:
        return [preparation.base / Path(path).expanduser() for path in self.section.models]

    def run(self, draft: Draft) -> Iterator[float]:
        """The score (with the draw, for ``pareto``), and the score."""
        scores = [scorer(draft.text) for scorer in self._scorers]
        score = round(combined(scores, self.section.vote), SCORE_DECIMALS)
        draft.fields[self.section.field] = score
        if self.section.select == "pareto":
            yield score + pareto_draw(draft.id, alpha=self.section.alpha, seed=self.section.seed)
        else:
            yield score
        yield score


def combined(scores: list[float], vote: str) -> float:
    """One score t so that the vote passes a threshold exactly when t does.

    ``any``: the largest; ``all``: the smallest; ``majority``: the largest that more than half of them reach.
    """
    if vote == "mean":
        return sum(scores) / len(scores)
    return sorted(scores, reverse=True)[{"any": 0, "majority": len(scores) // 2, "all": -1}[vote]]


def pareto_draw(identifier: str, *, alpha: float, seed: int) -> float:
    """A number from the Pareto II (Lomax) distribution, that of ``numpy.random.pareto``; from the id and seed alone."""
    uniform = id_hash(f"pareto/{seed}/{identifier}") / 2**64
    return float((1.0 - uniform) ** (-1.0 / alpha) - 1.0)


def read_card(folder: Path) -> dict[str, Any]:
    """What ``pretrain train-classifier`` wrote about a classifier.

    Raises:
        DataError: it is not there, or damaged.
    """
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / CARD} cannot be read: {error}; train the classifier again") from error
    complete = isinstance(card, dict) and {"kind", "labels", "settings", "files"} <= set(card)
    if not complete or card["kind"] not in ("linear", "fasttext", "transformers"):
        raise DataError(f"{folder / CARD} does not say what kind of classifier it is; train it again")
    return dict(card)


def check_classifier(path: Path, label: str) -> None:
    """Whether there is a classifier at ``path`` that knows ``label``; fast: no model is loaded but fastText's.

    Raises:
        DataError: no, and what to do.
    """
    if path.is_dir() and (path / CARD).is_file():
        card = read_card(path)
        missing = [name for name in card["files"] if not (path / name).is_file()]
        if missing:
            raise DataError(f"{path} lacks {', '.join(missing)}; train the classifier again")
        labels = card["labels"]
    elif path.is_dir() and (path / "config.json").is_file():
        try:
            config = json.loads((path / "config.json").read_text("utf-8"))
        except ValueError as error:
            raise DataError(f"{path / 'config.json'} is not JSON: {error}; get the model again") from error
        labels = list(config.get("id2label", {"0": "LABEL_0", "1": "LABEL_1"}).values())
    elif path.is_file():
        check_fasttext(path)
        labels = [name for name, _ in load_fasttext(path).predict("a", -1)]
    else:
        raise DataError(
            f"there is no classifier {path}: neither a folder with {CARD} or config.json, nor a fastText file\n"
            "    correct the path, or train one: pretrain train-classifier"
        )
    if len(labels) > 1 and label not in labels:
        raise DataError(f"the classifier {path} has no label {label!r}; its labels are {', '.join(map(str, labels))}")


_LOADED: dict[tuple[str | int, ...], Scorer] = {}


def load_scorer(path: Path, label: str, device: str = "cpu") -> Scorer:
    """The classifier at ``path``, once per process.

    Raises:
        DataError: it is damaged.
    """
    stat = next(file for file in (path / CARD, path / "config.json", path) if file.is_file()).stat()
    key = (str(path.resolve()), label, device, stat.st_size, stat.st_mtime_ns)
    if key not in _LOADED:
        _LOADED[key] = _scorer(path, label, device)
    return _LOADED[key]


def _scorer(path: Path, label: str, device: str) -> Scorer:
    card: dict[str, Any] = {"kind": "fasttext" if path.is_file() else "transformers"}
    if (path / CARD).is_file():
        card = read_card(path)
    if card["kind"] == "linear":
        from pretraining.corpus.models.linear import LinearClassifier

        linear = LinearClassifier.load(path, **card["settings"])
        return lambda text: abs(linear.probability(linear.bag(text)) - (label == "negative"))
    if card["kind"] == "transformers":
        from pretraining.corpus.models.encoder import Encoder

        encoder = Encoder(path, device)
        return lambda text: encoder.score(text, label)
    if path.is_file():
        native = load_fasttext(path)
        return lambda text: dict(native.predict(text, -1)).get(label, 0.0)
    from pretraining.corpus.models.fasttext_training import MODEL_FILE, as_line

    trained = load_fasttext(path / MODEL_FILE)
    return lambda text: dict(trained.predict(as_line(text, **card["settings"]), -1)).get(label, 0.0)
