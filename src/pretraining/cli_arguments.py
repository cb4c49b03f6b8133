"""What the verbs of ``pretrain`` share: their arguments, how they load a recipe, how they end."""

from __future__ import annotations

import contextlib
import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from pretraining.errors import Interrupted, shown_errors

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe file.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[a.b=c]...", help="Values that override the recipe's.")]
AccelerateConfig = Annotated[
    str | None,
    typer.Option(help="A file, or a name in accelerate_configs/. Default: single_gpu where there is a GPU, else cpu."),
]
AllowDifferentData = Annotated[
    bool,
    typer.Option("--allow-different-data", help="Go on from a checkpoint with other data, and record what differs."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextlib.contextmanager
def command(debug: bool) -> Iterator[None]:
    """Errors as messages with their exit status; SIGTERM stops a stage as Ctrl-C does."""

    def terminated(number: int, frame: FrameType | None) -> None:
        raise Interrupted("stopped by SIGTERM; what was finished is kept, the same command goes on from there", number)

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        with shown_errors(debug=debug) as outcome:
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if outcome.exit_status:
        raise SystemExit(outcome.exit_status)


def load(recipe: Path, overrides: list[str] | None, *, ranks: int = 1) -> LoadedRecipe:
    """Read and check the recipe."""
    gc.disable()  # some hundred classes are defined now; looking for garbage among them takes a sixth of the time
    from pretraining.recipe.loading import load_recipe

    gc.enable()
    return load_recipe(recipe, overrides or (), ranks=ranks)


def say(text: str) -> None:
    """One line for the user."""
    print(text, flush=True)
