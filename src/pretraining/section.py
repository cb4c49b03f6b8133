"""The base of every section of the recipe, the one type for "how long", and the form of a rule."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """A part of the recipe: frozen, and strict, so that ``ture`` is never ``False`` and no key is swallowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@functools.cache
def fields(kind: type[Section]) -> dict[str, FieldInfo]:
    """The keys of a section as files have them; one that Python keeps for itself (``from``) has another name inside."""
    return {info.alias or name: info for name, info in kind.model_fields.items()}


@functools.cache
def help_texts(kind: type[Section]) -> dict[str, str]:
    """The docstring beside each key of a section, its bases' included.

    Read from the source when it is asked for: pydantic's ``use_attribute_docstrings`` does the same while the classes
    are made, which would be a third of the time of ``pretrain check``.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not (issubclass(base, Section) and base is not Section):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for statement, after in zip(tree.body, tree.body[1:], strict=False):
            match statement, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    info = kind.model_fields.get(name)
                    found[(info and info.alias) or name] = inspect.cleandoc(text)
    return found


UNITS = ("tokens", "steps", "epochs", "hours", "tokens_per_parameter")


class Duration(Section):
    """How long something lasts, or how often it happens: exactly one of the five units.

    ``tokens`` counts the places of the packed rows (padding included), as every step does.
    """

    tokens: int | None = None
    steps: int | None = None
    epochs: float | None = None
    hours: float | None = None
    tokens_per_parameter: float | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Duration:
        given = [unit for unit in UNITS if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of {', '.join(UNITS)}" + (f", not {' and '.join(given)}" if given else "")
            )
        if self.amount < 0:
            raise ValueError(f"{given[0]} must not be negative")
        return self

    @property
    def unit(self) -> str:
        """The unit that was given."""
        return next(unit for unit in UNITS if getattr(self, unit) is not None)

    @property
    def amount(self) -> float:
        """The number that was given, in ``unit``."""
        return float(getattr(self, self.unit))

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {self.unit.replace('_', ' ')}"

    def in_steps(self, *, step_tokens: int, epoch_tokens: int | None = None, parameters: int | None = None) -> int:
        """The number of optimizer steps, rounded up.

        Args:
            step_tokens: tokens of one global batch.
            epoch_tokens: tokens of one pass over the packed rows; needed for ``epochs``.
            parameters: parameters of the model; needed for ``tokens_per_parameter``.

        Raises:
            ValueError: what the unit needs is not known, or the unit is ``hours``, which no number of steps equals.
        """
        if self.unit == "steps":
            return int(self.amount)
        if self.unit == "tokens":
            tokens = self.amount
        elif self.unit == "epochs" and epoch_tokens is not None:
            tokens = self.amount * epoch_tokens
        elif self.unit == "tokens_per_parameter" and parameters is not None:
            tokens = self.amount * parameters
        else:
            raise ValueError(f"{self} cannot be turned into steps here")
        return -(-round(tokens) // step_tokens)


@dataclass(frozen=True)
class Finding:
    """What a rule has to say about one key; the recipe adds the value and where it came from."""

    path: str
    message: str
    fix: str
    hint: str = ""


@dataclass(frozen=True)
class Rule:
    """One check of the recipe.

    ``check`` is called with the sections (or facts of the launch) that its parameters name, and yields
    a ``Finding`` for each thing that is wrong. ``says`` and ``why`` are printed in ``recipes/RULES.md``.
    """

    id: str
    says: str
    why: str
    check: Callable[..., Iterator[Finding]]
