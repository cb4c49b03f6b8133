"""What ``pretrain replay`` prints: a line a piece, or JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from json import dumps

from pretraining.errors import UserError
from pretraining.replay import Piece, Replay, ReplayedStep, Trace

WIDTH = 100
"""Characters of a text that is shortened to a line."""
DOCUMENTS, SIGHTINGS = 20, 20
"""Documents, and steps of each, that are listed without ``--full``."""


def print_step(
    replay: Replay, number: int, say: Callable[[str], None], *, rank: int | None, ranks: int, full: bool, json: bool
) -> None:
    """A step, for a reader or for a program; of one rank or of all."""
    step = replay.step(number, rank=rank, ranks=ranks, most=None if full else WIDTH)  # a token is a character or more
    for text in [as_json(asdict(step))] if json else step_lines(step, full=full):
        say(text)


def print_traces(replay: Replay, wanted: str, say: Callable[[str], None], *, full: bool, json: bool) -> None:
    """Where the documents are seen that have ``wanted`` in their id, or in their text.

    Raises:
        UserError: no document has it, or it is empty, which every document has.
    """
    if not wanted:
        raise UserError("--grep '': every document has this; give an id, a part of one, or a piece of text")
    documents = replay.find(wanted, progress=sys.stderr.isatty())
    if not documents:
        raise UserError(f"--grep {wanted}: no document of {replay.folder / 'tokens'} has this in its id or in its text")
    traces = replay.traces(documents if full or json else documents.first(DOCUMENTS))
    lines = trace_lines(traces, replay, found=len(documents), full=full)
    for text in [as_json([asdict(trace) for trace in traces])] if json else lines:
        say(text)


def as_json(data: object) -> str:
    """One line of JSON with all characters as they are."""
    return dumps(data, ensure_ascii=False)


def step_lines(step: ReplayedStep, *, full: bool) -> Iterator[str]:
    """A step for a reader.

    Args:
        full: the whole text of every piece.
    """
    yield (
        f"step {step.step:,} of {step.steps:,}, stage {step.stage}: samples {step.first_sample:,} to "
        f"{step.first_sample + step.batch_samples - 1:,}, {step.sequence_length:,} tokens each, "
        f"after {step.first_token:,} tokens; batch {step.digest}"
    )
    for sample in step.samples:
        tokens = sum(piece.length for piece in sample.pieces)
        yield (
            f"sample {sample.index:,}  rank {sample.rank}  row {sample.row:,}  epoch {sample.epoch}  {tokens:,} tokens"
        )
        for piece in sample.pieces:
            yield f"    {_place(piece)}" + (
                f"\n{piece.text}" if full else f"  {line(piece.text, more=piece.length > WIDTH)}"
            )


def _place(piece: Piece) -> str:
    return f"{piece.source}  {piece.document}  {piece.start:,}:{piece.length:,}"


def line(text: str, *, more: bool) -> str:
    """A text on one line, shortened to ``WIDTH`` characters; ``more`` of it was not decoded."""
    one = as_json(text)[1:-1]
    return f"{one[: WIDTH - 1]}…" if more or len(one) > WIDTH else one


def trace_lines(traces: list[Trace], replay: Replay, *, found: int, full: bool) -> Iterator[str]:
    """Where documents are seen, for a reader.

    Args:
        traces: of the documents to list.
        found: how many documents there are.
        full: list every step.
    """
    for trace in traces:
        yield f"{trace.source}  {trace.document}  {trace.tokens:,} tokens"
        shown = trace.sightings if full else trace.sightings[:SIGHTINGS]
        for sighting in shown:
            when = "" if sighting.seen else "  (to come)" if replay.started else ""
            yield (
                f"    step {sighting.step:,}  sample {sighting.index:,}  epoch {sighting.epoch}  "
                f"tokens {sighting.start:,}:{sighting.length:,}{when}"
            )
        if len(trace.sightings) > len(shown):
            yield f"    and {len(trace.sightings) - len(shown):,} times more (--full lists them)"
        if trace.held_out:
            yield "    held out, never trained on"
        elif not trace.sightings:
            yield f"    not in the {replay.timeline.steps:,} steps of the run"
    if replay.since:
        yield f"the first {replay.since:,} steps took their samples from other data and are not listed"
    if found > len(traces):
        yield f"and {found - len(traces):,} documents more (--full lists them)"
