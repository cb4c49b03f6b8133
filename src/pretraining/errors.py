"""The errors that a user may meet: what is wrong, the value, where it came from, what to do.

Every one of them is printed without a traceback (``--debug`` brings it back) and carries the exit
status of the command: 2 when the user's input is wrong, 1 for anything else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a recipe.

    ``rule`` is the id under which ``recipes/RULES.md`` explains it, ``path`` the dotted key,
    ``value`` what stands there, ``where`` the ``file:line`` (or "command line", "default") it came from.
    """

    rule: str
    path: str
    message: str
    fix: str
    value: object = None
    where: str = ""
    hint: str = field(default="", compare=False)  # "did you mean ...?"

    def __str__(self) -> str:
        value = "" if self.value is None else f" = {_short(self.value)}"
        lines = [f"{self.where or 'recipe'}: {self.path}{value}", f"    {self.message} [{self.rule}]"]
        return "\n".join([*lines, *(f"    {line}" for line in (self.hint, self.fix) if line)])


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class PretrainingError(Exception):
    """Base of the errors that are shown to the user as one message."""

    exit_status = 1


class UserError(PretrainingError):
    """The user's input is wrong: the recipe, the data, or the command's arguments."""

    exit_status = 2


class RecipeError(UserError):
    """A recipe with problems, all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) != 1 else ''} in the recipe"
        super().__init__("\n".join([f"{count}:", *(f"\n{p}" for p in self.problems)]))


class DataError(UserError):
    """The text, the tokens or the plan cannot be used as they are."""


class RunFolderError(UserError):
    """The run folder belongs to another recipe, or another process is using it."""


class CheckpointError(PretrainingError):
    """A checkpoint is damaged, or belongs to another training."""


class TrainingError(PretrainingError):
    """Training cannot go on: a loss that is not finite, copies instead of ranks."""


class ModelError(UserError):
    """The model cannot be built, or cannot be trained on packed rows."""


class Interrupted(PretrainingError):
    """A signal stopped the command; what was done so far is kept. Exit status 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class Outcome:
    """The exit status that ``shown_errors`` arrived at."""

    exit_status = 0


@contextlib.contextmanager
def shown_errors(*, debug: bool = False, prefix: str = "") -> Iterator[Outcome]:
    """Print an error as one message on stderr and keep its exit status; a traceback only with ``debug``.

    Statuses: 2 for a mistake of the user, 128 + signal after a signal, 1 for anything else.
    """
    outcome = Outcome()
    try:
        yield outcome
    except BaseException as error:
        if isinstance(error, SystemExit | GeneratorExit):
            raise
        if isinstance(error, BrokenPipeError):  # the reader of our output, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            outcome.exit_status = 1
            return
        outcome.exit_status, message = explain_error(error)
        if debug:
            traceback.print_exc()
        print(f"{prefix}{message}", file=sys.stderr, flush=True)


def explain_error(error: BaseException) -> tuple[int, str]:
    """(exit status, message) of any error."""
    if isinstance(error, PretrainingError):
        return error.exit_status, f"{'' if isinstance(error, Interrupted) else 'error: '}{error}"
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted; what was finished is kept, the same command goes on from there"
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    # safetensors and numpy have words of their own for it.
    if full or "No space left on device" in str(error) or re.fullmatch(r"\d+ requested and \d+ written", str(error)):
        where = f" while writing {error.filename}" if isinstance(error, OSError) and error.filename else ""
        return 1, f"error: no space left on the disk{where}; free some and run the same command again, nothing is lost"
    if isinstance(error, OSError) and error.filename:
        return 1, f"error: {error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return 1, "error: out of memory"
    return 1, f"error: {type(error).__name__}: {error}\nThis was not foreseen; --debug shows where it happened."
