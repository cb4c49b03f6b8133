"""Which streams of rows the stages of a recipe need."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pretraining.batching.config import BatchesSection
from pretraining.batching.supply import mixture_of, mixture_path
from pretraining.errors import DataError

if TYPE_CHECKING:
    from pretraining.tokenization.store import TokenStore

RawLength = Callable[[int, dict[str, Any]], int]
"""(sequence length, objective options of the stage) -> raw tokens of a row."""


class Need(NamedTuple):
    """A stream that some stage draws from; ``source`` is None for all of them together."""

    source: str | None
    sequence_length: int
    row_length: int


def needed_streams(
    section: BatchesSection, store: TokenStore, raw_length: RawLength
) -> tuple[list[Need], tuple[tuple[int, ...], ...]]:
    """The streams, in the order in which the stages come to them, and for each stage which of them it draws from.

    Sources come in the store's order. One that has weight 0 in a stage, or is not named by its weights, is not drawn
    from there.

    Raises:
        DataError: a stage asks for a source of which there is no token.
    """
    found: dict[Need, int] = {}
    stages = []
    mixed = any(mixture_of(section, number) for number in _stages(section))
    tokens = source_tokens(store) if mixed else {}
    for number in _stages(section):
        stage = section.stages[number] if section.stages else None
        length = (stage.sequence_length if stage else None) or section.sequence_length
        row_length = raw_length(length, stage.objective if stage else {})
        sources = _sources(section, number, tokens) if mixed else [None]
        needs = [Need(source, length, row_length) for source in sources]
        stages.append(tuple(found.setdefault(need, len(found)) for need in needs))
    return list(found), tuple(stages)


def _stages(section: BatchesSection) -> range:
    return range(max(1, len(section.stages)))


def source_tokens(store: TokenStore) -> dict[str, int]:
    """Tokens of each source of the store, those without any included."""
    counts = np.bincount(store.source_index, weights=store.lengths, minlength=len(store.sources))
    return dict(zip(store.sources, counts.astype(np.int64).tolist(), strict=True))


def _sources(section: BatchesSection, stage: int, tokens: dict[str, int]) -> list[str | None]:
    """The sources that a stage draws from."""
    there = [source for source, number in tokens.items() if number]
    mixture = mixture_of(section, stage)
    if mixture is None or mixture.weights is None:
        return list(there)
    asked = {source for source, weight in mixture.weights.items() if weight > 0}
    for source in sorted(asked - set(there)):
        raise DataError(_missing(section, stage, source, there))
    if not asked:
        raise DataError(f"{mixture_path(section, stage)}.weights has no weight above 0; give one to some source")
    return [source for source in there if source in asked]


def _missing(section: BatchesSection, stage: int, source: str, there: list[str]) -> str:
    where = f"stage {section.stages[stage].name}" if section.stages else "the run"
    near = difflib.get_close_matches(source, there, n=1)
    return (
        f"{mixture_path(section, stage)}.weights.{source}: {where} asks for {source}, of which the token store holds "
        f"no token; it holds {', '.join(there)}.{f' Did you mean {near[0]}?' if near else ''} Correct the name, see in "
        "corpus/ledger.json what removed its documents, or give it the weight 0."
    )
