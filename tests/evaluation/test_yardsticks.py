from __future__ import annotations

import lzma
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pretraining.evaluation import yardsticks as room
from pretraining.evaluation.documents import encode
from pretraining.evaluation.yardsticks import token_counts, unigram_nll, xz_bytes, yardsticks


def test_xz_alone_is_the_command_line_xz(speeches: list[str]) -> None:
    text = "\n".join(speeches).encode()
    alone, _ = xz_bytes(text, b"")
    expected = lzma.compress(text, preset=9 | lzma.PRESET_EXTREME)
    assert abs(alone - len(expected)) <= 8


def test_the_dictionary_reaches_back_to_the_first_training_text(monkeypatch: pytest.MonkeyPatch) -> None:
    filters: list[dict[str, int]] = []
    compressor = lzma.LZMACompressor

    def spy(**options: Any) -> lzma.LZMACompressor:
        filters.extend(options["filters"])
        return compressor(**options)

    monkeypatch.setattr(room.lzma, "LZMACompressor", spy)
    noise = random.Random(0)
    far, between = noise.randbytes(4_000), noise.randbytes(400_000)
    alone, after = xz_bytes(far, far + between)
    assert alone > 4_000 and after < 1_000
    assert [f["dict_size"] for f in filters if "dict_size" in f] == [408_000, 408_000]


def test_training_text_helps(corpus: Path, speeches: list[str], tokenizer: Any) -> None:
    found = {y["name"]: y for y in yardsticks(corpus, speeches[10:], encode(tokenizer, speeches[10:]), tokenizer)}
    assert list(found) == ["uniform", "unigram", "xz -9e", "xz -9e after training text"]
    uniform, unigram, alone, after = (y["bits_per_byte"] for y in found.values())
    assert uniform == 8.0 > max(unigram, alone) and after < alone
    assert "the last" not in found["xz -9e after training text"]["note"]


def test_unigram_is_add_one_smoothed(speeches: list[str], tokenizer: Any) -> None:
    training, (document,) = speeches[:2], encode(tokenizer, [speeches[3]])
    seen = Counter(token for text in training for token in tokenizer(text)["input_ids"])
    total = sum(seen.values()) + len(tokenizer)
    expected = -sum(math.log((seen[token] + 1) / total) for token in document.ids[1:].tolist())
    assert unigram_nll([document], token_counts(training, tokenizer)) == pytest.approx(expected)


def test_a_large_training_text_is_shortened_and_the_note_says_so(
    monkeypatch: pytest.MonkeyPatch, corpus: Path, speeches: list[str], tokenizer: Any
) -> None:
    documents = encode(tokenizer, speeches[10:])
    whole = yardsticks(corpus, speeches[10:], documents, tokenizer)
    monkeypatch.setattr(room, "TRAINING_BYTES", 10_000)
    short = yardsticks(corpus, speeches[10:], documents, tokenizer)
    assert short[3]["bits_per_byte"] > whole[3]["bits_per_byte"]
    assert "the last" in short[3]["note"] and "the last" in short[1]["note"]
    kept, shortened = room._last_texts(speeches, 10_000)
    assert shortened and kept == speeches[-len(kept) :] and 0 < sum(len(t.encode()) for t in kept) <= 10_000
