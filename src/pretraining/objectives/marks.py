"""Tokens that an objective finds by name: sentinels, modes, starts and ends of spans, ends of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pretraining.errors import DataError
from pretraining.objectives.rows import Integers
from pretraining.objectives.vocabulary import Vocabulary


def token_ids(tokenizer: Any, names: Sequence[str], *, remedy: str) -> Integers:
    """The ids of single tokens, looked up by name: int64 (len(names),).

    Never by arithmetic: whatever was added to the vocabulary after the sentinels would be taken for one.

    Raises:
        DataError: the tokenizer lacks one of them; ``remedy`` says what to do.
    """
    ids = tokenizer.convert_tokens_to_ids(list(names))
    unknown = getattr(tokenizer, "unk_token", None)
    lacking = [
        name
        for name, number in zip(names, ids, strict=True)
        if number is None or (number == tokenizer.unk_token_id and name != unknown)
    ]
    if lacking:
        count = f"{len(lacking)} of the {len(names)} tokens" if len(names) > 1 else "the token"
        raise DataError(f"the tokenizer lacks {count} that the objective needs, {lacking[0]!r} first; {remedy}")
    return np.array(ids, np.int64)


def sentence_end_ids(tokenizer: Any, vocabulary: Vocabulary, marks: Sequence[str]) -> Integers:
    """The ids of all tokens that end with one of ``marks``, such as ``.`` and ``Ġ.`` and ``).`` for a full stop.

    Raises:
        DataError: no token of the vocabulary does.
    """
    # How the vocabulary writes a mark: a line break is Ċ in byte-level vocabularies, 。 is ãĢĤ.
    forms = {
        "".join(tokenizer.convert_ids_to_tokens(tokenizer.encode(mark, add_special_tokens=False))) for mark in marks
    }
    endings = tuple(form for form in (form.lstrip("▁Ġ").removeprefix("##") for form in forms) if form)
    ids = [number for token, number in tokenizer.get_vocab().items() if endings and token.endswith(endings)]
    found = np.sort(np.array([number for number in ids if not vocabulary.special[number]], np.int64))
    if not len(found):
        raise DataError(
            f"no token of the tokenizer ends with any of {', '.join(map(repr, marks))}, so sentences cannot be told; "
            "give other marks in objective.sentence_ends"
        )
    return found
