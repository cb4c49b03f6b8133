"""Permutation language modeling as XLNet's data pipeline does it, not as the collator of transformers does.

That one puts ``<mask>`` over the targets in the content stream, so that no target ever depends on another. Here the
content stream keeps the original tokens, and ``perm_mask`` alone decides who sees whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pretraining.objectives.draws import integers, uniform
from pretraining.objectives.rows import IGNORED, Rows
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.permutation import PermutationLMSection

Bools = npt.NDArray[np.bool_]
_ORDER, _GRAM, _PLACE, _FILL = range(4)


class DataCollatorForPermutationLM(SectionCollator[PermutationLMSection]):
    """Permutation language modeling (Yang et al. 2019, arXiv 1906.08237; ``data_utils._local_perm`` of its code).

    Every row is put into a random order. Ordinary tokens that are no target come before all others; targets and
    special tokens come in the drawn order. Position ``i`` sees ``j`` exactly when ``order_i > order_j``; a target
    does not see itself, its query stands in the second stream. Special tokens are never targets, and what a special
    token is stays hidden from what comes before it in the order, as in the reference.

    Gives, for ``B`` rows of ``W`` places with at most ``P`` targets:
    ``input_ids``, ``position_ids``, ``document_ids`` int64 (B, W); ``perm_mask`` bool (B, W, W), true where ``i`` must
    not see ``j``; ``target_mapping`` float32 (B, P, W), one-hot; ``labels`` int64 (B, P), -100 where a row has fewer.

    Args:
        parameters: ``mask_alpha``, ``mask_beta``, ``max_gram`` and ``perm_size`` of ``PermutationLMSection``.
    """

    Section = PermutationLMSection

    def _prepare(self, tokenizer: Any) -> None:
        section = self.section
        self.alpha, self.beta, self.perm_size = section.mask_alpha, section.mask_beta, section.perm_size
        weights = 1.0 / np.arange(1, section.max_gram + 1)
        self._grams = np.cumsum(weights / weights.sum())

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Draw targets and an order for every sample."""
        rows = self.rows(samples, pad_to_multiple_of=self.pad_to_multiple_of)
        documents, positions = rows.documents_and_positions()
        ordinary = rows.real & ~self.vocabulary.special[rows.ids]
        targets = self._targets(rows, ordinary)
        mapping, labels = _gathered(rows.ids, targets)
        return {
            "input_ids": torch.from_numpy(rows.ids),
            "position_ids": torch.from_numpy(positions),
            "document_ids": torch.from_numpy(documents),
            "perm_mask": torch.from_numpy(self._perm_mask(rows, targets, ordinary)),
            "target_mapping": torch.from_numpy(mapping),
            "labels": torch.from_numpy(labels),
        }

    def _targets(self, rows: Rows, ordinary: Bools) -> Bools:
        """(B, W): exactly one in ``alpha / beta`` of the ordinary tokens, in spans as far as the windows give them."""
        batch, width = ordinary.shape
        count = width // max(1, self.alpha // self.beta) + 1  # windows of single tokens, the narrowest, fill the row
        grams = np.searchsorted(self._grams, uniform(rows.keys, count, stream=_GRAM), side="right") + 1
        grams = np.minimum(grams, len(self._grams))
        window = np.maximum(grams, grams * self.alpha // self.beta)
        begin = np.cumsum(window, axis=1) - window + integers(rows.keys, count, window - grams + 1, stream=_PLACE)
        change = np.zeros((batch, 2 * width + self.alpha * len(self._grams) + 2), np.int8)
        row = np.repeat(np.arange(batch), count)
        inside = begin.ravel() < width
        np.add.at(change, (row[inside], begin.ravel()[inside]), 1)
        np.add.at(change, (row[inside], (begin + grams).ravel()[inside]), -1)
        spans = (np.cumsum(change[:, :width], axis=1, dtype=np.int8) > 0) & ordinary
        wanted = np.round(ordinary.sum(1) * self.beta / self.alpha).astype(np.int64)
        # Too many or too few by chance: spans keep their order of places, single tokens fill up.
        rank = np.where(spans, np.cumsum(spans, axis=1) / (width + 1.0), 2.0 + uniform(rows.keys, width, stream=_FILL))
        rank[~ordinary] = 9.0
        chosen = np.zeros((batch, width), bool)
        places = np.argsort(rank, axis=1, kind="stable")
        np.put_along_axis(chosen, places, np.arange(width) < wanted[:, None], axis=1)
        return chosen

    def _perm_mask(self, rows: Rows, targets: Bools, ordinary: Bools) -> Bools:
        """(B, W, W): true where row ``i`` must not see column ``j``."""
        width = targets.shape[1]
        order = uniform(rows.keys, width, stream=_ORDER).astype(np.float32)
        order += 1.0 + (np.arange(width) // (self.perm_size or width)).astype(np.float32)
        plain = ordinary & ~targets
        shown = np.where(plain, np.float32(0), order)  # ordinary tokens come first: everything sees them,
        own = np.where(plain, np.float32(0.5), order)  # and they see no target, or they would pass it on
        own = np.where(ordinary, own, np.nextafter(order, np.float32(np.inf)))  # special tokens see themselves
        mask: Bools = own[:, :, None] <= shown[:, None, :]
        return mask


def _gathered(ids: npt.NDArray[np.int64], targets: Bools) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """``target_mapping`` (B, P, W) and ``labels`` (B, P)."""
    batch, width = ids.shape
    most = max(1, int(targets.sum(1).max(initial=0)))
    mapping, labels = np.zeros((batch, most, width), np.float32), np.full((batch, most), IGNORED, np.int64)
    row, place = np.nonzero(targets)
    slot = (np.cumsum(targets, axis=1) - 1)[row, place]
    mapping[row, slot, place] = 1.0
    labels[row, slot] = ids[row, place]
    return mapping, labels
