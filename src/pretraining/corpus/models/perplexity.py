"""The step ``perplexity``: how well an n-gram model or a causal transformers model predicts a text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pretraining.corpus.assets import find_asset
from pretraining.corpus.draft import Draft
from pretraining.corpus.models.ngram_lm import NgramModel
from pretraining.corpus.models.words import Words, sentences, word_function
from pretraining.corpus.sections.models import KenlmModel, PerplexityStep, TrainedModel, TransformersModel
from pretraining.corpus.step import Preparation, Rule, Step
from pretraining.errors import DataError

DIGITS = 4
"""Significant digits of a perplexity. So the buckets need only count some thousand different values."""

_KENLM_STARTS = (b"mmap lm http://kheafield.com/code", b"\\data\\")


class LanguageModel(Protocol):
    """What measures a text."""

    def fields(self, text: str) -> dict[str, float]:
        """``perplexity``, and what else is known; empty where there is nothing to predict."""


def rounded(value: float) -> float:
    """A value with ``DIGITS`` significant digits; infinity where the number is too large for a float."""
    return float(f"{value:.{DIGITS}g}")


def bucket(value: float, head: float, tail: float) -> str:
    """``head``, ``middle`` or ``tail``."""
    return "head" if value < head else "middle" if value < tail else "tail"


def word_perplexity(log10_probability: float, words: int) -> float:
    """Perplexity per predicted word as CCNet: ``10 ** (-log10 p / n)``; n counts the end of each line as a word."""
    return float(10.0 ** min(-log10_probability / words, 308.0))


class KenlmScorer:
    """A KenLM file."""

    def __init__(self, path: Path, words: Words) -> None:
        self._model, self._words = _load_kenlm(path), words

    def fields(self, text: str) -> dict[str, float]:
        """``perplexity`` per word."""
        total, count = 0.0, 0
        for line in sentences(text):
            words = self._words(line)
            total += self._model.score(" ".join(words), bos=True, eos=True)
            count += len(words) + 1
        return {"perplexity": rounded(word_perplexity(total, count))} if count else {}


class NgramScorer:
    """A model that ``prepare`` trained."""

    def __init__(self, folder: Path, words: Words) -> None:
        self._model, self._words = NgramModel.load(folder), words

    def fields(self, text: str) -> dict[str, float]:
        """``perplexity`` per word."""
        total, count = self._model.score(self._words(line) for line in sentences(text))
        return {"perplexity": rounded(word_perplexity(total, count))} if count else {}


class Perplexity(Step):
    """Perplexity of a document, its bucket by given limits, and a limit on either side."""

    rules = (
        Rule("perplexity_too_high", ">", "max_perplexity", "perplexity"),
        Rule("perplexity_too_low", "<", "min_perplexity", "perplexity"),
    )
    section: PerplexityStep

    def prepare(self, preparation: Preparation) -> None:
        """Check the model's files, or train it into ``preparation.folder``.

        Raises:
            DataError: a file, a package or the trusted source is missing, or the source has no text.
        """
        model = self.section.model
        if isinstance(model, TransformersModel):
            from pretraining.corpus.models.causal import check_folder

            check_folder(model.path, preparation.base)
            return
        words = word_function(model.words, model.tokenizer, preparation.base)
        if isinstance(model, KenlmModel):
            check_kenlm(find_asset(model.path, preparation.base))
        else:
            from pretraining.corpus.models.ngram_training import learn_ngrams

            source = preparation.sources.get(model.source) if isinstance(model.source, str) else model.source
            if source is None:
                names = ", ".join(sorted(preparation.sources))
                raise DataError(f"perplexity is to be learned from {model.source!r}, but the sources are: {names}")
            learned = learn_ngrams(model, source, words, base=preparation.base, held_out=preparation.held_out)
            learned.save(preparation.folder)

    def open(self, preparation: Preparation) -> None:
        """Load the model; n-gram arrays stay on disk, shared by all workers."""
        self._model = _load(self.section.model, preparation)

    def run(self, draft: Draft) -> Iterator[float]:
        """Perplexity, twice; NaN for a text without a word."""
        measured = self._model.fields(draft.text)
        draft.fields.update(measured)
        perplexity = measured.get("perplexity", math.nan)
        head, tail = self.section.head, self.section.tail
        if head is not None and tail is not None and measured:
            draft.fields["perplexity_bucket"] = bucket(perplexity, head, tail)
        yield perplexity
        yield perplexity


_LOADED: dict[tuple[Any, ...], LanguageModel] = {}


def _load(model: KenlmModel | TrainedModel | TransformersModel, preparation: Preparation) -> LanguageModel:
    """The model, once per process."""
    base = preparation.base
    if isinstance(model, TransformersModel):
        from pretraining.corpus.models.causal import CausalScorer, check_folder

        key: tuple[Any, ...] = (str(check_folder(model.path, base)), model.window, model.device)
        if key not in _LOADED:
            _LOADED[key] = CausalScorer(*key)
        return _LOADED[key]
    path = find_asset(model.path, base) if isinstance(model, KenlmModel) else preparation.folder / "words.json"
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, model.words, model.tokenizer)
    if key not in _LOADED:
        words = word_function(model.words, model.tokenizer, base)
        _LOADED[key] = KenlmScorer(path, words) if isinstance(model, KenlmModel) else NgramScorer(path.parent, words)
    return _LOADED[key]


def check_kenlm(path: Path) -> None:
    """Whether ``kenlm`` is installed and the file begins as one of its models does.

    Raises:
        DataError: no, and what to do.
    """
    _import_kenlm(path)
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if not start.startswith((*_KENLM_STARTS, b"\x1f\x8b")):
        raise DataError(f"{path} is neither a KenLM binary nor an ARPA file; correct `path`")


def _import_kenlm(path: Path) -> Any:
    try:
        import kenlm  # type: ignore[import-not-found]
    except ImportError as error:
        raise DataError(f"{path} needs kenlm, which is not installed\n    pip install kenlm") from error
    return kenlm


def _load_kenlm(path: Path) -> Any:
    kenlm = _import_kenlm(path)
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(str(path), config)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path} cannot be read by kenlm: {error}; get or build it again") from error
