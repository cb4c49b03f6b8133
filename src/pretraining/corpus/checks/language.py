"""The rules about the step ``language``, and about languages that other steps name."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.assets import ASSETS, find_asset
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.models.language_codes import KNOWN_CODES, usual_codes
from pretraining.corpus.sections.language import LanguageStep
from pretraining.corpus.sections.toxicity import ToxicityStep
from pretraining.errors import DataError
from pretraining.section import Finding, Rule

_FORM = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")
_WRITE = "write ISO 639-3 and the script: eng_Latn, cmn_Hani, deu_Latn, ..."


def _steps(corpus: CorpusSection) -> Iterator[tuple[str, LanguageStep]]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, LanguageStep):
            yield f"corpus.steps[{i}]", step


def _accept_known(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        own_model = step.identifier == "fasttext" and step.model not in ASSETS
        for i, code in enumerate(step.accept):
            if code in KNOWN_CODES or (own_model and _FORM.fullmatch(code)):
                continue
            yield Finding(
                f"{path}.accept[{i}]",
                f"{code!r} is no language that {step.identifier} can find: no document would be kept for it",
                _WRITE,
                _hint(code),
            )


def _hint(code: str) -> str:
    meant = [known for known in usual_codes(re.split("[_-]", code)[0].lower()) if known in KNOWN_CODES]
    return f"did you mean {' or '.join(map(repr, meant))}?" if meant else ""


def _step_languages_written(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        named = {f"languages[{k}]": code for k, code in enumerate(step.languages or [])}
        if isinstance(step, ToxicityStep):
            named |= {f"lists.{code}": code for code in step.lists}
        for key, code in named.items():
            if not _FORM.fullmatch(code):
                yield Finding(
                    f"corpus.steps[{i}].{key}",
                    f"{code!r} is not a language and its script, so it is no document's language",
                    _WRITE,
                    _hint(code),
                )


def _toxicity_files_there(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if not isinstance(step, ToxicityStep):
            continue
        files = {f"lists.{code}": path for code, path in step.lists.items()}
        if step.classifier is not None:
            files["classifier"] = step.classifier
        for key, what in files.items():
            yield from _asset_there(f"corpus.steps[{i}].{key}", what, base)


def _asset_there(path: str, what: str, base: Path) -> Iterator[Finding]:
    try:
        find_asset(what, base)
    except DataError as error:
        message, *rest = str(error).splitlines()
        yield Finding(path, message, "\n".join(line.strip() for line in rest))


def _thresholds_used(corpus: CorpusSection) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        for code in step.thresholds:
            if code not in step.accept:
                yield Finding(
                    f"{path}.thresholds.{code}",
                    f"{code!r} is not accepted, so its threshold decides nothing",
                    "add it to `accept`, or leave it out",
                )


def _identifier_there(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for path, step in _steps(corpus):
        if step.identifier == "py3langid":
            if "model" in step.model_fields_set:
                yield Finding(
                    f"{path}.model",
                    "py3langid has its own model and reads no other",
                    "set `identifier: fasttext`, or leave `model` out",
                )
            package = "py3langid"
        else:
            yield from _asset_there(f"{path}.model", step.model, base)
            package = "fasttext"
        if importlib.util.find_spec(package) is None:
            install = {"fasttext": "fasttext-numpy2-wheel"}.get(package, package)
            yield Finding(f"{path}.identifier", f"{package} is not installed", f"pip install {install}")


RULES = [
    Rule(
        "language_accept_known",
        "The accepted languages are written as ISO 639-3 and script, and the identifier knows them.",
        "A code such as `zh` or `zho_Hans` is never found, so every document of the language would be removed.",
        _accept_known,
    ),
    Rule(
        "language_thresholds_used",
        "A threshold of a single language is one of an accepted language.",
        "It would decide nothing, and look as if it did.",
        _thresholds_used,
    ),
    Rule(
        "language_identifier_there",
        "The package of the language identifier is installed, and its model is on this machine.",
        "Nothing is downloaded while a corpus is built.",
        _identifier_there,
    ),
    Rule(
        "step_languages_written",
        "The languages that a step is for, and those of word lists, are written as ISO 639-3 and script.",
        "No document's language is `en` or `zh`, so the step would pass every document in silence.",
        _step_languages_written,
    ),
    Rule(
        "toxicity_files_there",
        "The word lists and the classifier of the step `toxicity` are on this machine.",
        "Nothing is downloaded while a corpus is built.",
        _toxicity_files_there,
    ),
]
