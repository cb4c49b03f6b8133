"""``pretrain train-classifier``: from positive and negative sources to a folder with a classifier and its report."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.models.classifier import CARD, load_scorer
from pretraining.corpus.models.examples import LABELS, Dataset, Examples, read_examples
from pretraining.corpus.models.linear import LinearClassifier, bag_of_ngrams, first_words, fit
from pretraining.corpus.models.measures import measure
from pretraining.corpus.sections.classifier_training import ClassifierTraining, EncoderKind, FastTextKind, LinearKind
from pretraining.errors import DataError
from pretraining.files import file_sha256

REPORT = "report.json"
WORDS_SHOWN = 20


def _quiet(line: str) -> None:
    pass


def train_classifier(
    training: ClassifierTraining, output: Path, *, base: Path, say: Callable[[str], None] = _quiet
) -> dict[str, Any]:
    """Train a classifier and measure it on documents that it did not learn from.

    The folder appears when it is complete: the classifier, ``classifier.json`` (kind, labels, settings),
    ``report.json`` and ``README.md``. The same examples, settings and package versions give the same bytes on the
    same kind of machine.

    Args:
        output: folder that must not exist yet, or be empty.
        base: folder that relative paths in ``training`` start from.
        say: is told what is being done.

    Returns:
        The report.

    Raises:
        DataError: there is something in ``output``, a source or model is missing, or a label has too few documents.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output} exists already; name another folder, or remove it")
    if isinstance(training.kind, EncoderKind):
        from pretraining.corpus.models.causal import check_folder

        check_folder(training.kind.path, base)
    say("reading the examples")
    data = read_examples(training, base)
    output.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        say(f"training on {len(data.train.texts):,} documents")
        details = _train(training, data.train, part, base)
        _write_card(training, part)
        say(f"measuring on {len(data.held_out.texts):,} documents")
        report = _report(training, data, part, details)
        (part / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (part / "README.md").write_text(_readme(report), "utf-8")
        part.chmod(0o755)  # a temporary folder is for its owner only
        os.replace(part, output)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


def _train(training: ClassifierTraining, examples: Examples, folder: Path, base: Path) -> dict[str, Any]:
    """Write the model's files; what is worth telling about the training."""
    kind, seed = training.kind, training.seed
    if isinstance(kind, LinearKind):
        return _train_linear(kind, examples, folder, seed)
    if isinstance(kind, FastTextKind):
        from pretraining.corpus.models.fasttext_training import train_fasttext

        return {"attempts": train_fasttext(kind, examples, folder, seed)}
    from pretraining.corpus.models.causal import check_folder
    from pretraining.corpus.models.encoder import fine_tune

    fine_tune(kind, check_folder(kind.path, base), examples, folder, seed)
    return {}


def _train_linear(kind: LinearKind, examples: Examples, folder: Path, seed: int) -> dict[str, Any]:
    bags, documents = [], Counter[str]()
    for text in examples.texts:
        words = first_words(text, kind.max_words)
        bags.append(bag_of_ngrams(words, word_ngrams=kind.word_ngrams, buckets=kind.buckets))
        documents.update(set(words))
    seen = [i for i, bag in enumerate(bags) if len(bag.places)]
    weights, bias = fit(
        [bags[i] for i in seen],
        np.array(examples.labels, dtype=np.float32)[seen],
        buckets=kind.buckets,
        epochs=kind.epochs,
        learning_rate=kind.learning_rate,
        seed=seed,
    )
    LinearClassifier(weights, bias, word_ngrams=kind.word_ngrams, max_words=kind.max_words).save(folder)
    return {"words": _telling_words(weights, documents)}


def _telling_words(weights: NDArray[np.float32], documents: Counter[str]) -> dict[str, list[list[Any]]]:
    """The words that decide most: by weight times the number of documents with the word. [word, weight] each."""
    words = sorted(documents)
    places = [bag_of_ngrams([word], word_ngrams=1, buckets=len(weights)).places[0] for word in words]
    found = weights[places].tolist()
    order = sorted(range(len(words)), key=lambda i: found[i] * documents[words[i]])
    ends = {"negative": order[:WORDS_SHOWN], "positive": order[::-1][:WORDS_SHOWN]}
    return {label: [[words[i], round(found[i], 2)] for i in numbers] for label, numbers in ends.items()}


def _write_card(training: ClassifierTraining, folder: Path) -> None:
    kind = training.kind
    if isinstance(kind, LinearKind):
        settings: dict[str, Any] = {"word_ngrams": kind.word_ngrams, "max_words": kind.max_words}
    else:
        settings = {"max_words": kind.max_words} if isinstance(kind, FastTextKind) else {}
    files = sorted(path.name for path in folder.iterdir())
    card = {"kind": kind.type, "labels": list(LABELS), "settings": settings, "files": files}
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", "utf-8")


def _report(training: ClassifierTraining, data: Dataset, folder: Path, details: dict[str, Any]) -> dict[str, Any]:
    device = training.kind.device if isinstance(training.kind, EncoderKind) else "cpu"
    score = load_scorer(folder, "positive", device)
    labels = data.train.labels
    files = sorted(path for path in folder.iterdir())
    return {
        "kind": training.kind.model_dump(),
        "seed": training.seed,
        "sources": data.sources,
        "documents": {
            "train": {name: labels.count(label) for label, name in enumerate(LABELS)},
            "held_out": {name: data.held_out.labels.count(label) for label, name in enumerate(LABELS)},
            "repeated": data.repeated,
        },
        "held_out": measure([score(text) for text in data.held_out.texts], data.held_out.labels),
        **details,
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in files},
    }


def _readme(report: dict[str, Any]) -> str:
    measured, documents = report["held_out"], report["documents"]
    lines = [
        "# A quality classifier",
        "",
        f"Kind: `{report['kind']['type']}`. Labels: {', '.join(f'`{name}`' for name in LABELS)}. Use it in a recipe:",
        "",
        "```yaml",
        "- {type: classifier, models: [path/of/this/folder], min_score: 0.5}",
        "```",
        "",
        f"Learned from {documents['train']['positive']:,} positive and {documents['train']['negative']:,} negative "
        f"documents; measured on {documents['held_out']['positive']:,} and {documents['held_out']['negative']:,} "
        "others.",
        "",
        "| source | label | documents | licence |",
        "|---|---|---:|---|",
        *(f"| {s['name']} | {s['label']} | {s['documents']:,} | {s['license'] or '?'} |" for s in report["sources"]),
        "",
        f"AUC {measured['auc']:.4f}. Precision is that of the mixture of the held-out documents; of another mixture "
        "it is another.",
        "",
        "| score of at least | kept | precision | recall | F1 |",
        "|---:|---:|---:|---:|---:|",
    ]
    for row in measured["thresholds"]:
        precision = "-" if row["precision"] is None else f"{row['precision']:.4f}"
        lines.append(f"| {row['threshold']} | {row['kept']:,} | {precision} | {row['recall']:.4f} | {row['f1']:.4f} |")
    for label, words in report.get("words", {}).items():
        lines += ["", f"Words that speak most for `{label}`: {', '.join(word for word, _ in words)}."]
    lines += ["", "| file | bytes | SHA-256 |", "|---|---:|---|"]
    lines += [f"| {name} | {file['bytes']:,} | `{file['sha256']}` |" for name, file in report["files"].items()]
    return "\n".join(lines) + "\n"
