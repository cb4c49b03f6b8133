"""The targets of SpanBERT's span boundary objective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pretraining.objectives.masking import Masked, run_begins
from pretraining.objectives.rows import IGNORED, Rows

Integers = npt.NDArray[np.int64]


def span_boundary_targets(
    rows: Rows, masked: Masked, special: npt.NDArray[np.bool_], max_pair_targets: int
) -> dict[str, Integers]:
    """Every token of a masked span, to be predicted from the two tokens around the span.

    A span is a whole run of targets, as in the reference, which merges those that touch; one without an ordinary token
    of its own piece on both sides has no targets here.

    Args:
        special: bool (V,), ids that are no ordinary tokens.

    Returns:
        ``span_labels`` (B, W), -100 where there is no target; ``span_pairs`` (B, W, 2), of a target the places in its
        row before the first and after the last token of the span; ``span_offsets`` (B, W), its place in the span,
        less than ``max_pair_targets``, after which tokens are no targets.
    """
    shape, width = rows.ids.shape, rows.ids.shape[1]
    ids, place = rows.ids.ravel(), masked.places
    begins = run_begins(rows, place)
    run = np.cumsum(begins) - 1
    first, last = place[begins], place[np.append(begins[1:], np.ones(min(1, len(place)), bool))]
    starts = np.zeros(ids.size + 1, bool)
    starts[rows.piece_row * width + rows.piece_start] = True
    after = np.minimum(last + 1, ids.size - 1)
    bounded = ~starts[first] & ~starts[last + 1] & (last % width < width - 1)
    bounded &= ~special[ids[first - 1]] & ~special[ids[after]]
    offset = place - first[run]
    target = bounded[run] & (offset < max_pair_targets)
    place, run, offset = place[target], run[target], offset[target]
    labels, offsets = np.full(shape, IGNORED, np.int64), np.zeros(shape, np.int64)
    pairs = np.zeros((*shape, 2), np.int64)
    labels.ravel()[place] = ids[place]
    offsets.ravel()[place] = offset
    pairs.reshape(-1, 2)[place] = np.stack([first[run] - 1, after[run]], axis=1) % width
    return {"span_labels": labels, "span_pairs": pairs, "span_offsets": offsets}
