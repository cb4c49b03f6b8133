"""spaCy's words, exactly, many times as fast: each chunk between white space is tokenized once.

spaCy's tokenizer cuts a text at white space and tokenizes every chunk by itself; datatrove 0.10.1 calls it in a memory
zone, in which it forgets all chunks after every document. Here they are remembered. Only one thing in spaCy looks over
white space: the second pass that puts special cases (``:)``, ``e.g.``) together again may find one that goes from chunk
to chunk (``:``, ``)``); it then changes nothing there, but hides a special case that overlaps it, unless the special
case has a space itself, as ``EE. UU.`` in Spanish, and makes one word of both. Lines in which that
could happen (``_Joints``) are tokenized as a whole, and the few texts that hold the word ``IS_ALPHA``, which spaCy
cannot bear, are left to datatrove.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, chain, combinations, pairwise
from typing import Any

from datatrove.utils.word_tokenizers import SpaCyTokenizer

from pretraining.corpus.text.spacy_parts import LENGTH, ORTH, Tokenizer, Vocab

MAX_CHUNKS = 1 << 16
"""Chunks in each of two generations: the older is dropped when the younger is full. About 0.3 KB a chunk."""
MAX_CHUNK_LENGTH = 64
"""Characters; longer chunks are forgotten after their document, because they hardly come again."""
BATCH = 500
"""Unknown chunks that spaCy is given at a time."""
POISON = "IS_ALPHA"


class SpacyMemo:
    """Words and sentences of the blank pipeline of one language, bit for bit those of datatrove's
    ``SpaCyTokenizer``."""

    def __init__(self, code: str) -> None:
        self.stock = SpaCyTokenizer(code)
        for _ in range(2):  # the first time spaCy lets it pass; from the second on it raises, and datatrove drops it
            self.stock.word_tokenize(POISON)
        self._rules = frozenset(self.stock.tokenizer.tokenizer.rules)
        self._plain_letters = code == "en"
        self._tokenizer, without_rules = _bare(self.stock.tokenizer.tokenizer)
        self._joints = _Joints(self.stock.tokenizer.tokenizer, without_rules)
        spaced = [re.escape(rule) for rule in sorted(self._rules) if not rule.isspace() and len(rule.split(" ")) > 1]
        self._spaced = re.compile("|".join(spaced)) if spaced else None
        self._young: dict[str, tuple[str, ...]] = {}
        self._old: dict[str, tuple[str, ...]] = {}
        self._open: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._long: list[str] = []

    def words(self, text: str) -> list[str]:
        """``SpaCyTokenizer.word_tokenize(text)``: tokens that are not white space."""
        if POISON in text:
            return self.stock.word_tokenize(text)  # type: ignore[no-any-return]
        chunks = text.split()
        if self.learn(chunks):
            return [word for line in text.split("\n") for word in self._words_of_line(line)]
        return list(chain.from_iterable(map(self._young.__getitem__, chunks)))

    def _words_of_line(self, line: str) -> list[str]:
        chunks = line.split()
        if not self.influence(chunks):
            return list(chain.from_iterable(map(self._young.__getitem__, chunks)))
        with self._tokenizer.vocab.memory_zone():
            return [word for token in self._tokenizer(line) if (word := token.text.strip())]

    def tokens(self, chunk: str) -> tuple[str, ...]:
        """Tokens of a chunk that was learnt last."""
        return self._young[chunk]

    def learn(self, chunks: Sequence[str]) -> bool:
        """Tokenize the chunks that are not known; whether neighbours among them may influence each other."""
        different = set(chunks)
        if len(self._young) > MAX_CHUNKS:
            self._forget()
        while self._long:
            self._young.pop(self._long.pop(), None)
        unknown = []
        for chunk in different.difference(self._young):
            tokens = self._old.get(chunk)
            if tokens is not None:
                self._young[chunk] = tokens
            elif self._plain_letters and chunk.isascii() and _plain(chunk) and chunk not in self._rules:
                self._young[chunk] = (chunk,)
            else:
                unknown.append(chunk)
            if len(chunk) > MAX_CHUNK_LENGTH:
                self._long.append(chunk)
        for start in range(0, len(unknown), BATCH):
            self._tokenize(unknown[start : start + BATCH])
        if self._spaced is None and self._open.keys().isdisjoint(different):
            return False
        return self.influence(chunks)

    def _forget(self) -> None:
        self._old, self._young = self._young, {}
        self._open = {chunk: wanted for chunk, wanted in self._open.items() if chunk in self._old}

    def _tokenize(self, chunks: list[str]) -> None:
        """In one call: a line end is a token of its own, over which nothing reaches."""
        text = "\n".join(chunks)
        with self._tokenizer.vocab.memory_zone():
            lengths = self._tokenizer(text).to_array(LENGTH).tolist()
        ends = [0, *accumulate(lengths)]  # without spaces, tokens follow each other
        tokens = [text[start:end] for start, end in pairwise(ends)]
        start = 0
        for chunk in chunks:
            end = tokens.index("\n", start) if chunk is not chunks[-1] else len(tokens)
            found = self._young[chunk] = tuple(tokens[start:end])
            if wanted := self._joints.open(found):
                self._open[chunk] = wanted
            start = end + 1

    def influence(self, chunks: Sequence[str]) -> bool:
        """Whether some of these chunks, learnt before and with single spaces between them, may influence each other."""
        if self._spaced is not None and self._spaced.search(" ".join(chunks)):
            return True
        young, joints, last = self._young, self._joints, len(chunks) - 1
        for i in [i for i, chunk in enumerate(chunks) if chunk in self._open]:
            tokens, (on_left, on_right) = young[chunks[i]], self._open[chunks[i]]
            if i > 0 and (left := young[chunks[i - 1]])[-1] in on_left and joints.meet(left, tokens):
                return True
            if i < last and (right := young[chunks[i + 1]])[0] in on_right and joints.meet(tokens, right):
                return True
        return False


def _plain(chunk: str) -> bool:
    return chunk.isalpha() or chunk.isdigit()


Tokens = tuple[str, ...]


class _Joints:
    """Where special cases of the second pass could reach over white space.

    The pass looks for a special case as a sequence of tokens, its parts, and puts its result there. Whether it did so
    in a chunk (``open``), and whether the parts of one lie on both sides of white space (``meet``), is judged from the
    final tokens, on the safe side: those of the first pass are one of ``_before``.
    """

    def __init__(self, tokenizer: Tokenizer, without_rules: Tokenizer) -> None:
        self._changes: dict[str, list[tuple[Tokens, Tokens]]] = {}
        self._pairs: dict[tuple[str, str], list[tuple[Tokens, Tokens]]] = {}
        for text, tokens in tokenizer.rules.items():
            affixes = tokenizer.find_prefix(text) or tokenizer.find_infix(text) or tokenizer.find_suffix(text)
            if not affixes and " " not in text:
                continue  # found by the first pass alone
            parts = tuple(token.text for token in without_rules(text))
            result = tuple(token[ORTH] for token in tokens)
            if parts != result:
                self._changes.setdefault(result[0], []).append((result, parts))
            for cut in range(1, len(parts)):
                self._pairs.setdefault((parts[cut - 1], parts[cut]), []).append((parts[:cut], parts[cut:]))
        self._on_left: dict[str, set[str]] = {}
        self._on_right: dict[str, set[str]] = {}
        changes = [change for changes in self._changes.values() for change in changes]
        for left, right in self._pairs:
            ends = {left, *(result[-1] for result, parts in changes if parts[-1] == left)}
            self._on_left.setdefault(right, set()).update(ends)
            starts = {right, *(result[0] for result, parts in changes if parts[0] == right)}
            self._on_right.setdefault(left, set()).update(starts)

    def open(self, tokens: Tokens) -> tuple[frozenset[str], frozenset[str]] | None:
        """If the second pass may have changed the chunk: which last token of a chunk on the left, and which first token
        of one on the right, may let a special case cross the white space between them."""
        if self._changes.keys().isdisjoint(tokens) or not any(True for _ in self._changed(tokens)):
            return None
        before = list(self._before(tokens))
        left: set[str] = set().union(*(self._on_left.get(tokens[0], ()) for tokens in before))
        right: set[str] = set().union(*(self._on_right.get(tokens[-1], ()) for tokens in before))
        return (frozenset(left), frozenset(right)) if left or right else None

    def meet(self, left: Tokens, right: Tokens) -> bool:
        """Whether the parts of a special case may lie on both sides of the white space between two chunks."""
        return any(
            _fit(before[::-1], start[::-1]) and _fit(after, end)
            for before in self._before(left)
            for after in self._before(right)
            for start, end in self._pairs.get((before[-1], after[0]), ())
        )

    def _changed(self, tokens: Tokens) -> Iterator[tuple[int, int, Tokens]]:
        """(start, end, parts) of what may be the result of a special case."""
        for start, token in enumerate(tokens):
            for result, parts in self._changes.get(token, ()):
                if tokens[start : start + len(result)] == result:
                    yield start, start + len(result), parts

    def _before(self, tokens: Tokens) -> Iterator[Tokens]:
        """What the chunk's tokens may have been before the second pass: every choice of its changes undone."""
        changed = list(self._changed(tokens))
        for count in range(len(changed) + 1):
            for undone in combinations(changed, count):
                yield _undo(tokens, undone)


