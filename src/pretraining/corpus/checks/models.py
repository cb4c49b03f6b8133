"""The rules about perplexity and classifier steps."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pretraining.corpus.assets import find_asset
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.models import (
    ClassifierStep,
    KenlmModel,
    PerplexityBucketsStep,
    PerplexityStep,
    TrainedModel,
    TransformersModel,
)
from pretraining.corpus.sources import SourceError, source_files, source_name
from pretraining.errors import DataError
from pretraining.section import Finding, Rule

_Kind = TypeVar("_Kind")


def _steps(corpus: CorpusSection, kind: type[_Kind]) -> Iterator[tuple[str, _Kind]]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, kind):
            yield f"corpus.steps[{i}]", step


def _trusted_source_there(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    names = [source_name(source) for source in corpus.sources]
    for path, step in _steps(corpus, PerplexityStep):
        if not isinstance(step.model, TrainedModel):
            continue
        source = step.model.source
        if not isinstance(source, str):
            try:
                source_files(source, base)
            except SourceError as error:
                yield Finding(f"{path}.model.source.{error.key}", error.message, error.fix, error.hint)
        elif source not in names:
            close = difflib.get_close_matches(source, names, n=1)
            yield Finding(
                f"{path}.model.source",
                f"no source is called {source!r}: there is nothing to learn from",
                f"name one of the recipe ({', '.join(names)}), or describe one: `source: {{type: ..., path: ...}}`",
                f"did you mean {close[0]!r}?" if close else "",
            )


def _own_source_spared(corpus: CorpusSection) -> Iterator[Finding]:
    names = [source_name(source) for source in corpus.sources]
    for path, step in _steps(corpus, PerplexityStep):
        source = step.model.source if isinstance(step.model, TrainedModel) else None
        if isinstance(source, str) and source in (names if step.sources is None else step.sources):
            others = ", ".join(name for name in names if name != source)
            yield Finding(
                f"{path}.sources",
                f"the step measures {source!r}, which its model learns from: it knows those documents by heart, and "
                "only the held-out ones would look unlikely",
                f"measure the other sources only: `sources: [{others}]`",
            )


def _model_files_there(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for path, step in _steps(corpus, PerplexityStep):
        if isinstance(step.model, TransformersModel):
            continue
        files = {"path": step.model.path} if isinstance(step.model, KenlmModel) else {}
        for key, name in {**files, "tokenizer": step.model.tokenizer}.items():
            try:
                if name is not None:
                    find_asset(name, base)
            except DataError as error:
                yield _not_there(f"{path}.model.{key}", error)
    for path, classifier in _steps(corpus, ClassifierStep):
        for i, name in enumerate(classifier.models):
            if not (base / Path(name).expanduser()).exists():
                yield Finding(
                    f"{path}.models[{i}]",
                    f"there is no classifier {base / Path(name).expanduser()}",
                    "correct the path, or train one: pretrain train-classifier",
                )


def _not_there(path: str, error: DataError) -> Finding:
    message, *fix = str(error).splitlines()
    return Finding(path, message, "\n".join(line.strip() for line in fix))


def _limits_in_order(corpus: CorpusSection) -> Iterator[Finding]:
    for kind, low, high in (
        (PerplexityStep, "min_perplexity", "max_perplexity"),
        (PerplexityStep, "head", "tail"),
        (PerplexityBucketsStep, "head", "tail"),
        (ClassifierStep, "min_score", "max_score"),
    ):
        for path, step in _steps(corpus, kind):
            least, most = getattr(step, low), getattr(step, high)
            drawn = isinstance(step, ClassifierStep) and step.select == "pareto"  # a score and a draw: no contradiction
            if least is not None and most is not None and least > most and not drawn:
                yield Finding(
                    f"{path}.{low}", f"{low} {least:g} is more than {high} {most:g}", f"lower `{low}` or raise `{high}`"
                )


def _buckets_after_perplexity(corpus: CorpusSection) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, PerplexityBucketsStep) and not any(
            isinstance(earlier, PerplexityStep) for earlier in corpus.steps[:i]
        ):
            yield Finding(
                f"corpus.steps[{i}]",
                "no step before it measures the perplexity: every document would pass",
                "put a `perplexity` step before it",
            )


def _fields_unique(corpus: CorpusSection) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for path, step in _steps(corpus, ClassifierStep):
        if step.field in seen:
            yield Finding(
                f"{path}.field",
                f"{seen[step.field]} writes {step.field!r} too: only the last score would stay",
                "give each classifier its own `field`",
            )
        seen.setdefault(step.field, path)


RULES = [
    Rule(
        "perplexity_source_there",
        "The trusted source of a perplexity model is a source of the recipe, or one that can be read.",
        "The model is learned from it before the first document.",
        _trusted_source_there,
    ),
    Rule(
        "perplexity_spares_its_source",
        "A perplexity model that is learned from a source of the recipe does not measure that source.",
        "It knows the text it has learned, so limits would remove the held-out documents and hardly any others.",
        _own_source_spared,
    ),
    Rule(
        "model_files_there",
        "The files of perplexity models, tokenizers and classifiers are there.",
        "A file that is missing would be found out only when the build starts.",
        _model_files_there,
    ),
    Rule(
        "model_limits_in_order",
        "The lower limit on a perplexity, quantile or score is not above the upper one.",
        "Such a step would remove every document, or leave no middle bucket.",
        _limits_in_order,
    ),
    Rule(
        "buckets_after_perplexity",
        "`perplexity_buckets` stands after a `perplexity` step.",
        "It sorts documents by what that step measured.",
        _buckets_after_perplexity,
    ),
    Rule(
        "classifier_fields_unique",
        "No two classifiers write the same field.",
        "The second score would replace the first.",
        _fields_unique,
    ),
]
