"""Byte-pair encoding with the trainer of ``tokenizers``: byte-level, with metaspace, and as the basis of WordPiece.

The trainer gives the same vocabulary for the same words in any order and with any number of threads, except where it
meets the pieces inside a word (``##a``) for the first time while it reads the words: their order, and with it which
of two equally frequent pairs is merged, would be that of a hash table. They are handed to it beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pretraining.tokenization.alphabet import Alphabet
from pretraining.tokenization.components import decoder, normalization, normalizer, normalizing, pre_tokenizer
from pretraining.tokenization.config import TokenizerSection

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
"""The tokens of a byte, as SentencePiece writes them."""
INSIDE = "##"
"""Begins a piece of WordPiece that does not begin a word."""


def with_components(section: TokenizerSection, model: Any, *, normalized: bool = False) -> Tokenizer:
    """A tokenizer with ``model`` and everything around it but the post-processor.

    Args:
        normalized: for text to which the normalization of the recipe has been done.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer(model)
    if (whole := normalizer(section, normalized=normalized)) is not None:
        tokenizer.normalizer = whole
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer(section), decoder(section)
    return tokenizer


def with_special_tokens(tokenizer: Tokenizer, specials: list[str]) -> Tokenizer:
    """The same tokenizer, in which ``specials``, already in the vocabulary, are found in a text as a whole."""
    from tokenizers import AddedToken

    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    return tokenizer


def train_byte_level(
    section: TokenizerSection, specials: list[str], texts: Iterable[str], *, progress: bool
) -> Tokenizer:
    """BPE on bytes: the special tokens, all 256 bytes, then the merges."""
    from tokenizers import models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = with_components(section, models.BPE())
    _train(section, tokenizer, texts, progress, special_tokens=specials, initial_alphabet=alphabet)
    return tokenizer


def train_metaspace(
    section: TokenizerSection, specials: list[str], alphabet: Alphabet, texts: Iterable[str], *, progress: bool
) -> Tokenizer:
    """BPE on characters: the special tokens, the bytes where there is a fallback, the characters, the merges."""
    from tokenizers import models

    first = [*specials, *(BYTES if section.byte_fallback else [])]
    model = _trained(section, alphabet, texts, progress, special_tokens=first)
    bpe = models.BPE(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        unk_token=section.unk_token,
        fuse_unk=True,
        byte_fallback=section.byte_fallback,
    )
    return with_special_tokens(with_components(section, bpe), specials)


def train_wordpiece(
    section: TokenizerSection, specials: list[str], alphabet: Alphabet, texts: Iterable[str], *, progress: bool
) -> Tokenizer:
    """WordPiece as ``tokenizers`` makes it: the vocabulary of BPE, applied by the longest match from the left."""
    from tokenizers import models

    first = [*specials, *inside_words(section, alphabet)]
    model = _trained(section, alphabet, texts, progress, special_tokens=first, continuing_subword_prefix=INSIDE)
    wordpiece = models.WordPiece(
        vocab=model["vocab"], unk_token=section.unk_token or "[UNK]", continuing_subword_prefix=INSIDE
    )
    return with_special_tokens(with_components(section, wordpiece), specials)


def inside_words(section: TokenizerSection, alphabet: Alphabet) -> list[str]:
    """``##a`` for every character that can stand inside a word; marks and Chinese characters are words themselves."""
    cut, whole = pre_tokenizer(section), normalizing(normalizer(section))
    words = {each: [word for word, _ in cut.pre_tokenize_str(whole(f"1{each}"))] for each in alphabet.characters}
    return [INSIDE + each for each, found in words.items() if len(found) == 1 and found != ["1"]]


def _trained(
    section: TokenizerSection, alphabet: Alphabet, texts: Iterable[str], progress: bool, **trainer: Any
) -> dict[str, Any]:
    """The vocabulary and the merges, as data."""
    from tokenizers import models

    tokenizer = with_components(section, models.BPE(), normalized=True)
    _train(section, tokenizer, alphabet.restricted(texts, normalizing(normalization(section))), progress, **trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    return model


def _train(section: TokenizerSection, tokenizer: Tokenizer, texts: Iterable[str], progress: bool, **more: Any) -> None:
    from tokenizers import trainers

    longest = section.max_token_length
    bpe = trainers.BpeTrainer(
        vocab_size=section.target_size or 0,
        min_frequency=section.min_frequency,
        max_token_length=None if longest is None else longest + 1,  # the trainer's tokens are shorter than its limit
        show_progress=progress,
        **more,
    )
    tokenizer.train_from_iterator(texts, bpe)
