"""The unigram language model of Kudo (2018, arXiv:1804.10959), trained as SentencePiece does it.

Begin with all frequent substrings; fit their probabilities by EM; drop those without which the text is hardly less
likely; repeat until the vocabulary has its size.

Why not the trainer of ``tokenizers`` 0.23: with the same text it gives other scores in every process, because it goes
through a hash table in the order of its random keys. It also finds its first pieces without regard to how often a word
is there: of 8,000 pieces for American speeches, held-out text takes a fifth more tokens than with these (the benchmark
``tokenizer_training`` has both). The words are counted by ``tokenizers``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pretraining.corpus.removed import id_hash
from pretraining.tokenization.alphabet import Alphabet, code_points
from pretraining.tokenization.bpe import BYTES, with_components, with_special_tokens
from pretraining.tokenization.components import normalization, normalizing
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.lattice import Floats, Ints, Lattice, Small, Strings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST_WORD = 32
"""A longer word is cut: the probabilities of its ways are products, which must not leave the range of a float."""
MAX_CHARACTERS = 12_000_000
"""Of all different words together; the rarest beyond it are left out. Training takes some 150 bytes for each."""
SEEDS_PER_PIECE = 20
"""Pieces to begin with, for each that is wanted. SentencePiece begins with a million whatever is wanted; with twenty
times 8,000 the text in English, Chinese and code takes as many tokens, within 0.2 %, in half the time."""
SUB_ITERATIONS = 2
SHRINKING_FACTOR = 0.75
LEAST_EXPECTED = 0.5
"""As in SentencePiece: EM steps before each pruning, share that stays, least expected count of a piece."""
DECIMALS = 9
"""Scores are rounded, so that the last bits of a logarithm, which may differ by processor, change nothing."""


def train_unigram(
    section: TokenizerSection, specials: list[str], alphabet: Alphabet, texts: Iterable[str], *, progress: bool
) -> Tokenizer:
    """A unigram tokenizer: the special tokens, the bytes where there is a fallback, then pieces by their scores."""
    from tokenizers import models

    words = count_words(section, alphabet.restricted(texts, normalizing(normalization(section))), progress=progress)
    first = [*specials, *(BYTES if section.byte_fallback else [])]
    size = (section.target_size or 0) - len(first)
    pieces = fit_pieces(words, size=size, max_piece_length=section.max_token_length or 16)
    unigram = models.Unigram(
        [*((token, 0.0) for token in first), *pieces],
        unk_id=None if section.unk_token is None else first.index(section.unk_token),
        byte_fallback=section.byte_fallback,
    )
    return with_special_tokens(with_components(section, unigram), specials)


def count_words(section: TokenizerSection, texts: Iterable[str], *, progress: bool = False) -> dict[str, int]:
    """How often each word of the pre-tokenizer is in the normalized texts: a trainer of ``tokenizers`` counts."""
    from tokenizers import models, trainers

    trainer = trainers.WordLevelTrainer(vocab_size=1, show_progress=progress)
    with_components(section, models.WordLevel(), normalized=True).train_from_iterator(texts, trainer)
    counted: dict[str, int] = json.loads(trainer.__getstate__())["WordLevelTrainer"]["words"]
    return counted


def fit_pieces(words: Mapping[str, int], *, size: int, max_piece_length: int = 16) -> list[tuple[str, float]]:
    """(piece, log-probability), best first: every character, and the other pieces that fit into ``size``.

    Args:
        words: how often each word was seen.
        size: pieces that are wanted; there are fewer where the words have no more frequent substrings.
    """
    if not words:
        return []
    strings, counts, characters = as_strings(words)
    pieces, share = seed_pieces(strings, counts, len(characters), max_piece_length, limit=SEEDS_PER_PIECE * size)
    scores = np.log(share / share.sum())
    lattice = Lattice(strings, pieces, len(characters))
    enough = max(size * 11 // 10, len(characters))
    while True:
        for _ in range(SUB_ITERATIONS):
            expected = lattice.expected(_weights(scores, pieces), counts)
            kept = expected >= LEAST_EXPECTED
            kept[: len(characters)] = True
            scores = em_scores(np.maximum(expected, LEAST_EXPECTED)[kept])
            pieces = _keep(kept, pieces, lattice)
        if len(scores) <= enough:
            return _finished(pieces, scores, characters, size)
        size_now = max(enough, int(len(scores) * SHRINKING_FACTOR))
        kept = most_useful(lattice, pieces, scores, counts, alphabet=len(characters), size=size_now)
        scores, pieces = scores[kept], _keep(kept, pieces, lattice)


def as_strings(words: Mapping[str, int]) -> tuple[Strings, Floats, str]:
    """(words by length, longest first, as numbers of characters; their counts; the characters in the order of their
    numbers), the most frequent words up to ``MAX_CHARACTERS``."""
    cut: Counter[str] = Counter()
    for word, count in words.items():
        for begin in range(0, len(word), LONGEST_WORD):
            cut[word[begin : begin + LONGEST_WORD]] += count
    used = list(cut)
    if sum(map(len, used)) > MAX_CHARACTERS:
        used.sort(key=lambda word: (-cut[word], id_hash(word)))  # of equally frequent words the hash decides
        ends = np.cumsum([len(word) for word in used])
        used = used[: int(np.searchsorted(ends, MAX_CHARACTERS, side="right"))]
    used = sorted(sorted(used), key=len, reverse=True)
    lengths = np.array([len(word) for word in used], np.int64)
    points, codes = np.unique(code_points("".join(used)), return_inverse=True)
    counts = np.array([cut[word] for word in used], np.float64)
    strings = Strings(codes.astype(np.int32), np.cumsum(lengths) - lengths, lengths)
    return strings, counts, "".join(map(chr, points))


def seed_pieces(
    words: Strings, counts: Floats, alphabet: int, max_length: int, *, limit: int
) -> tuple[Strings, Floats]:
    """The characters, then the substrings with the most characters in all; and of each, frequency times length.

    Only substrings that are seen twice and not always followed by the same character (the inner nodes of a suffix
    tree): "nstitutio" says no more than "nstitution".
    """
    owner = words.owners()
    ends = np.repeat((words.begins + words.lengths).astype(np.int32), words.lengths)
    place, number = np.arange(len(words.codes), dtype=np.int32), words.codes.astype(np.int64)
    _, first = np.unique(words.codes, return_index=True)
    found: list[tuple[Ints, Ints, Floats]] = []  # of each length: where one begins, its length, its frequency
    for length in range(2, max_length + 2):
        inside = place + length <= ends[place]
        place, number = place[inside], number[inside]
        key = number * alphabet + words.codes[place + length - 1]
        keys, begins, number = np.unique(key, return_index=True, return_inverse=True)
        frequency: Floats = _totals(number, counts[owner[place]], len(keys))
        if found and len(keys):
            found[-1] = _branching(found[-1], keys // alphabet, frequency)
        frequent = frequency >= 2
        found.append((place[begins[frequent]], np.full(int(frequent.sum()), length), frequency[frequent]))
        stays = frequent[number]
        place, number = place[stays], (np.cumsum(frequent) - 1)[number[stays]]
    begin, size, frequency = (np.concatenate(arrays) for arrays in zip(*found[:-1], strict=True))
    best = np.argsort(-frequency * size, kind="stable")[:limit]
    begin, length_of = np.concatenate([first, begin[best]]), np.concatenate([np.ones(alphabet, np.int64), size[best]])
    single = _totals(words.codes, counts[owner], alphabet)
    pieces = Strings(words.codes, begin, length_of).take(np.arange(len(begin)))
    return pieces, np.concatenate([single, (frequency * size)[best]])


def _branching(found: tuple[Ints, Ints, Floats], parent: Ints, frequency: Floats) -> tuple[Ints, Ints, Floats]:
    """Those of ``found`` that are more frequent than each of their continuations, which are sorted by ``parent``."""
    groups = np.flatnonzero(np.diff(parent, prepend=-1))
    longest = np.zeros(len(found[2]))
    longest[parent[groups]] = np.maximum.reduceat(frequency, groups)
    more = found[2] > longest
    return found[0][more], found[1][more], found[2][more]


def em_scores(expected: Floats) -> Floats:
    """Log-probabilities from expected counts, with the digamma function in place of the logarithm: a sparse prior
    (Liang and Klein 2007, tutorial "Structured Bayesian nonparametric models with variational inference")."""
    return np.round(digamma(expected) - digamma(np.array([expected.sum()])), DECIMALS)


def digamma(x: Floats) -> Floats:
    """The derivative of log gamma for x > 0: recurrence up to 7, then the asymptotic series around x - 1/2."""
    result = np.zeros(len(x))
    x = x.astype(np.float64)
    while (small := x < 7.0).any():
        result[small] -= 1.0 / x[small]
        x = np.where(small, x + 1.0, x)
    x = x - 0.5
    square = 1.0 / (x * x)
    series = square * (1 / 24 - square * (7 / 960 - square * (31 / 8064 - square * 127 / 30720)))
    return result + np.log(x) + series


def most_useful(
    lattice: Lattice, pieces: Strings, scores: Floats, counts: Floats, *, alphabet: int, size: int
) -> npt.NDArray[np.bool_]:
    """The ``size`` pieces whose loss would cost the most likelihood, all characters among them; bool [pieces].

    The loss is estimated by putting the best other way to write a piece in its place wherever it is used (Kudo 2018,
    section 3.2).
    """
    used = np.zeros(len(scores))
    for word, piece in lattice.best_paths(scores):
        used += _totals(piece, counts[word], len(scores))
    order = np.argsort(-pieces.lengths, kind="stable")
    order = order[pieces.lengths[order] > 1]
    instead = Lattice(pieces.take(order), pieces, alphabet, proper=True)
    parts, joint = np.zeros(len(scores)), np.zeros(len(scores))
    own = np.maximum(used, 1e-300)
    for word, piece in instead.best_paths(scores):
        parts[order[word]] += 1
        joint[order[word]] += np.log(used[piece] + own[order[word]])
    total = used.sum()
    after = joint - parts * np.log(total + used * np.maximum(parts - 1, 0))
    loss = used * (np.log(own / total) - after)
    loss[used == 0] = -np.inf
    loss[:alphabet] = np.inf
    kept: npt.NDArray[np.bool_] = loss > -np.inf
    kept[np.argsort(-loss, kind="stable")[size:]] = False
    return kept


def _totals(keys: Ints | Small, amounts: Floats, size: int) -> Floats:
    """The sum of the amounts for each key below ``size``."""
    return np.bincount(keys, weights=amounts, minlength=size).astype(np.float64)


def _weights(scores: Floats, pieces: Strings) -> Floats:
    """Probabilities of the pieces, each divided by the root of the product of its characters' probabilities.

    In a sum over the ways to write a word the divisor is the same for all of them. It keeps the sums within the range
    of a float: without it a word of 32 rare characters would have the probability 0.
    """
    characters = np.add.reduceat(scores[pieces.codes], pieces.begins)
    return np.exp(scores - characters / 2)


def _keep(kept: npt.NDArray[np.bool_], pieces: Strings, lattice: Lattice) -> Strings:
    if kept.all():
        return pieces
    lattice.keep(kept)
    return pieces.take(np.flatnonzero(kept))


def _finished(pieces: Strings, scores: Floats, characters: str, size: int) -> list[tuple[str, float]]:
    texts = [
        "".join(characters[code] for code in pieces.codes[begin : begin + length])
        for begin, length in zip(pieces.begins.tolist(), pieces.lengths.tolist(), strict=True)
    ]
    ranked = sorted(zip(texts, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    room = size - len(characters)
    longer = [pair for pair in ranked if len(pair[0]) > 1][: max(0, room)]
    return sorted([*(pair for pair in ranked if len(pair[0]) == 1), *longer], key=lambda pair: (-pair[1], pair[0]))
