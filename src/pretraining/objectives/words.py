"""Which tokens begin a word, from tables that are made once for each tokenizer.

A word is what whole word masking hides at once. Its first token carries the tokenizer's mark of a beginning (no ``##``
in WordPiece, a space in byte-level BPE, ``▁`` in metaspace vocabularies). Where spaces mark words, it also begins
where letters or digits meet other characters, so that ``Hello,`` is two words as it is for WordPiece; and every token
of a script without spaces is a word, unless a segmenter says more::

    byte-level    Tok ens , Ġworld . Ċ Next      Metaspace   ▁Tok ens , ▁world .      WordPiece   tok ##ens , world .
    begins         1   0  1   1    1 1  1                      1   0  1   1    1                     1    0   1   1   1
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.corpus.scripts import character_script
from pretraining.corpus.text.languages import UNSPACED_SCRIPTS
from pretraining.errors import DataError
from pretraining.objectives.vocabulary import Vocabulary

Mask = npt.NDArray[np.bool_]

JOINS, WORD, OTHER, ALONE, SPACE = range(5)
"""Classes of a token's outer characters: unknown (a word goes on), letters and digits, anything else, what ends a word
whatever follows, and a space by itself, which belongs to what follows."""


class WordStarts:
    """``starts(ids)`` tells which tokens begin a word.

    Args:
        tokenizer: a fast tokenizer of transformers: WordPiece, WordLevel, byte-level or metaspace.
        vocabulary: of the same tokenizer.
        segmenter: ``jieba`` for Chinese words.

    Raises:
        DataError: the tokenizer does not mark words in a known way, or jieba is not installed.
    """

    def __init__(self, tokenizer: Any, vocabulary: Vocabulary, *, segmenter: str | None = None) -> None:
        surfaces, self._by_characters = token_texts(tokenizer, vocabulary)
        edges = np.array([_edges(surface) for surface in surfaces], np.uint8)
        self._begins, self._first, self._last = edges[:, 0].astype(bool), edges[:, 1].copy(), edges[:, 2].copy()
        self._segment = None
        if segmenter is not None:
            from pretraining.objectives.chinese import ChineseWords

            self._segment = ChineseWords(surfaces)

    def __call__(self, ids: npt.NDArray[np.int64]) -> Mask:
        """(B, W): the tokens that begin a word, as far as the ids and their left neighbours tell."""
        starts = self._begins[ids]
        last = self._last[ids][:, :-1] if self._by_characters else None
        if last is not None:
            first = self._first[ids][:, 1:]
            starts[:, 1:] |= (first != last) & (first != JOINS) & (last != JOINS)
        if self._segment is not None:
            self._segment(ids, starts)
        if last is not None:
            starts[:, 1:] &= last != SPACE
        return starts


def token_texts(tokenizer: Any, vocabulary: Vocabulary) -> tuple[list[bytes], bool]:
    """The UTF-8 text of every token id, which may be a part of a character; and whether words also end where letters
    meet other characters.

    A line feed stands for special tokens. WordPiece and WordLevel tokens that begin a word have a space in front,
    except those of scripts without spaces.

    Raises:
        DataError: the tokenizer does not tell.
    """
    read, by_characters = _reader(tokenizer)
    texts = [b"\n"] * len(vocabulary.special)
    for piece, number in tokenizer.get_vocab().items():
        if not vocabulary.special[number]:
            texts[number] = read(piece)
    return texts, by_characters


def _reader(tokenizer: Any) -> tuple[Callable[[str], bytes], bool]:
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    model = type(backend.model).__name__ if backend is not None else ""
    if model == "WordPiece":
        return _word_piece(backend.model.continuing_subword_prefix), False
    if model == "WordLevel":
        return _spaced, False
    parts = b"" if backend is None else b"".join(
        part.__getstate__() for part in (backend.pre_tokenizer, backend.decoder) if part is not None
    )  # fmt: skip
    if b"ByteLevel" in parts:
        return _byte_level(), True
    if "▁".encode() in parts:
        return _metaspace, True
    raise DataError(
        "the text of single tokens cannot be told from this tokenizer, which words and sentences need: it is neither "
        "WordPiece nor WordLevel, byte-level or metaspace of the `tokenizers` library; use unit: token, or a tokenizer "
        "of one of these kinds"
    )


def _spaced(piece: str) -> bytes:
    return piece.encode() if _class(piece[0])[1] else f" {piece}".encode()


def _word_piece(prefix: str) -> Callable[[str], bytes]:
    return lambda piece: piece[len(prefix) :].encode() if piece.startswith(prefix) else _spaced(piece)


def _byte_level() -> Callable[[str], bytes]:
    """GPT-2's characters stand for bytes: printable ones for themselves, the others for those from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    byte_of = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(hidden)}

    def read(piece: str) -> bytes:
        known = all(character in byte_of for character in piece)  # not so in tokens that were added as text
        return bytes(byte_of[character] for character in piece) if known else piece.encode()

    return read


_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def _metaspace(piece: str) -> bytes:
    fallback = _BYTE.fullmatch(piece)
    return bytes([int(fallback[1], 16)]) if fallback else piece.replace("▁", " ").encode()


def _edges(surface: bytes) -> tuple[bool, int, int]:
    """(begins a word by itself, class of the first character, class of the last one).

    Bytes in the middle of a character join what is before them. The first byte of a character is judged by the block
    it leads into: E3..E9 and F0.. are mostly scripts without spaces and signs.
    """
    text = surface.decode("utf-8", "surrogateescape")
    words = text.strip()
    if not words:
        return True, OTHER, SPACE if text.endswith(" ") else ALONE
    first, alone = _class(words[0])
    last = JOINS if "\udc80" <= words[-1] <= "\udcff" else _last(words)
    return text[0].isspace() or alone, first, ALONE if text[-1].isspace() else last


def _class(character: str) -> tuple[int, bool]:
    """(class, is a word by itself) of a first character."""
    if "\udc80" <= character <= "\udcff":
        byte = ord(character) - 0xDC00
        alone = 0xE3 <= byte <= 0xE9 or byte >= 0xF0
        return (JOINS if byte < 0xC0 else WORD if byte < 0xE2 or 0xEA <= byte <= 0xED else OTHER), alone
    if unicodedata.category(character)[0] == "M":
        return JOINS, False
    return WORD if character.isalnum() else OTHER, character_script(character) in UNSPACED_SCRIPTS


def _last(words: str) -> int:
    """The class of the last character that is no mark on another."""
    for character in reversed(words):
        kind, alone = _class(character)
        if kind != JOINS:
            return ALONE if alone else kind
    return JOINS


_SENTENCE_END = re.compile("[.!?…。！？｡][\"'”’)\\]」』）】》]*$")


def ends_sentence(texts: Sequence[bytes]) -> Mask:
    """(V,): the tokens that end with a full stop, question or exclamation mark, and quotes or brackets behind it."""
    decoded = (text.decode("utf-8", "surrogateescape").rstrip() for text in texts)
    return np.array([bool(_SENTENCE_END.search(text)) for text in decoded], bool)
