"""What the bits per byte of a model are to be compared with, on the same held-out text.

A compressor is a language model (Delétang et al. 2023, arXiv 2309.10668): its output, in bits per byte of input,
is a figure of the same kind. ``xz`` alone has learnt nothing before; ``xz`` with the training text in front of the
held-out text has seen what the model was trained on.
"""

from __future__ import annotations

import lzma
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pretraining.evaluation.documents import BATCH, Document
from pretraining.tokenization.documents import texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TRAINING_BYTES = 256 * 2**20
"""Most bytes of training text that the yardsticks learn from: xz needs about eleven times as much memory."""

PARALLEL_BYTES = 64 * 2**20
"""Up to this much text the compressions run at the same time; beyond, one after the other, to save memory."""

BLOCK = 2**20

Yardstick = dict[str, Any]
"""``{"name", "bits_per_byte", "note"}``."""


def yardsticks(
    corpus_folder: Path, held_out: Sequence[str], documents: Sequence[Document], tokenizer: PreTrainedTokenizerBase
) -> list[Yardstick]:
    """Uniform, unigram, ``xz`` alone and ``xz`` after the training text, highest bits per byte expected first.

    Args:
        corpus_folder: the folder with the training text.
        held_out: the held-out texts.
        documents: the same texts, tokenized.
    """
    size = sum(len(text.encode()) for text in held_out)
    training, shortened = _last_texts(texts(corpus_folder, "train"), TRAINING_BYTES)
    cut = f"the last {TRAINING_BYTES // 2**20} MiB of the training text" if shortened else "the training text"
    alone, after = xz_bytes("\n".join(held_out).encode(), "".join(f"{text}\n" for text in training).encode())
    unigram = unigram_nll(documents, token_counts(training, tokenizer)) / math.log(2)
    scored = sum(document.bytes for document in documents)
    return [
        _yardstick("uniform", 8.0, "every byte as likely as any other"),
        _yardstick("unigram", unigram / scored, f"frequencies of the tokens in {cut}, add-one smoothing"),
        _yardstick("xz -9e", 8 * alone / size, "the held-out text alone"),
        _yardstick("xz -9e after training text", 8 * after / size, f"what the held-out text adds to {cut}"),
    ]


def xz_bytes(held_out: bytes, training: bytes) -> tuple[int, int]:
    """Size of ``held_out`` compressed alone, and what it adds to the compressed size of ``training``.

    The dictionary of the second covers all of the text, so that nothing of the training text is forgotten.
    """
    preset = 9 | lzma.PRESET_EXTREME
    covering = {"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": max(4096, len(training) + len(held_out))}
    stop = threading.Event()
    workers = 3 if len(training) + len(held_out) <= PARALLEL_BYTES else 1
    with ThreadPoolExecutor(workers) as pool:  # lzma lets go of the interpreter lock
        try:
            both = pool.submit(_compressed_size, [training, held_out], [covering], stop)
            before = pool.submit(_compressed_size, [training], [covering], stop)
            alone = pool.submit(_compressed_size, [held_out], [{"id": lzma.FILTER_LZMA2, "preset": preset}], stop)
            return alone.result(), both.result() - before.result()
        finally:
            stop.set()  # so that Ctrl-C does not wait for minutes of compression


def _compressed_size(parts: Iterable[bytes], filters: list[dict[str, Any]], stop: threading.Event) -> int:
    compressor = lzma.LZMACompressor(format=lzma.FORMAT_XZ, filters=filters)
    size = 0
    for block in _blocks(parts):
        if stop.is_set():
            return size
        size += len(compressor.compress(block))
    return size + len(compressor.flush())


def _blocks(parts: Iterable[bytes]) -> Iterator[memoryview]:
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), BLOCK):
            yield view[start : start + BLOCK]


def token_counts(training: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> np.ndarray[Any, np.dtype[np.int64]]:
    """How often each token of the vocabulary occurs in ``training``: int64, one a token."""
    counts = np.zeros(len(tokenizer), np.int64)
    for start in range(0, len(training), BATCH):
        batch = list(training[start : start + BATCH])
        encoded = tokenizer(batch, add_special_tokens=False, return_attention_mask=False, verbose=False)
        for ids in encoded["input_ids"]:
            counts += np.bincount(np.array(ids, np.int64), minlength=len(counts))
    return counts


def unigram_nll(documents: Sequence[Document], counts: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """-log p of the scored tokens, in nats, where p(token) = (count + 1) / (total + vocabulary)."""
    log_p = np.log(counts + 1) - math.log(int(counts.sum()) + len(counts))
    return -math.fsum(float(log_p[document.ids[1:]].sum()) for document in documents)


def _last_texts(found: Iterable[str], most: int) -> tuple[list[str], bool]:
    """The last texts that together have at most ``most`` bytes, and whether any were left out."""
    kept: deque[tuple[str, int]] = deque()
    size, shortened = 0, False
    for text in found:
        kept.append((text, len(text.encode())))
        size += kept[-1][1]
        while size > most and kept:
            size -= kept.popleft()[1]
            shortened = True
    return [text for text, _ in kept], shortened


def _yardstick(name: str, bits_per_byte: float, note: str) -> Yardstick:
    return {"name": name, "bits_per_byte": bits_per_byte, "note": note}
