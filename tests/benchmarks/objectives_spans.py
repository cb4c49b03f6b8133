"""Span and prefix collators, beside plain transcriptions, row by row, of the published algorithms.

T5's mask and sentinels (t5 ``random_spans_noise_mask``), UL2's denoisers, BART's infilling (fairseq
``DenoisingDataset``) and GLM's blanks (``ConstructBlockStrategy``), in NumPy and without isolation of documents. Ours
are measured with one document a row, as the references have it, and packed with four.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from objectives_case import Case
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from pretraining.objectives.blank_infilling import DataCollatorForBlankInfilling
from pretraining.objectives.denoising import DataCollatorForDenoising
from pretraining.objectives.mixture_of_denoisers import DataCollatorForMixtureOfDenoisers
from pretraining.objectives.prefix_lm import DataCollatorForPrefixLM
from pretraining.objectives.span_corruption import DataCollatorForSpanCorruption

ROWS, LENGTH, WORDS = 64, 512, 30_000
MARKS = [f"<extra_id_{n}>" for n in range(100)] + ["[NLU]", "[NLG]", "[S2S]", "[MASK]"]
SPANS = ["<|startofpiece|>", "<|endofpiece|>"]
PAD, EOS, BOS, MASK, STOP = range(5)
RNG = np.random.default_rng(0)
Row = np.ndarray[Any, np.dtype[np.int64]]


def make_tokenizer() -> Any:
    """30,000 words, and the marks of all these objectives."""
    roles = {
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "bos_token": "<s>",
        "mask_token": "<mask>",
        "unk_token": "<unk>",
    }
    names = dict.fromkeys([*list(roles.values())[:4], ".", *(f"w{n}" for n in range(WORDS)), *MARKS, *SPANS, "<unk>"])
    backend = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, extra_special_tokens=MARKS + SPANS, **roles)


def make_samples(size: int, pieces: int) -> list[dict[str, Any]]:
    """Rows of framed documents of equal length, with a full stop every twenty tokens or so."""
    samples = []
    for index in range(ROWS):
        ids = RNG.integers(5, WORDS, size).astype(np.uint16)
        ids[RNG.random(size) < 0.05] = STOP
        lengths = np.full(pieces, size // pieces)
        lengths[-1] += size - lengths.sum()
        ends = np.cumsum(lengths)
        ids[ends - 1], ids[ends - lengths] = EOS, BOS
        samples.append({"input_ids": ids, "lengths": lengths, "index": index, "epoch": 0})
    return samples


def noise_mask(length: int, density: float, mean: float) -> Any:
    """t5 ``random_spans_noise_mask``."""
    noise = min(max(round(length * density), 1), length - 1)
    spans = max(round(noise / mean), 1)

    def segments(items: int) -> Row:
        starts = np.zeros(items, np.int64)
        starts[1:] = RNG.permutation(np.arange(items - 1) < spans - 1)
        return np.bincount(np.cumsum(starts), minlength=spans)

    lengths = np.stack([segments(length - noise), segments(noise)], axis=1).reshape(-1)
    number = np.zeros(length, np.int64)
    number[np.cumsum(lengths)[:-1]] = 1
    return np.cumsum(number) % 2 == 1


def to_sentinels(ids: Row, mask: Any, first: int) -> Row:
    """t5 ``noise_span_to_unique_sentinel``."""
    begins = mask & ~np.concatenate([[False], mask[:-1]])
    marked = np.where(begins, first + 1 - np.cumsum(begins), ids)
    return np.append(marked[~mask | begins], EOS)


def stacked(rows: list[Row], fill: int) -> Row:
    """Rows of different lengths, padded."""
    batch = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for number, row in enumerate(rows):
        batch[number, : len(row)] = row
    return batch


def t5(samples: list[dict[str, Any]], settings: list[tuple[float, float]], first: int) -> tuple[Row, Row]:
    """Span corruption, each row with one of the settings; a mean of 0 is a prefix."""
    inputs, targets = [], []
    for sample in samples:
        ids = sample["input_ids"].astype(np.int64)
        density, mean = settings[int(RNG.integers(len(settings)))]
        if mean:
            mask = noise_mask(len(ids), density, mean)
            inputs.append(to_sentinels(ids, mask, first))
            targets.append(to_sentinels(ids, ~mask, first))
        else:
            split = int(RNG.integers(1, len(ids)))
            inputs.append(np.append(ids[:split], EOS))
            targets.append(np.append(ids[split:], EOS))
    labels = stacked(targets, -100)
    return stacked(inputs, PAD), np.concatenate([np.zeros((len(labels), 1)), labels[:, :-1]], axis=1)


def prefix_lm(samples: list[dict[str, Any]]) -> tuple[Row, Row, Any]:
    """Prefix language modeling for a decoder."""
    rows = stacked([sample["input_ids"] for sample in samples], PAD)
    labels, prefix = rows.copy(), np.zeros(rows.shape, bool)
    for number, sample in enumerate(samples):
        start = 0
        for length in sample["lengths"].tolist():
            split = start + int(RNG.integers(1, length))
            labels[number, start:split], prefix[number, start:split] = -100, True
            start += length
    return rows, labels, prefix


def bart(samples: list[dict[str, Any]], permute: bool) -> tuple[Row, Row]:
    """fairseq's ``add_whole_word_mask`` with Poisson spans, and ``permute_sentences``."""
    sources = []
    poisson = np.array([math.exp(-3) * 3**k / math.factorial(k) for k in range(30)])
    for sample in samples:
        source = sample["input_ids"].astype(np.int64)
        if permute:
            stops = source == STOP
            stops[-2] = True
            ends = np.flatnonzero(stops[1:] & ~stops[:-1]) + 2
            sentences = np.split(source[1:-1], ends[:-1] - 1)
            order = RNG.permutation(len(sentences))
            source = np.concatenate([source[:1], *(sentences[k] for k in order), source[-1:]])
        budget = math.ceil(0.3 * (len(source) - 2))
        lengths = RNG.choice(30, budget, p=poisson / poisson.sum())
        total = np.cumsum(lengths)
        last = int(np.argmax(total >= budget))
        lengths = lengths[: last + 1]
        lengths[last] = budget - (total[last - 1] if last else 0)
        inserts = int((lengths == 0).sum())
        lengths = lengths[lengths > 0]
        starts = RNG.permutation(len(source) - 2)[: len(lengths)] + 1
        keep = np.ones(len(source), bool)
        source[starts] = np.where(RNG.random(len(starts)) < 0.1, RNG.integers(1, WORDS, len(starts)), MASK)
        while len(starts):
            lengths = lengths - 1
            going = (lengths > 0) & (starts < len(source) - 2)
            starts, lengths = starts[going] + 1, lengths[going]
            keep[starts] = False
        sources.append(np.insert(source[keep], RNG.integers(1, keep.sum(), inserts), MASK))
    labels = stacked([sample["input_ids"] for sample in samples], -100)
    return stacked(sources, PAD), labels


