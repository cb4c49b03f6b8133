"""Training by fastText itself, in a process of its own: its wheels for numpy 2 end some trainings with a NaN."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pretraining.corpus.models.examples import LABELS, Examples
from pretraining.corpus.models.fasttext_model import INSTALL
from pretraining.corpus.models.linear import first_words
from pretraining.corpus.sections.classifier_training import FastTextKind
from pretraining.errors import DataError

MODEL_FILE = "model.bin"
ATTEMPTS = 10
"""Trainings that may fail before it is given up."""
SECONDS = 3600.0
"""Of one attempt."""

_PROGRAM = (
    "import fasttext, json, sys; a = json.loads(sys.argv[1]); "
    "fasttext.train_supervised(input=sys.argv[2], thread=1, verbose=0, **a).save_model(sys.argv[3])"
)


def as_line(text: str, *, max_words: int) -> str:
    """The beginning of a text as fastText reads it: lower-cased words by script, none that looks like a label."""
    return " ".join(word for word in first_words(text, max_words) if not word.startswith("__label__"))


def train_fasttext(kind: FastTextKind, examples: Examples, folder: Path, seed: int) -> int:
    """Write ``model.bin``. One thread, so that the same examples and seed give the same model.

    Returns:
        The number of attempts that it took.

    Raises:
        DataError: fastText is not installed, or every attempt failed.
    """
    if importlib.util.find_spec("fasttext") is None:
        raise DataError(f"`kind: fasttext` needs fastText, which is not installed\n    {INSTALL}")
    data = folder / "examples.txt"
    with data.open("w", encoding="utf-8", errors="replace") as file:
        for text, label in zip(examples.texts, examples.labels, strict=True):
            file.write(f"__label__{LABELS[label]} {as_line(text, max_words=kind.max_words)}\n")
    settings: dict[str, Any] = {
        "dim": kind.dim,
        "epoch": kind.epochs,
        "lr": kind.learning_rate,
        "wordNgrams": kind.word_ngrams,
        "bucket": kind.buckets,
        "seed": seed,
    }
    command = [sys.executable, "-c", _PROGRAM, json.dumps(settings), str(data), str(folder / MODEL_FILE)]
    reason = ""
    try:
        for attempt in range(1, ATTEMPTS + 1):
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
            if done.returncode == 0:
                return attempt
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    finally:
        data.unlink()
    raise DataError(f"fastText failed in {ATTEMPTS} trainings: {reason}\n    use `kind: {{type: linear}}`")
