"""Pseudo-perplexity of a masked language model: one token masked at a time (Salazar et al. 2020, arXiv 1910.14659).

    text     [CLS] the  state of the union [SEP]
    rows     [CLS] [M]  state of the union [SEP]      log p(the)
             [CLS] the  state of the [M]   [SEP]      log p(union)

exp of the mean of -log p. Every token would need a forward pass of its own, so it is taken over a sample: tokens at
equal distances over all held-out documents, the same at every evaluation. A token is seen in a window of its
document as long as a row of the training, framed as a document is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from pretraining.errors import DataError
from pretraining.evaluation.figures import Figure, exponential, figure
from pretraining.evaluation.targets import Scorer
from pretraining.evaluation.trained import Trained
from pretraining.modeling.families import Batch
from pretraining.modeling.loss import IGNORED
from pretraining.objectives.vocabulary import Vocabulary, named_token
from pretraining.tokenization.special import frame
from pretraining.tokenization.store import TokenStore

SAMPLES = 4
"""Masked tokens that are shown."""
AROUND = 16
"""Tokens that are shown before and after one."""
GUESSES = 5

Sample = dict[str, str]


class Place(NamedTuple):
    """A token of a window, int64 ``(t,)``, that is to be masked."""

    window: npt.NDArray[np.int64]
    place: int


def pseudo_perplexity(
    scorer: Scorer, tokenizer: Any, trained: Trained, *, tokens: int, batch_size: int
) -> tuple[list[Figure], list[Sample]]:
    """Pseudo-perplexity over a sample of ``tokens`` held-out tokens (all of them if there are fewer), and what the
    model takes some of them for.

    Raises:
        DataError: nothing is held out but special tokens.
    """
    mask, pad = named_token(tokenizer, "mask_token"), Vocabulary(tokenizer).pad_token_id
    found = list(places(tokenizer, trained, tokens))
    if not found:
        raise DataError("the held-out documents have no token to mask: raise corpus.held_out")
    shown = {(2 * number + 1) * len(found) // (2 * SAMPLES) for number in range(SAMPLES)}
    nll, samples = 0.0, []
    with torch.inference_mode():
        for first in range(0, len(found), batch_size):
            rows = found[first : first + batch_size]
            parts = list(scorer({key: value.to(scorer.model.device) for key, value in masked(rows, mask, pad).items()}))
            targets, scores = (torch.cat(part) for part in zip(*parts, strict=True))
            nll += float(F.cross_entropy(scores, targets, reduction="none").double().sum())
            for number in sorted(shown & set(range(first, first + len(rows)))):
                samples.append(sample(tokenizer, found[number], mask, scores[number - first]))
    note = f"exp of the mean -log p of {len(found):,} held-out tokens at equal distances, masked one at a time"
    return [figure("pseudo_perplexity", exponential(nll / len(found)), note)], samples


def places(tokenizer: Any, trained: Trained, count: int) -> Iterator[Place]:
    """``count`` ordinary tokens at equal distances over all that are held out, in order."""
    store, special = TokenStore(trained.tokens, "validation"), Vocabulary(tokenizer).special
    total = sum(int((~special[ids]).sum()) for ids in store)
    count = min(count, total)
    wanted = (2 * np.arange(count) + 1) * total // (2 * count) if count else np.empty(0, np.int64)
    opens, ends = frame(tokenizer)
    before = 0
    for ids in store:
        ordinary = np.flatnonzero(~special[ids])
        mine = wanted[slice(*np.searchsorted(wanted, [before, before + len(ordinary)]))] - before
        before += len(ordinary)
        first, last = int(len(ids) > 0 and int(ids[0]) == opens), int(len(ids) > 0 and int(ids[-1]) == ends)
        body = ids[first : len(ids) - last].astype(np.int64)
        for place in (ordinary[mine] - first).tolist():
            yield _window(body, place, trained.sequence_length, opens, ends)


def _window(body: npt.NDArray[np.int64], place: int, length: int, opens: int | None, ends: int) -> Place:
    """The window of the document that holds a place: one of consecutive ones, the last moved back to be full."""
    width = length - 1 - (opens is not None)
    start = max(0, min(place - place % width, len(body) - width))
    front = [] if opens is None else [opens]
    window = np.concatenate([np.array(front, np.int64), body[start : start + width], np.array([ends])])
    return Place(window, place - start + len(front))


def masked(rows: list[Place], mask: int, pad: int) -> Batch:
    """The batch in which each row has its token masked."""
    width = max(len(row.window) for row in rows)
    batch = {
        "input_ids": torch.full((len(rows), width), pad),
        "labels": torch.full((len(rows), width), IGNORED),
        "position_ids": torch.arange(width).repeat(len(rows), 1),
        "document_ids": torch.zeros(len(rows), width, dtype=torch.long),
    }
    for number, (window, place) in enumerate(rows):
        batch["input_ids"][number, : len(window)] = torch.from_numpy(window)
        batch["labels"][number, place] = int(window[place])
        batch["input_ids"][number, place] = mask
        batch["document_ids"][number, : len(window)] = 1
    return batch


def sample(tokenizer: Any, row: Place, mask: int, scores: torch.Tensor) -> Sample:
    """What stands around a masked token, and the model's guesses: ``{"prompt", "text"}``."""
    shown = row.window.copy()
    right, shown[row.place] = int(shown[row.place]), mask
    hidden = {*tokenizer.all_special_ids} - {mask}
    around = shown[max(0, row.place - AROUND) : row.place + AROUND + 1].tolist()
    likely = scores.softmax(-1).topk(min(GUESSES, len(scores)))
    guesses = zip(likely.indices.tolist(), likely.values.tolist(), strict=True)
    text = ", ".join(f"{tokenizer.decode([number])!r} {p:.2f}" for number, p in guesses)
    prompt = tokenizer.decode([number for number in around if number not in hidden])
    return {"prompt": prompt, "text": f" → {text}; it was {tokenizer.decode([right])!r}"}