def glm(samples: list[dict[str, Any]], start: int, end: int) -> tuple[Row, Row, Row]:
    """``ConstructBlockStrategy``'s spans and ``make_block_data``, for one document a row."""
    poisson = np.array([math.exp(-3) * 3**k / math.factorial(k) for k in range(1, 40)])
    inputs, labels, positions = [], [], []
    for sample in samples:
        ids = sample["input_ids"].astype(np.int64)
        lengths: list[int] = []
        while sum(lengths) < int(0.15 * len(ids)):
            lengths.append(int(RNG.choice(39, p=poisson / poisson.sum())) + 1)
        RNG.shuffle(lengths)
        gaps = np.sort(RNG.integers(0, len(ids) - 2 - sum(lengths) - len(lengths) + 2, len(lengths)))
        spans, offset = [], 1
        for gap, length in zip(gaps.tolist(), lengths, strict=True):
            spans.append((offset + gap, offset + gap + length))
            offset += length + 1
        text, place, where, last = [], [], {}, 0
        for begin, stop in spans:
            text += [ids[last:begin], [MASK]]
            where[begin] = sum(map(len, text)) - 1
            last = stop
        text.append(ids[last:])
        part_a = np.concatenate(text)
        RNG.shuffle(spans)
        generated = [token for begin, stop in spans for token in ([start], ids[begin:stop])]
        answers = [token for begin, stop in spans for token in (ids[begin:stop], [end])]
        place = [np.full(stop - begin + 1, where[begin]) for begin, stop in spans]
        block = [np.arange(1, stop - begin + 2) for begin, stop in spans]
        inputs.append(np.concatenate([part_a, *generated]))
        labels.append(np.concatenate([np.full(len(part_a), -100), *answers]))
        positions += [np.concatenate([np.arange(len(part_a)), *place]), np.concatenate([np.zeros(len(part_a)), *block])]
    return stacked(inputs, PAD), stacked(labels, -100), stacked(positions, 0)


def case(name: str, kind: type, reference: Callable[[list[dict[str, Any]]], object], **options: Any) -> list[Case]:
    """The objective with one document a row, and with four."""
    collator = kind(TOKENIZER, sequence_length=LENGTH, **options)
    size = collator.raw_length(LENGTH)
    found = []
    for pieces in (1, 4):
        samples = make_samples(size, pieces)
        run, told = partial(collator, samples), partial(reference, samples)
        found.append(Case(f"{name}{', 4 documents a row' if pieces > 1 else ''}", run, told, ROWS * size))
    return found


TOKENIZER = make_tokenizer()
FIRST = TOKENIZER.convert_tokens_to_ids("<extra_id_0>")
START, END = TOKENIZER.convert_tokens_to_ids(SPANS)
UL2 = [(0.15, 3.0), (0.15, 8.0), (0.5, 0.0), (0.5, 3.0), (0.5, 8.0), (0.15, 64.0), (0.5, 64.0)]

CASES = [
    *case("span_corruption", DataCollatorForSpanCorruption, partial(t5, settings=[(0.15, 3.0)], first=FIRST)),
    *case("mixture_of_denoisers", DataCollatorForMixtureOfDenoisers, partial(t5, settings=UL2, first=FIRST)),
    *case(
        "mixture_of_denoisers, decoder", DataCollatorForMixtureOfDenoisers, partial(t5, settings=UL2, first=FIRST),
        form="decoder",
    ),
    *case("prefix_lm", DataCollatorForPrefixLM, prefix_lm),
    *case("denoising, infilling", DataCollatorForDenoising, partial(bart, permute=False), permute_sentences=0.0),
    *case("denoising, infilling + sentences", DataCollatorForDenoising, partial(bart, permute=True)),
    *case("blank_infilling", DataCollatorForBlankInfilling, partial(glm, start=START, end=END)),
]  # fmt: skip
