"""The sentences of a text: spaCy's rule-based ones, exactly as datatrove 0.10.1 cuts them, and by Chinese
punctuation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain

from datatrove.utils.word_tokenizers import SpaCyTokenizer

from pretraining.corpus.text.languages import spacy_code, unspaced_language
from pretraining.corpus.text.spacy_memo import MAX_CHUNK_LENGTH, MAX_CHUNKS, POISON, SpacyMemo, spacy_memo
from pretraining.corpus.text.spacy_parts import is_punct

Sentences = Callable[[str], list[str]]
_PIECE = re.compile(r"\s+|\S+")
_CHINESE = re.compile(r"[^。！？!?…\n]*[。！？!?…\n]+[”’」』）》】\"')]*|[^。！？!?…\n]+")


def sentence_view(language: str | None, text: str) -> Sentences:
    """How the sentences of a document are found: the function to give to ``Draft.view``.

    The sentences joined are the text.
    """
    if unspaced_language(language, text):
        return chinese_sentences
    return spacy_sentences(spacy_code(language) or "xx")


def chinese_sentences(text: str) -> list[str]:
    """Cut after 。！？… and the closing quotes and brackets that follow, and at line ends."""
    return _CHINESE.findall(text) or [text]


@cache
def spacy_sentences(code: str = "en") -> Sentences:
    """``split_into_sentences`` of datatrove with spaCy's sentencizer; the same object every time."""
    return _cutter(code).split


@cache
def spacy_sentence_counts(code: str = "en") -> Callable[[Sequence[str]], list[int]]:
    """The number of sentences of each of several lines, each line by itself; 1 for an empty one, as in datatrove."""
    return _cutter(code).counts


@cache
def _cutter(code: str) -> _Cutter:
    return _Cutter(spacy_memo(code))


class _Cutter:
    """spaCy's sentencizer on remembered chunks.

    It ends a sentence before the first token that is no punctuation after one that is a full stop. So a chunk is no
    more than a string of ``p`` (a full stop) and ``o`` (no punctuation), and a new sentence begins at every ``po``.
    """

    def __init__(self, memo: SpacyMemo) -> None:
        self._memo = memo
        self._stops: frozenset[str] = frozenset(memo.stock.tokenizer.get_pipe("sentencizer").punct_chars)
        self._codes: dict[str, str] = {}
        self._long: list[str] = []

    def counts(self, lines: Sequence[str]) -> list[int]:
        """Sentences of each line."""
        chunks = [[] if POISON in line else line.split() for line in lines]
        influence = self._learn(list(chain.from_iterable(chunks)))
        return [
            len(_stock_sentences(self._memo.stock, line))
            if POISON in line or (influence and self._memo.influence(words))
            else 1 + self._code(line, words).count("po")
            for line, words in zip(lines, chunks, strict=True)
        ]

    def split(self, text: str) -> list[str]:
        """The sentences, with the white space before them."""
        if POISON in text or self._learn(text.split()):
            return _stock_sentences(self._memo.stock, text)
        starts, end, stop = [0], 0, False
        for match in _PIECE.finditer(text):
            piece = match[0]
            if piece.isspace():
                tokens: tuple[str, ...] = (piece,) if piece != " " or match.start() == 0 else ()
                end = match.end() - len(piece) if tokens else end
            elif not stop and self._codes[piece] == "o":
                end = match.end()
                continue
            else:
                tokens = self._memo.tokens(piece)
            position = match.start()
            for token in tokens:
                kind = self._kind(token)
                if stop and kind == "o":
                    starts.append(end)
                stop = (stop or kind == "p") and kind != "o"
                position += len(token)
                end = position
        return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]

    def _learn(self, chunks: Sequence[str]) -> bool:
        influence = self._memo.learn(chunks)
        if len(self._codes) > MAX_CHUNKS:
            self._codes.clear()
        while self._long:
            self._codes.pop(self._long.pop(), None)
        for chunk in set(chunks).difference(self._codes):
            self._codes[chunk] = "".join(map(self._kind, self._memo.tokens(chunk)))
            if len(chunk) > MAX_CHUNK_LENGTH:
                self._long.append(chunk)
        return influence

    def _kind(self, token: str) -> str:
        return "p" if token in self._stops else "" if is_punct(token) else "o"

    def _code(self, line: str, chunks: Sequence[str]) -> str:
        if " ".join(chunks) == line:
            return "".join(map(self._codes.__getitem__, chunks))
        codes = []
        for match in _PIECE.finditer(line):
            if match[0].isspace():
                codes.append("" if match[0] == " " and match.start() > 0 else "o")  # white space is a token too
            else:
                codes.append(self._codes[match[0]])
        return "".join(codes)


def _stock_sentences(tokenizer: SpaCyTokenizer, text: str) -> list[str]:
    ends = [end for _, end in tokenizer.span_tokenize(text)][:-1]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
