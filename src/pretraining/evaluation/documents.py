"""The held-out documents as the model is scored on them: one token of context, then the tokens that are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pretraining.errors import DataError
from pretraining.tokenization.documents import texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BATCH = 256


@dataclass(frozen=True)
class Document:
    """A held-out document: ``ids[0]`` is context only, ``ids[1:]`` are scored; the end of the text is not.

    ``bytes`` counts the UTF-8 bytes of the scored text, ``words`` its white-space separated words.
    """

    ids: npt.NDArray[np.int64]
    bytes: int
    words: int

    @property
    def tokens(self) -> int:
        """Number of scored tokens."""
        return max(0, len(self.ids) - 1)


def held_out_texts(corpus_folder: Path) -> list[str]:
    """The held-out documents of a corpus folder, in order.

    Raises:
        DataError: there are none, or they are empty.
    """
    found = list(texts(corpus_folder, "validation"))
    if not any(found):
        raise DataError(
            f"{corpus_folder} holds no held-out text to evaluate on: raise corpus.held_out "
            "(the share of documents that are held out), then run `pretrain run` again"
        )
    return found


def context_token(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token that stands before a document: BOS, else CLS, else the end of the one before (EOS or SEP), or none."""
    known = (tokenizer.bos_token_id, tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id)
    token = next((each for each in known if each is not None), None)
    return None if token is None else int(token)


def encode(tokenizer: PreTrainedTokenizerBase, held_out: Sequence[str]) -> list[Document]:
    """Tokenize the held-out documents.

    Without BOS and EOS the first token of each document becomes the context: it is not scored, and the
    bytes and words of the document are counted from where it ends.
    """
    context = context_token(tokenizer)
    documents: list[Document] = []
    for start in range(0, len(held_out), BATCH):
        batch = list(held_out[start : start + BATCH])
        encoded = tokenizer(batch, add_special_tokens=False, return_offsets_mapping=context is None, verbose=False)
        for row, (text, ids) in enumerate(zip(batch, encoded["input_ids"], strict=True)):
            unscored = encoded["offset_mapping"][row][0][1] if context is None and ids else 0
            scored = text[unscored:]
            inputs = ids if context is None else [context, *ids]
            documents.append(Document(np.array(inputs, np.int64), len(scored.encode()), len(scored.split())))
    return documents
