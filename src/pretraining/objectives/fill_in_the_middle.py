"""Fill-in-the-middle: documents cut at characters, not at tokens, so that a model can be asked anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pretraining.errors import DataError
from pretraining.objectives.causal_lm import DataCollatorForCausalLM
from pretraining.objectives.draws import sample_keys, uniform
from pretraining.objectives.sections.fill_in_the_middle import fim_raw_length

Ids = npt.NDArray[np.int64]
_DRAWS = 4
"""Numbers that a piece takes: whether it is cut, which way it is written, and the two cuts."""


class DataCollatorForFillInTheMiddle:
    """Causal language modeling where some pieces are rewritten (``permute`` of BigCode's Megatron-LM)::

        PSM   BOS <prefix> prefix <suffix> suffix <middle> middle EOS
        SPM   BOS <prefix> <suffix> suffix <middle> prefix middle EOS      (their second variant)

    The piece is decoded, cut at two uniform places between characters (ends included), and its parts are tokenized
    anew. A piece stays as it is if its tokens do not decode to text that they encode (half a character at the end of
    a cut document, a lossy tokenizer), if it is shorter than ``min_characters``, or if its row has no room for it:
    nothing is cut off, and the number of EOS does not change. The loss is over all tokens, marks included.

    Args:
        tokenizer: a fast tokenizer with the three marks as single tokens.
        fim_rate, fim_spm_rate: shares of pieces that are cut, and of those that are written suffix first.
        level: ``document`` cuts whole documents only, ``context`` also parts of documents.

    Raises:
        DataError: the tokenizer lacks a mark.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        sequence_length: int,
        seed: int = 0,
        pad_to_multiple_of: int | None = None,
        fim_rate: float = 0.5,
        fim_spm_rate: float = 0.5,
        level: str = "context",
        min_characters: int = 10,
        reserve: float = 0.03,
        prefix_token: str = "<fim_prefix>",
        suffix_token: str = "<fim_suffix>",
        middle_token: str = "<fim_middle>",
    ) -> None:
        self._plain = DataCollatorForCausalLM(
            tokenizer, sequence_length=sequence_length, seed=seed, pad_to_multiple_of=pad_to_multiple_of
        )
        self.tokenizer, self.sequence_length, self.seed = tokenizer, sequence_length, seed
        self.fim_rate, self.fim_spm_rate, self.level = fim_rate, fim_spm_rate, level
        self.min_characters, self.reserve = min_characters, reserve
        self._tokens = [prefix_token, suffix_token, middle_token]
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in self._tokens if token not in vocabulary]
        if missing:
            raise DataError(
                f"the tokenizer has no {', '.join(missing)}; objective.type = fill_in_the_middle needs them as special "
                "tokens: train the tokenizer with this objective, or name the marks that it has"
            )
        self._marks = [vocabulary[token] for token in self._tokens]
        self._opens = {i for i in (tokenizer.bos_token_id, tokenizer.cls_token_id) if i is not None}
        self._ends = {i for i in (tokenizer.eos_token_id, tokenizer.sep_token_id) if i is not None}

    def special_tokens(self) -> list[str]:
        """The three marks."""
        return list(self._tokens)

    def raw_length(self, sequence_length: int) -> int:
        """Raw tokens of a row: what is left beside the reserve."""
        return fim_raw_length(sequence_length, self.reserve)

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """``input_ids``, ``labels`` and ``position_ids`` as for causal language modeling, int64 ``(B, W)``."""
        keys = sample_keys(samples, self.seed)
        return self._plain([self._rewritten(sample, key) for sample, key in zip(samples, keys, strict=True)])

    def _rewritten(self, sample: dict[str, Any], key: np.uint64) -> dict[str, Any]:
        ids = np.asarray(sample["input_ids"]).astype(np.int64)
        lengths = np.asarray(sample.get("lengths", [len(ids)]), np.int64)
        if not lengths.size:  # an empty sample without a piece
            return sample
        draws = uniform(np.array([key]), _DRAWS * len(lengths)).reshape(len(lengths), _DRAWS)
        room = self.sequence_length - len(ids)
        pieces = []
        for piece, draw in zip(np.split(ids, np.cumsum(lengths)[:-1]), draws, strict=True):
            new = self._cut(piece, draw) if draw[0] < self.fim_rate else None
            if new is not None and len(new) - len(piece) <= room:
                room -= len(new) - len(piece)
                pieces.append(new)
            else:
                pieces.append(piece)
        new_lengths = np.array([len(piece) for piece in pieces], np.int64)
        return {**sample, "input_ids": np.concatenate(pieces), "lengths": new_lengths}

    def _cut(self, piece: Ids, draw: npt.NDArray[np.float64]) -> Ids | None:
        """The piece with its middle last; None where it has to stay as it is."""
        opens = len(piece) > 0 and int(piece[0]) in self._opens
        ends = len(piece) > 0 and int(piece[-1]) in self._ends
        body = piece[int(opens) : len(piece) - int(ends)]
        if self.level == "document" and not (ends and (opens or not self._opens)):
            return None
        text = self.tokenizer.decode(body.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if len(text) < max(1, self.min_characters) or not np.array_equal(self._encode(text), body):
            return None
        first, second = sorted((draw[2:] * (len(text) + 1)).astype(int).tolist())
        prefix, middle, suffix = (self._encode(part) for part in (text[:first], text[first:second], text[second:]))
        before, after, last = ([mark] for mark in self._marks)
        if draw[1] < self.fim_spm_rate:
            parts = [before, after, suffix, last, prefix, middle]
        else:
            parts = [before, prefix, after, suffix, last, middle]
        frame = [piece[:1]] if opens else []
        tail = [piece[-1:]] if ends else []
        return np.concatenate([np.asarray(part, np.int64) for part in [*frame, *parts, *tail]])

    def _encode(self, text: str) -> Ids:
        return np.array(self.tokenizer.encode(text, add_special_tokens=False), np.int64)
