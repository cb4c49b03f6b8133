"""N-gram models from trusted sources: inside a build, or once for many, as an ARPA file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pretraining.corpus.models.kneser_ney import Vocabulary, train_ngrams
from pretraining.corpus.models.ngram_lm import NgramModel
from pretraining.corpus.models.texts import id_share, source_documents
from pretraining.corpus.models.words import Words, sentences, word_function
from pretraining.corpus.sections.models import TrainedModel
from pretraining.corpus.sources import source_name
from pretraining.errors import DataError


def learn_ngrams(model: TrainedModel, source: Any, words: Words, *, base: Path, held_out: float) -> NgramModel:
    """Learn from a source section, document by document, until ``model.max_words`` are read.

    Args:
        words: the words of a line.
        base: folder that relative paths start from.
        held_out: share of the documents, by hash of their id, that are passed over.

    Raises:
        DataError: the source is not there, or has no text beside what is held out.
    """
    text = Vocabulary()
    for document in source_documents(source, base):
        if len(text.row) >= model.max_words:
            break
        if id_share(document.id) >= held_out:
            for line in sentences(document.text):
                text.add(words(line))
    if not text.row:
        raise DataError(f"the source {source_name(source)!r} has no text that is not held out: nothing to learn from")
    return train_ngrams(text, order=model.order, min_count=model.min_count)


def train_arpa(model: TrainedModel, output: Path, *, base: Path, held_out: float = 0.0) -> NgramModel:
    """Train a model and write it as an ARPA file, for ``model: {type: kenlm, path: ...}`` with the same ``words``.

    Raises:
        DataError: as ``learn_ngrams``; or ``model.source`` is a name, which means nothing outside of a corpus.
    """
    if isinstance(model.source, str):
        raise DataError(f"`source: {model.source}` names a source of a corpus; describe one: `type`, `path`, ...")
    words = word_function(model.words, model.tokenizer, base)
    learned = learn_ngrams(model, model.source, words, base=base, held_out=held_out)
    learned.write_arpa(output)
    return learned
