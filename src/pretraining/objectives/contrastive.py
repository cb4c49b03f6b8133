"""Contrastive learning: every text twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.section_collator import RowCollator


class DataCollatorForContrastive(RowCollator):
    """Both views of every text, one after the other: ``B`` samples give rows ``2 i`` and ``2 i + 1``, all alike.

    What makes the views differ is dropout inside the model (SimCSE, Gao et al. 2021, arXiv 2104.08821), so nothing is
    drawn here. A sample is one text, even if packing put several pieces into it; ``batches.packing: none`` gives one
    piece a row. Gives ``input_ids``, ``position_ids``, ``document_ids`` (1 on tokens, 0 on padding), int64 (2B, W).

    Its arguments are those of ``RowCollator``.
    """

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Pad the texts and repeat each."""
        rows = self.rows(samples, pad_to_multiple_of=self.pad_to_multiple_of)
        width = rows.ids.shape[1]
        positions = np.broadcast_to(np.arange(width), rows.ids.shape)
        made = {
            "input_ids": rows.ids,
            "position_ids": np.where(rows.real, positions, 0),
            "document_ids": rows.real.astype(np.int64),
        }
        return {key: torch.from_numpy(np.repeat(value, 2, axis=0)) for key, value in made.items()}
