"""Documents to framed token ids, on all cores, in order, with little memory however long a document is.

``tokenizers`` encodes the texts of a call in parallel threads without Python's lock. Two calls are always under way,
so that no core waits for the longest text of a call, nor for what Python does with the ids of the one before.
"""

from __future__ import annotations

import json
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.tokenization.cuts import parts, safe_cut
from pretraining.tokenization.special import frame

CALL_CHARACTERS = 2_000_000
"""Of one call of ``tokenizers``: its result takes 200 bytes a token, so a call holds about 100 MB."""
CALLS = 2


@dataclass(frozen=True)
class Encoded:
    """Token ids of a batch of documents: document ``i`` is ``values[offsets[i]:offsets[i + 1]]``, with its frame."""

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]


def smallest_unsigned(vocab_size: int) -> np.dtype[Any]:
    """uint8, uint16 or uint32: the smallest type that holds the ids ``0 .. vocab_size - 1``."""
    return np.min_scalar_type(vocab_size - 1)


def id_space(tokenizer: Any) -> int:
    """One more than the highest id; more than ``len(tokenizer)`` where ids are left out."""
    return 1 + max(map(int, tokenizer.get_vocab().values()))


class Encoder:
    """Encodes documents as ``[open] tokens end`` (``special.frame``), each of the two exactly once.

    A document may quote the *text* of a special token; it stays text, or it would end the document there.

    Args:
        tokenizer: a ``PreTrainedTokenizerFast``.
    """

    def __init__(self, tokenizer: Any) -> None:
        from tokenizers import Tokenizer

        self.opens, self.ends = frame(tokenizer)
        self.dtype = smallest_unsigned(id_space(tokenizer))
        self.serialized: str = tokenizer.backend_tokenizer.to_str()
        state = without_special_tokens(json.loads(self.serialized))
        self._cut = safe_cut(state)
        self._backend = Tokenizer.from_str(json.dumps(state))
        self._backend.encode_special_tokens = True
        self._backend.no_truncation()
        self._backend.no_padding()

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encode documents in parallel; the same texts give the same ids however they are put into batches."""
        flat, counts = array("I"), np.zeros(len(texts), np.int64)
        for call in _calls((number, part) for number, text in enumerate(texts) for part in parts(text, self._cut)):
            encodings = self._backend.encode_batch_fast([part for _, part in call], add_special_tokens=False)
            for (number, _), encoding in zip(call, encodings, strict=True):
                ids = encoding.ids
                counts[number] += len(ids)
                flat.extend(ids)
        return self._framed(np.array(flat, self.dtype), counts)

    def _framed(self, ids: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> Encoded:
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts + 1 + (self.opens is not None), out=offsets[1:])
        values, inside = np.empty(offsets[-1], self.dtype), np.ones(offsets[-1], bool)
        for places, token in ((offsets[1:] - 1, self.ends), (offsets[:-1], self.opens)):
            if token is not None:
                values[places], inside[places] = token, False
        values[inside] = ids
        return Encoded(values, offsets)


def encoded_in_order(encoder: Encoder, batches: Iterable[tuple[Any, list[str]]]) -> Iterator[tuple[Any, Encoded]]:
    """(key, encoded texts) for every (key, texts), in order; ``CALLS`` batches are being encoded at any time."""
    waiting: deque[tuple[Any, Future[Encoded]]] = deque()
    pool = ThreadPoolExecutor(CALLS)
    try:
        for key, texts in batches:
            waiting.append((key, pool.submit(encoder.encode, texts)))
            if len(waiting) > CALLS:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _calls(numbered: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """The parts in groups of about ``CALL_CHARACTERS``."""
    call: list[tuple[int, str]] = []
    size = 0
    for number, part in numbered:
        call.append((number, part))
        size += len(part)
        if size >= CALL_CHARACTERS:
            yield call
            call, size = [], 0
    if call:
        yield call


def without_special_tokens(state: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer (its JSON) in which no text becomes a special token: they keep their ids, but lose their names.

    ``encode_special_tokens`` alone does not do: a unigram model has them among its pieces, and would use them.
    The token of the unknown keeps its name, because models ask for it.
    """
    model = state["model"]
    special = {token["content"] for token in state["added_tokens"] if token["special"]} - {model.get("unk_token")}
    # A token that merges are made of or make is an ordinary one too.
    special -= {name for pair in model.get("merges", []) for name in (*pair, "".join(pair))}
    # U+10FFFF is no character, and never will be one.
    nameless = {name: f"\U0010ffff{number}\U0010ffff" for number, name in enumerate(sorted(special))}
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        vocab = {nameless.get(name, name): number for name, number in vocab.items()}
    else:
        unknown = model.get("unk_id")
        vocab = [
            [name if number == unknown else nameless.get(name, name), score]
            for number, (name, score) in enumerate(vocab)
        ]
    added = [{**token, "content": nameless.get(token["content"], token["content"])} for token in state["added_tokens"]]
    return state | {"model": model | {"vocab": vocab}, "added_tokens": added, "post_processor": None}
