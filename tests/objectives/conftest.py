"""Tokenizers of the kinds that masking tells apart, over the prose of the tests.

The vocabularies are written down, not trained: the trainers of ``tokenizers`` for WordPiece and unigram models do not
give the same one in every process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def as_bert(backend: Any) -> Any:
    """A tokenizer of the ``tokenizers`` library as transformers' with BERT's special tokens."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{f"{token[1:-1].lower()}_token": token for token in SPECIALS},
        clean_up_tokenization_spaces=False,
    )


def parts(prose: list[str], beginning: str, going_on: str) -> list[str]:
    """The first three letters of every word, the rest, and every character, with the marks of both places."""
    words = sorted(set(re.findall(r"\w+|[^\w\s]", " ".join(prose))))
    letters = sorted(set("".join(words)))
    found = [*(beginning + word[:3] for word in words), *(going_on + word[3:] for word in words if len(word) > 3)]
    return list(dict.fromkeys([*found, *(mark + letter for letter in letters for mark in (beginning, going_on))]))


@pytest.fixture(scope="session")
def word_piece(prose: list[str]) -> Any:
    """BERT's kind; words of more than three letters are of two tokens or more."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate([*SPECIALS, *parts(prose, "", "##")])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return as_bert(backend)


@pytest.fixture(scope="session")
def byte_level(prose: list[str]) -> Any:
    """RoBERTa's kind, byte-level BPE, with 400 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(prose, trainer)
    return as_bert(backend)


@pytest.fixture(scope="session")
def metaspace(prose: list[str]) -> Any:
    """ALBERT's and T5's kind, unigram over text with ``▁`` for spaces."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = [(token, -(len(token) ** -1.0)) for token in parts(prose, "▁", "")]
    backend = Tokenizer(models.Unigram([*((token, 0.0) for token in SPECIALS), *pieces], unk_id=1))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return as_bert(backend)


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., Any]:
    """``make_tokenizer("<extra_id_0>", ..., mask_token="<mask>")``: words ``w0 .. w499 . ! 。`` and special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def make(*special: str, words: int = 500, **roles: str) -> Any:
        roles = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"} | roles
        names = dict.fromkeys([*roles.values(), *(f"w{number}" for number in range(words)), ".", "!", "。", *special])
        backend = Tokenizer(
            models.WordLevel({name: number for number, name in enumerate(names)}, unk_token=roles["unk_token"])
        )
        backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        return PreTrainedTokenizerFast(tokenizer_object=backend, extra_special_tokens=list(special), **roles)

    return make


def packed(*pieces: Sequence[int], index: int = 0, epoch: int = 0) -> dict[str, Any]:
    """A sample as the loader makes it."""
    return {
        "input_ids": np.array([token for piece in pieces for token in piece], np.uint16),
        "lengths": np.array([len(piece) for piece in pieces], np.int64),
        "index": index,
        "epoch": epoch,
    }


@pytest.fixture(scope="session")
def pack() -> Callable[..., dict[str, Any]]:
    """``pack(piece, piece, ..., index=0, epoch=0)``: a sample."""
    return packed


@pytest.fixture(scope="session")
def random_sample() -> Callable[..., dict[str, Any]]:
    """``random_sample(size, pieces, index)``: ordinary tokens 10 .. 499 in that many pieces."""

    def make(size: int, pieces: int = 1, index: int = 0) -> dict[str, Any]:
        generator = np.random.default_rng(index)
        cuts = np.sort(generator.choice(np.arange(1, size), pieces - 1, replace=False))
        return packed(*(part.tolist() for part in np.split(generator.integers(10, 500, size), cuts)), index=index)

    return make


@pytest.fixture(scope="session")
def by_document() -> Callable[..., dict[int, list[int]]]:
    """``by_document(values, document_ids)``: the values of one row by the number of their piece, without padding."""

    def split(values: Any, documents: Any) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for value, document in zip(values.tolist(), documents.tolist(), strict=True):
            if document:
                found.setdefault(document, []).append(value)
        return found

    return split


@pytest.fixture(scope="session")
def check_contract() -> Callable[..., None]:
    """``check_contract(make)``: what every collator promises; ``make(**options)`` builds one for rows of 64."""
    import torch

    def check(make: Callable[..., Any]) -> None:
        collator = make()
        size = collator.raw_length(64)
        generator = np.random.default_rng(5)
        ids = generator.integers(10, 500, size)
        ids[8::9] = 503  # a full stop
        samples = [packed(ids.tolist(), index=index) for index in range(3)]
        samples.append(packed(*(generator.integers(10, 500, n).tolist() for n in (7, 1, 12)), index=3))
        samples.append({"input_ids": [11, 12, 13, 14, 15, 16], "index": 4})  # a plain list, and one piece
        samples += [packed([], index=5), packed([11], index=6), packed([0] * 9, index=7), packed([1] * 5, index=8)]
        samples.append(packed(*[[token] for token in range(20, 30)], index=9))
        for sample in samples[:4]:
            sample["input_ids"].flags.writeable = False
        before = [np.array(sample["input_ids"]) for sample in samples]
        batch = collator(samples)
        assert all(np.array_equal(was, sample["input_ids"]) for was, sample in zip(before, samples, strict=True))
        assert all(
            tensor.dtype == (torch.bool if key == "prefix_mask" else torch.int64) for key, tensor in batch.items()
        )
        assert "attention_mask" not in batch
        assert not batch["document_ids"][5].any()  # an empty sample has no text
        batch["input_ids"].fill_(-7)
        assert not any((tensor == -7).any() for key, tensor in batch.items() if key != "input_ids")  # nothing shared

        batch = collator(samples)
        order = [9, 3, 0]
        again = make()([samples[number] for number in order])
        assert all(torch.equal(again[key], tensor[order]) for key, tensor in batch.items())
        for other in (make()([{**sample, "epoch": 1} for sample in samples]), make(seed=1)(samples)):
            assert any(not torch.equal(other[key][0], tensor[0]) for key, tensor in batch.items())

        short = make(pad_to_multiple_of=8)(samples[4:7])
        assert short["input_ids"].shape[1] in (8, 16, 24)
        assert all(torch.equal(tensor, batch[key][4:7, : tensor.shape[1]]) for key, tensor in short.items())
        with pytest.raises(ValueError, match=f"{size + 1} tokens"):
            collator([packed([11] * (size + 1))])

    return check
