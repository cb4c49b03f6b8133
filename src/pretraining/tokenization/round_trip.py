"""Does every document come back? Exact, and fast where a tokenizer's tokens are strings of bytes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pretraining.tokenization.encoding import Encoded, id_space
from pretraining.tokenization.special import frame

if TYPE_CHECKING:
    import pyarrow as pa

AROUND = 24
"""Characters of an example before and after the first that differs."""


class RoundTrip:
    """Compares documents with what their tokens decode to.

    Decoding every document again takes a quarter of the time of encoding. The tokens of a byte-level tokenizer, and
    of one that marks the beginnings of words and falls back to bytes, are byte strings; where those of a document put
    together are its text, it comes back (a text is valid UTF-8, so nothing of it is lost on the way). Only the other
    documents are decoded, to see what came of them.

    Args:
        tokenizer: a ``PreTrainedTokenizerFast``; the decoding is that of its backend, without cleaning up.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._begin = int(frame(tokenizer)[0] is not None)
        self._unknown: int | None = tokenizer.unk_token_id
        self._strings = byte_strings(tokenizer)

    def losses(self, texts: pa.StringArray, encoded: Encoded) -> Iterator[tuple[int, str, str, str]]:
        """(number, ``kind_of_loss``, text, what came back) of each document that does not come back."""
        doubtful = list(range(len(texts))) if self._strings is None else _doubtful(self._strings, texts, encoded)
        ids = [encoded.values[slice(*encoded.offsets[i : i + 2])][self._begin : -1].tolist() for i in doubtful]
        decoded = self._backend.decode_batch(ids, skip_special_tokens=False)
        for number, row, again in zip(doubtful, ids, decoded, strict=True):
            text = texts[number].as_py()
            if again != text:
                yield number, kind_of_loss(text, again, unknown=self._unknown in row), text, again


def _doubtful(strings: ByteStrings, texts: pa.StringArray, encoded: Encoded) -> list[int]:
    """Numbers of the documents whose tokens put together are not their text."""
    import pyarrow as pa

    found, bounds = _buffers(strings.table.take(pa.array(encoded.values)))
    given, own = _buffers(texts)
    numbers = []
    for i, (begin, end) in enumerate(pairwise(bounds[encoded.offsets].tolist())):
        again = found[begin:end].removeprefix(b" " if strings.strip else b"")
        if again != given[own[i] : own[i + 1]] or any(each in again for each in strings.replaced):
            numbers.append(i)
    return numbers


def _buffers(array: Any) -> tuple[bytes, npt.NDArray[np.int64]]:
    """(all its bytes, where each element begins and the last one ends) of a string or binary array."""
    _, offsets, content = array.buffers()
    bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    if content is None or not len(array):
        return b"", bounds
    return content.slice(int(bounds[0]), int(bounds[-1] - bounds[0])).to_pybytes(), bounds - bounds[0]


@dataclass(frozen=True)
class ByteStrings:
    """What decoding does where it is no more than putting byte strings together."""

    table: pa.BinaryArray
    """The bytes of each token; none for the tokens of the frame."""
    strip: bool
    """A blank at the beginning is taken away afterwards."""
    replaced: tuple[bytes, ...]
    """Where these are found, more is done."""


def byte_strings(tokenizer: Any) -> ByteStrings | None:
    """The byte strings of a tokenizer; None where decoding is something else (WordPiece)."""
    import pyarrow as pa

    decoder = tokenizer.backend_tokenizer.decoder
    state = {} if decoder is None else json.loads(decoder.__getstate__())
    steps = state.get("decoders", [state] if state else [])
    kinds = [step["type"] for step in steps]
    blank = steps[0].get("replacement", "\u2581") if steps else ""
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    replaced: list[str] = []
    function: Callable[[str], bytes]
    if kinds == ["ByteLevel"]:
        function, stripped = _byte_level, False
    elif kinds == ["Metaspace"]:
        function, stripped = _with_blanks(blank), steps[0]["prepend_scheme"] != "never"
    elif "Fuse" in kinds and steps[0] == {"type": "Replace", "pattern": {"String": blank}, "content": " "}:
        fuse = kinds.index("Fuse")
        stripped = steps[-1:] == strip
        after = steps[fuse + 1 : len(steps) - stripped]
        if kinds[1:fuse] not in ([], ["ByteFallback"]) or any(step["type"] != "Replace" for step in after):
            return None
        replaced = [step["pattern"].get("String", "") for step in after]
        function = _with_blanks(blank, byte_fallback="ByteFallback" in kinds)
    else:
        return None
    table = [b""] * id_space(tokenizer)
    for token, number in tokenizer.get_vocab().items():
        table[number] = function(token)
    for number in frame(tokenizer):
        if number is not None:
            table[number] = b""
    return ByteStrings(pa.array(table, pa.binary()), stripped, tuple(each.encode() for each in replaced))


def _with_blanks(blank: str, *, byte_fallback: bool = False) -> Callable[[str], bytes]:
    def function(token: str) -> bytes:
        return (_byte_token(token) if byte_fallback else None) or token.replace(blank, " ").encode()

    return function


def _byte_token(token: str) -> bytes | None:
    """``<0x0A>`` -> a line feed; None for any other token."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return bytes([int(token[3:5], 16)])
        except ValueError:
            return None
    return None


def _byte_level(token: str) -> bytes:
    """The bytes that GPT-2 writes as visible characters; a token with others (an added one) is itself."""
    try:
        return bytes(map(_BYTES.__getitem__, token))
    except KeyError:
        return token.encode()


_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_BYTES = {chr(byte): byte for byte in _VISIBLE} | {
    chr(0x100 + number): byte for number, byte in enumerate(b for b in range(256) if b not in set(_VISIBLE))
}
"""GPT-2's characters for the 256 bytes: visible ones of Latin-1 stand for themselves, the others follow U+0100."""
_CHARACTERS = {byte: character for character, byte in _BYTES.items()}


def visible(token: bytes) -> str:
    """A token of bytes as byte-level tokenizers write it."""
    return "".join(map(_CHARACTERS.__getitem__, token))


def around_difference(text: str, again: str, kind: str) -> tuple[str, str]:
    """What stands around the first difference, in both: of white space, of case, or else of more than these."""
    case = kind == "case"
    pairs = zip(_visible_places(text), _visible_places(again), strict=False)
    places = next(((i, j) for (i, a), (j, b) in pairs if a != b and (case or a.casefold() != b.casefold())), None)
    if places is None:
        same = next(
            (i for i, (a, b) in enumerate(zip(text, again, strict=False)) if a != b), min(len(text), len(again))
        )
        places = same, same
    here, there = (slice(max(0, place - AROUND), place + AROUND) for place in places)
    return text[here], again[there]


def _visible_places(text: str) -> Iterator[tuple[int, str]]:
    return ((place, character) for place, character in enumerate(text) if not character.isspace())


def kind_of_loss(text: str, again: str, *, unknown: bool) -> str:
    """Why a text does not come back, as the least that would have to be overlooked.

    ``white_space``, ``case`` (and white space), ``unicode`` (compatibility forms, accents; and the former),
    ``unknown`` (there are tokens of the unknown), or ``other``.
    """
    if unknown:
        return "unknown"
    for kind, plain in (("white_space", _squeezed), ("case", _folded), ("unicode", _bare)):
        if plain(text) == plain(again):
            return kind
    return "other"


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _folded(text: str) -> str:
    return _squeezed(text).casefold()


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return _folded("".join(c for c in decomposed if not unicodedata.combining(c) and unicodedata.category(c) != "Cc"))
