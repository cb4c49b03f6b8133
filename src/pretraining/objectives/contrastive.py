"""Contrastive learning: every text twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.rows import make_rows
from pretraining.objectives.vocabulary import Vocabulary


class DataCollatorForContrastive:
    """Both views of every text, one after the other: ``B`` samples give rows ``2 i`` and ``2 i + 1``, all alike.

    What makes the views differ is dropout inside the model (SimCSE, Gao et al. 2021, arXiv 2104.08821), so nothing is
    drawn here. A sample is one text, even if packing put several pieces into it; ``batches.packing: none`` gives one
    piece a row. Gives ``input_ids``, ``position_ids``, ``document_ids`` (1 on tokens, 0 on padding), int64 (2B, W).
    """

    def __init__(
        self, tokenizer: Any, *, sequence_length: int, seed: int = 0, pad_to_multiple_of: int | None = None
    ) -> None:
        self.pad_token_id = Vocabulary(tokenizer).pad_token_id
        self.sequence_length, self.seed, self.pad_to_multiple_of = sequence_length, seed, pad_to_multiple_of

    @staticmethod
    def special_tokens() -> list[str]:
        """Tokens that the tokenizer must have for this objective: none."""
        return []

    @staticmethod
    def raw_length(sequence_length: int) -> int:
        """Raw tokens of a row: the same number."""
        return sequence_length

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Pad the texts and repeat each."""
        rows = make_rows(
            samples,
            width=self.sequence_length,
            pad_token_id=self.pad_token_id,
            seed=self.seed,
            pad_to_multiple_of=self.pad_to_multiple_of,
        )
        width = rows.ids.shape[1]
        positions = np.broadcast_to(np.arange(width), rows.ids.shape)
        made = {
            "input_ids": rows.ids,
            "position_ids": np.where(rows.real, positions, 0),
            "document_ids": rows.real.astype(np.int64),
        }
        return {key: torch.from_numpy(np.repeat(value, 2, axis=0)) for key, value in made.items()}
