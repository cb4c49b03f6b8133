"""What each stage asks of each source, against what there is of it. Light: the checks of a recipe use it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pretraining.batching.config import BatchesSection, MixtureSection
from pretraining.batching.mixture import token_shares
from pretraining.batching.timeline import Timeline


@dataclass(frozen=True)
class Supply:
    """What there is to train on."""

    tokens: Mapping[str, int]
    """Tokens of one pass over each source; one of which nothing is known is missing."""
    counted: bool
    """Whether a batch plan counted them; else every byte of the files stands for a token, which are too many."""
    epoch_tokens: int | None
    """Places (tokens and padding) of one pass over all rows; the bytes of all files while nothing is counted."""
    fill: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """(source, sequence length) -> its tokens in a place of a row; 1 where nothing is counted."""


@dataclass(frozen=True)
class Demand:
    """What one stage asks of one source."""

    stage: int
    source: str
    share: float
    """Of the tokens that the model sees in the stage."""
    tokens: float
    """Asked in the stage."""
    last_batch: float
    """Of them, those in the last batch, with which a stage may go beyond its duration."""
    before: float
    """Asked in all the stages before."""
    first_token: int
    """Tokens of the run at which the stage begins."""
    allowed: float
    """How often the source may have been seen at the end of the stage."""


def mixture_of(batches: BatchesSection, stage: int) -> MixtureSection | None:
    """The mixture of a stage: its own, or that of all; None where documents come as they are."""
    own = batches.stages[stage].mixture if batches.stages else None
    return own or batches.mixture


def mixture_path(batches: BatchesSection, stage: int) -> str:
    """Dotted key of ``mixture_of``."""
    own = bool(batches.stages) and batches.stages[stage].mixture is not None
    return f"batches.stages[{stage}].mixture" if own else "batches.mixture"


def mixtures(batches: BatchesSection) -> Iterator[tuple[str, MixtureSection]]:
    """Every mixture that is written in the section, with its dotted key."""
    if batches.mixture is not None:
        yield "batches.mixture", batches.mixture
    for number, stage in enumerate(batches.stages):
        if stage.mixture is not None:
            yield f"batches.stages[{number}].mixture", stage.mixture


def shares(mixture: MixtureSection, tokens: Mapping[str, int]) -> dict[str, float] | None:
    """Share of each source; None where weights are wrong, or depend on tokens of which nothing is known."""
    if mixture.weights is None:
        known = {source: number for source, number in tokens.items() if number > 0}
        return token_shares(mixture, known) if known and len(known) == len(tokens) else None
    weights = mixture.weights.values()
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or not any(weights):
        return None
    return token_shares(mixture, dict.fromkeys(mixture.weights, 1))  # of which no amount counts


def demands(batches: BatchesSection, timeline: Timeline, supply: Supply) -> list[Demand]:
    """What every stage asks of every source, in the order of the run; nothing of a source of weight 0.

    Weights that adapt are taken as they begin.
    """
    found: list[Demand] = []
    before: dict[str, float] = {}
    for stage in range(len(timeline.stage_names)):
        mixture = mixture_of(batches, stage)
        legs = [leg for leg in timeline.legs if leg.stage == stage]
        shared = shares(mixture, supply.tokens) if mixture is not None else None
        if mixture is None or shared is None or not legs:
            continue
        last = legs[-1]
        places = sum(leg.steps * leg.batch_tokens for leg in legs)
        # Rows go by share / fill, so that tokens go by share.
        tokens = 1 / sum(share / supply.fill.get((name, last.sequence_length), 1) for name, share in shared.items())
        for source, share in shared.items():
            allowed = mixture.max_epochs.get(source, batches.max_epochs)
            asked, end = share * tokens * places, share * tokens * last.batch_tokens
            found.append(
                Demand(stage, source, share, asked, end, before.get(source, 0.0), legs[0].first_token, allowed)
            )
            before[source] = before.get(source, 0.0) + asked
    return found


def mixture_notes(batches: BatchesSection) -> list[str]:
    """What is right, and worth being said: weights that are normalised, sources that are left out."""
    notes = []
    for path, mixture in mixtures(batches):
        weights = mixture.weights or {}
        total = math.fsum(weights.values())
        if weights and not math.isclose(total, 1, rel_tol=1e-9):
            notes.append(f"{path}.weights sum to {total:.10g}, not 1: each is divided by that")
        left_out = [source for source, weight in weights.items() if weight == 0]
        if left_out:
            has, it = ("has", "it") if len(left_out) == 1 else ("have", "them")
            notes.append(f"{', '.join(left_out)} {has} weight 0 in {path}: nothing of {it} is seen there")
    return notes
