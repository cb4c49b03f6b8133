"""Word n-grams of a document, as hashes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from pretraining.corpus.deduplication.hashing import simplify
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep, SimhashDeduplicationStep
from pretraining.corpus.step import Preparation
from pretraining.corpus.text.words import View, require_jieba, word_view


@cache
def _simplified(view: View) -> Callable[[str], list[str]]:
    """A view: the words of the simplified text. The same object for the same kind of words."""
    return lambda text: view(simplify(text)).words


def shingles(draft: Draft, words: str, n: int, *, precision: int = 64) -> NDArray[np.uint64]:
    """xxhash of every n-gram of words, joined by blanks, in order and with repetitions, [at least 1].

    Those of datatrove 0.10.1's ``MinhashDedupSignature.get_shingles``, which has none for a document of fewer than n
    words; here it is one shingle of all its words, or of its text as it is when it has no word.

    Args:
        draft: the document.
        words: kind of words, as in the sections.
        n: words of a shingle.
        precision: bits of a hash, 32 or 64.
    """
    view = word_view(words, draft.language, draft.text)
    found = draft.view(_simplified(view)) or [draft.text.strip()]
    digest = xxhash.xxh64_intdigest if precision == 64 else xxhash.xxh32_intdigest
    joined = " ".join(found)
    data = joined.encode("utf-8", "surrogatepass")
    if len(data) == len(joined):
        lengths = [len(word) + 1 for word in found]
    else:
        lengths = [len(word.encode("utf-8", "surrogatepass")) + 1 for word in found]
    n = min(n, len(found))
    starts = np.cumsum([0, *lengths])
    grams = map(slice, starts[:-n].tolist(), (starts[n:] - 1).tolist())
    return np.fromiter(map(digest, map(data.__getitem__, grams)), dtype=np.uint64, count=len(found) - n + 1)


def require_words(section: MinhashDeduplicationStep | SimhashDeduplicationStep, preparation: Preparation) -> None:
    """Raises DataError if jieba is not installed and Chinese is known to come."""
    known = [getattr(source, "language", None) for source in preparation.sources.values()]
    require_jieba(section.words, [*known, *(section.languages or [])])
