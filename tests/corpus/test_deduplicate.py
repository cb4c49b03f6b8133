from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.deduplicate import (
    DUPLICATE_ID,
    EXACT_DUPLICATE,
    HASHES,
    KEEP,
    decide,
    first_occurrences,
    hash_pair,
)

DOCUMENTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", "x", "y", "国", "z\0"])))


def hashes_of(documents: list[tuple[str, str]]) -> np.ndarray:
    return np.array([(hash_pair(i), hash_pair(text), len(text)) for i, text in documents], dtype=HASHES)


@given(st.lists(st.sampled_from(["", "a", "b", "国", "\0"])))
def test_first_occurrences_are_those_of_a_dictionary(texts: list[str]) -> None:
    hashes = np.array([hash_pair(text) for text in texts], dtype=np.uint64).reshape(-1, 2)
    assert first_occurrences(hashes).tolist() == [texts.index(text) for text in texts]


@given(DOCUMENTS, st.booleans())
def test_decisions_are_those_of_a_plain_loop(documents: list[tuple[str, str]], exact: bool) -> None:
    ids: dict[str, int] = {}
    texts: dict[str, int] = {}
    expected = []
    for i, (identifier, text) in enumerate(documents):
        if identifier in ids:
            expected.append((DUPLICATE_ID, ids[identifier]))
        elif exact and text in texts:
            expected.append((EXACT_DUPLICATE, texts[text]))
        else:
            texts[text] = i
            expected.append((KEEP, i))
        ids.setdefault(identifier, i)
    decisions = decide(hashes_of(documents), exact=exact)
    assert list(zip(decisions.fate.tolist(), decisions.original.tolist(), strict=True)) == expected