def _undo(tokens: Tokens, changes: Sequence[tuple[int, int, Tokens]]) -> Tokens:
    before: list[str] = []
    done = 0
    for start, end, parts in changes:
        before += [*tokens[done:start], *parts]
        done = max(done, end)
    return (*before, *tokens[done:])


def _fit(tokens: Tokens, parts: Tokens) -> bool:
    """Whether the tokens begin with the parts, or the parts with the tokens."""
    length = min(len(tokens), len(parts))
    return tokens[:length] == parts[:length]


def _bare(tokenizer: Tokenizer) -> tuple[Tokenizer, Tokenizer]:
    """The same tokenizer, without attributes of words (shape, numbers, ...), which cost more than the words; and the
    same without special cases."""
    affixes = {
        "prefix_search": _quick(tokenizer.prefix_search),
        "suffix_search": _quick(tokenizer.suffix_search),
        "infix_finditer": _quick(tokenizer.infix_finditer),
        "token_match": tokenizer.token_match,
        "url_match": tokenizer.url_match,
    }
    return Tokenizer(Vocab(), rules=tokenizer.rules, **affixes), Tokenizer(Vocab(), **affixes)


_CLASS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_FOREIGN = re.compile(r"(?<=[^\\]\|)(?:[^\x00-\x7f]|\[\ue000\])+\$?\|")  # an alternative without ASCII characters


def ascii_pattern(pattern: str) -> str:
    """A regular expression that finds the same in ASCII text, and faster: its sets and alternatives are of ASCII
    characters only.

    spaCy's list the letters and symbols of all scripts, and are gone through at every place of a text.
    """

    def members(match: re.Match[str]) -> str:
        if not match[0].startswith("["):
            return match[0]
        of_set = re.compile(match[0])
        found = "".join(chr(code) for code in range(128) if of_set.match(chr(code)))
        return f"[{re.escape(found)}]" if found else "[\ue000]"  # a set must not be empty

    return _FOREIGN.sub("", _CLASS.sub(members, pattern))


def _quick(search: Any) -> Any:
    """The same function, by ``ascii_pattern`` where it can be; ``search`` is a method of a compiled expression."""
    compiled = getattr(search, "__self__", None)
    if not isinstance(compiled, re.Pattern):
        return search
    quick = getattr(re.compile(ascii_pattern(compiled.pattern), compiled.flags), search.__name__)
    return lambda chunk: quick(chunk) if chunk.isascii() else search(chunk)


@cache
def spacy_memo(code: str) -> SpacyMemo:
    """One for each language and process."""
    return SpacyMemo(code)
