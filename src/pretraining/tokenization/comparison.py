"""This tokenizer and others on the same text, which none of them was trained on here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pretraining.tokenization.documents import corpus_files, declared_languages, languages, small_batches
from pretraining.tokenization.figures import UNKNOWN, counted, rates

if TYPE_CHECKING:
    from tokenizers import Tokenizer

COMPARED_BYTES = 8_000_000
"""Of text, at most: enough for three digits, little enough that a tokenizer takes seconds."""
COMPARED_CHARACTERS = 100_000
"""Of a document: not every tokenizer's memory is bounded on long ones."""
TOGETHER = 64
"""Documents in a call."""


class Document(NamedTuple):
    """A document that tokenizers are compared on."""

    text: str
    source: str
    language: str | None
    size: int


def compared_documents(corpus: Path, most: int = COMPARED_BYTES) -> tuple[str, list[Document]]:
    """(split, documents): the held-out ones, or those for training where none are held out.

    Of more than ``most`` bytes, documents spread evenly over all are taken, so that every source has its share; of
    each its beginning.
    """
    import pyarrow.compute as pc

    split = "validation" if corpus_files(corpus, "validation") else "train"
    files, declared = corpus_files(corpus, split), declared_languages(corpus)
    sizes = (pc.sum(pc.binary_length(batch.column("text"))).as_py() for path in files for batch in small_batches(path))
    every = max(1, -(-sum(sizes) // most))
    return split, list(_documents(files, declared, every))


def _documents(files: Sequence[Path], declared: dict[str, str | None], every: int) -> Iterator[Document]:
    number = 0
    for path in files:
        for batch in small_batches(path):
            chosen = batch.take(list(range(-number % every, batch.num_rows, every)))
            number += batch.num_rows
            texts, sources = chosen.column("text").to_pylist(), chosen.column("source").to_pylist()
            for text, source, language in zip(texts, sources, languages(chosen, declared), strict=True):
                beginning = text[:COMPARED_CHARACTERS]
                yield Document(beginning, source, language, len(beginning.encode()))


def compare(tokenizers: dict[str, Tokenizer], documents: Sequence[Document]) -> list[dict[str, Any]]:
    """Figures of every tokenizer by its name: ``rates`` over all, by source and by language, and the round trip."""
    return [
        {"name": name, "vocab_size": tokenizer.get_vocab_size(), **_measured(tokenizer, documents)}
        for name, tokenizer in tokenizers.items()
    ]


def _measured(tokenizer: Tokenizer, documents: Sequence[Document]) -> dict[str, Any]:
    sources: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    spoken: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    lossless = 0
    for call in (documents[at : at + TOGETHER] for at in range(0, len(documents), TOGETHER)):
        encodings = tokenizer.encode_batch_fast([document.text for document in call], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        decoded = tokenizer.decode_batch(ids, skip_special_tokens=False)
        for document, row, again in zip(call, ids, decoded, strict=True):
            numbers = counted(document.text, document.language, size=document.size, tokens=len(row))
            sources[document.source].append(numbers)
            spoken[document.language or UNKNOWN].append(numbers)
            lossless += again == document.text
    return {
        "all": rates(numbers for rows in sources.values() for numbers in rows),
        "sources": {name: rates(rows) for name, rows in sorted(sources.items())},
        "languages": {name: rates(rows) for name, rows in sorted(spoken.items())},
        "lossless": lossless,
    }
