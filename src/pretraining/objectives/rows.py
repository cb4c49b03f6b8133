"""Samples as padded rows: what every collator starts from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.objectives.draws import Keys, sample_keys

IGNORED = -100
"""The label of a position that is no target."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """A batch of samples; ``B`` rows, ``W`` places, ``P`` pieces of documents in all rows together.

    ``ids`` int64 (B, W) with padding; ``sizes`` int64 (B,) real tokens of each row; ``keys`` uint64 (B,), see
    ``draws``; ``piece_row``, ``piece_start``, ``piece_length`` int64 (P,): pieces in order, empty ones left out.
    """

    ids: Integers
    sizes: Integers
    keys: Keys
    piece_row: Integers
    piece_start: Integers
    piece_length: Integers

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        """(B, W): places that hold a token of the sample."""
        found: npt.NDArray[np.bool_] = np.arange(self.ids.shape[1]) < self.sizes[:, None]
        return found

    @functools.cached_property
    def first_piece(self) -> Integers:
        """(P,): the first piece of the row of each piece."""
        return np.searchsorted(self.piece_row, self.piece_row)

    def document_ids(self) -> Integers:
        """(B, W): the number of the piece in its row, from 1; 0 on padding."""
        return self.documents_and_positions()[0]

    def documents_and_positions(self) -> tuple[Integers, Integers]:
        """``document_ids`` and ``position_ids``, both int64 (B, W); positions restart at every piece and at padding."""
        batch, width = self.ids.shape
        ragged = np.flatnonzero(self.sizes < width)
        # Padding is one more run of its row; runs and their starts in the flattened batch say all.
        starts = np.concatenate([self.piece_row * width + self.piece_start, ragged * width + self.sizes[ragged]])
        number = np.arange(len(self.piece_row)) - self.first_piece + 1
        number = np.concatenate([number, np.zeros(len(ragged), np.int64)])
        order = np.argsort(starts, kind="stable")
        starts = starts[order]
        lengths = np.diff(starts, append=batch * width)
        position = np.arange(batch * width) - np.repeat(starts, lengths)
        return np.repeat(number[order], lengths).reshape(batch, width), position.reshape(batch, width)

    def piece_starts(self) -> npt.NDArray[np.bool_]:
        """(B, W): the first token of every piece."""
        first = np.zeros(self.ids.shape, bool)
        first[self.piece_row, self.piece_start] = True
        return first


Ids = npt.NDArray[np.integer[Any]]


def read(sample: dict[str, Any], row: int) -> tuple[Ids, Integers]:
    """The tokens of a sample (t,), and the lengths of its pieces (pieces,).

    A sample without ``lengths`` (a plain dataset in ``Trainer``) is one piece. Where there is an ``attention_mask``
    (t,), tokens that it leaves out are no part of the sample: somebody has padded it already.

    Args:
        row: its number in the batch, for messages.

    Raises:
        ValueError: it has no ``input_ids``, they are not one row of whole numbers, or a length is below 0.
    """
    ids = np.asarray(sample["input_ids"]) if "input_ids" in sample else None
    if ids is None or ids.ndim != 1 or (ids.dtype.kind not in "iu" and len(ids)):
        found = "none" if ids is None else f"{ids.dtype} of shape {ids.shape}"
        raise ValueError(f"sample {sample.get('index', row)} needs input_ids, one row of whole numbers; it has {found}")
    if sample.get("attention_mask") is not None:
        mask = np.asarray(sample["attention_mask"])
        if mask.shape != ids.shape:
            raise ValueError(
                f"sample {sample.get('index', row)} has {len(ids)} tokens and an attention_mask of shape {mask.shape}"
            )
        ids = ids[mask.astype(bool)]
    lengths = np.asarray(sample["lengths"] if "lengths" in sample else [len(ids)], np.int64)
    if lengths.ndim != 1 or lengths.min(initial=0) < 0:
        raise ValueError(f"sample {sample.get('index', row)} has lengths {lengths.tolist()}; a length is 0 or more")
    return ids, lengths


def rewritten(sample: dict[str, Any], ids: Ids, lengths: npt.ArrayLike) -> dict[str, Any]:
    """The sample with other tokens, none of them padding."""
    kept = {key: value for key, value in sample.items() if key != "attention_mask"}
    return kept | {"input_ids": ids, "lengths": np.asarray(lengths, np.int64)}


def check_ids(ids: Ids, vocabulary: int) -> None:
    """Refuse ids that no tokenizer of ``vocabulary`` tokens gives, before an embedding does.

    Raises:
        ValueError: an id is below 0, or beyond the vocabulary.
    """
    least, most = (int(ids.min()), int(ids.max())) if ids.size else (0, 0)
    if least < 0 or most >= vocabulary:
        wrong = least if least < 0 else most
        raise ValueError(f"a sample holds the id {wrong}, and the tokenizer's ids are 0 to {vocabulary - 1}")


def misfit(name: object, size: int, lengths: Integers, width: int) -> str:
    """Why a sample of ``size`` tokens is no row of ``width``."""
    if size > width:
        return (
            f"sample {name} has {size} tokens, for rows that take {width}: cut samples to "
            "collator.raw_length(sequence_length) tokens, which leaves room for what the objective adds"
        )
    return f"sample {name} has {size} tokens, but its lengths {lengths.tolist()} add up to {int(lengths.sum())}"


def make_rows(
    samples: Sequence[dict[str, Any]],
    *,
    width: int,
    pad_token_id: int,
    seed: int,
    pad_to_multiple_of: int | None = None,
) -> Rows:
    """Pad samples into rows without changing them.

    Args:
        samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), ``lengths.sum() == t``; see ``read``.
        width: places of a row.
        pad_to_multiple_of: make the rows only as wide as the longest sample, rounded up to this multiple.

    Raises:
        ValueError: a sample is longer than ``width``, its lengths do not add up, or it is none.
    """
    found = [read(sample, row) for row, sample in enumerate(samples)]
    parts, lengths = [ids for ids, _ in found], [each for _, each in found]
    sizes = np.array([len(part) for part in parts], np.int64)
    piece_length = np.concatenate(lengths) if lengths else np.empty(0, np.int64)
    piece_row = np.repeat(np.arange(len(lengths)), [len(pieces) for pieces in lengths])
    wrong = np.flatnonzero((sizes > width) | (np.bincount(piece_row, piece_length, len(sizes)) != sizes))
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(misfit(samples[row].get("index", row), int(sizes[row]), lengths[row], width))
    if pad_to_multiple_of is not None and len(sizes):
        width = min(width, max(1, -(-int(sizes.max()) // pad_to_multiple_of)) * pad_to_multiple_of)
    if parts and (sizes == width).all():
        ids = np.concatenate(parts).astype(np.int64).reshape(-1, width)
    else:
        ids = np.full((len(parts), width), pad_token_id, np.int64)
        for row, part in enumerate(parts):
            ids[row, : len(part)] = part
    ends = np.cumsum(piece_length)
    before = np.cumsum(sizes) - sizes
    piece_start = ends - piece_length - before[piece_row]
    kept = piece_length > 0
    return Rows(ids, sizes, sample_keys(samples, seed), piece_row[kept], piece_start[kept], piece_length[kept])
