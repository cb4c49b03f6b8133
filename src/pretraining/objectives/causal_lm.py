"""Causal language modeling on packed rows, with every document isolated from its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.rows import IGNORED, check_ids, misfit, read
from pretraining.objectives.section_collator import RowCollator


class DataCollatorForCausalLM(RowCollator):
    """Next-token prediction (GPT, Llama): ``collator(samples) -> tensors``, for ``Trainer`` or a plain loop.

    Rows come out as int64 ``(batch, sequence_length)``::

        pieces         a0 a1 a2 | b0 b1 | (room for 1 more)
        input_ids      a0 a1 a2   b0 b1   pad
        position_ids    0  1  2    0  1   0        restart at every piece, and at the padding
        labels        -100 a1 a2 -100 b1 -100      aligned with input_ids; the model shifts, as in transformers

    The first token of a piece is never a target: it would be predicted from another document. EOS is a target
    even where the tokenizer pads with EOS, because labels come from the lengths, not from the ids.

    There is no ``attention_mask`` on purpose. transformers isolates packed documents by ``position_ids`` only if
    the mask is None and ``use_cache`` is False (masking_utils, transformers 5.23); any mask switches that off
    silently. ``modeling`` sets ``use_cache=False`` and measures that nothing leaks.

    Its arguments are those of ``RowCollator``; it draws nothing from ``seed``.
    """

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Pad and label a batch of samples.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), ``lengths.sum() == t``; a sample
                without ``lengths`` (a plain dataset in ``Trainer``) is one piece, what its ``attention_mask`` leaves
                out is no part of it.

        Raises:
            ValueError: a sample is longer than ``sequence_length``, its lengths do not add up, or an id is none of
                the tokenizer's.
        """
        read_samples = [read(sample, row) for row, sample in enumerate(samples)]
        shape = (len(samples), self._width([len(ids) for ids, _ in read_samples]))
        input_ids = np.full(shape, self.pad_token_id, np.int64)
        labels = np.full(shape, IGNORED, np.int64)
        position_ids = np.zeros(shape, np.int64)
        for row, (ids, lengths) in enumerate(read_samples):
            size = len(ids)
            if size > self.sequence_length or lengths.sum() != size:
                raise ValueError(misfit(samples[row].get("index", row), size, lengths, self.sequence_length))
            starts = np.cumsum(lengths) - lengths
            input_ids[row, :size] = ids
            labels[row, :size] = ids
            labels[row, starts[lengths > 0]] = IGNORED
            position_ids[row, :size] = np.arange(size) - np.repeat(starts, lengths)
            position_ids[row, size:] = np.arange(shape[1] - size)
        check_ids(input_ids, len(self.vocabulary.special))
        return {
            "input_ids": torch.from_numpy(input_ids),
            "labels": torch.from_numpy(labels),
            "position_ids": torch.from_numpy(position_ids),
        }

    def _width(self, sizes: Sequence[int]) -> int:
        """Places of the rows of a batch."""
        if self.pad_to_multiple_of is None:
            return self.sequence_length
        return min(self.sequence_length, max(1, -(-max(sizes) // self.pad_to_multiple_of)) * self.pad_to_multiple_of)
