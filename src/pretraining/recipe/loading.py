"""From the path of a YAML file to a recipe whose every value is valid and knows where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pretraining.batching.supply import Supply
from pretraining.batching.timeline import Timeline
from pretraining.corpus.config import CorpusSection
from pretraining.errors import Problem, RecipeError
from pretraining.recipe.checks import as_problem, find
from pretraining.recipe.config import Recipe
from pretraining.recipe.derive import Derived, derive
from pretraining.recipe.estimate import available_tokens
from pretraining.recipe.merging import apply_overrides, read_recipe
from pretraining.recipe.tree import DEFAULT, KeyPath, Node, Origin, dotted, key_path
from pretraining.recipe.validation import validate
from pretraining.recipe.yaml_file import to_yaml
from pretraining.section import Section, fields


@dataclass(frozen=True)
class LoadedRecipe:
    """A valid recipe."""

    recipe: Recipe
    """All sections, derived defaults filled in."""
    path: Path
    """The recipe file, as given."""
    overrides: tuple[str, ...] = ()
    """What the command line changed, as given."""
    origins: dict[str, Origin] = field(default_factory=dict)
    """Dotted key -> where its value came from, for every effective value."""
    facts: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Figures that follow from the recipe and are no keys of it: dotted name -> value and formula."""
    notes: tuple[str, ...] = ()
    """What is right and worth being said."""
    timeline: Timeline | None = None
    """The steps of the run, where the recipe and what is counted so far tell them."""

    @property
    def base(self) -> Path:
        """The folder that relative paths of the recipe start from: that of the recipe file."""
        return self.path.parent

    def resolved(self) -> dict[str, object]:
        """The recipe as plain data, with every default and every derived value, ready for YAML or JSON."""
        return plain(self.recipe)

    def to_yaml(self) -> str:
        """``resolved`` as the YAML file of the run folder."""
        return to_yaml(self.resolved())


def load_recipe(
    path: Path | str, overrides: Sequence[str] = (), *, ranks: int = 1, runs: Path = Path("runs")
) -> LoadedRecipe:
    """Read, merge, validate, complete and check a recipe.

    Args:
        path: the YAML file.
        overrides: ``a.b=c`` from the command line.
        ranks: processes that will train.
        runs: folder of all runs; ``runs/<name>`` tells how many tokens there are, once they are counted.

    Raises:
        RecipeError: with all the problems at once.
    """
    path = Path(path)
    tree, problems = read_recipe(path)
    tree, more = apply_overrides(tree, overrides)
    recipe, sections, invalid = validate(tree)
    problems += [*more, *invalid]
    name = tree.items["name"].value if "name" in tree.items else None
    run_folder = runs / name if isinstance(name, str) and not any(p.path == "name" for p in problems) else None
    supply = _supply(sections.get("corpus"), path.parent, run_folder)
    derived = derive(sections, base=path.parent, ranks=ranks, supply=supply)
    launch = {"base": path.parent, "recipe_path": path, "ranks": ranks, "available_tokens": None}
    if supply is not None and supply.epoch_tokens is not None:
        launch["available_tokens"] = supply.epoch_tokens, supply.counted
    known = {"name": name, "run_folder": run_folder, "supply": supply, "timeline": derived.timeline}
    known = {key: value for key, value in known.items() if value is not None and run_folder is not None}
    problems += _checked(tree, derived, {**launch, **known})
    if recipe is None or problems:
        raise RecipeError(sorted(problems, key=_position))
    recipe = recipe.model_copy(update=derived.sections)
    origins = _origins(plain(recipe), tree, derived)
    notes = tuple(derived.notes)
    return LoadedRecipe(recipe, path, tuple(overrides), origins, derived.facts, notes, derived.timeline)


def _position(problem: Problem) -> tuple[bool, str, int]:
    """Problems are shown in the order of the file, those without a line at the end."""
    found = re.match(r"(.*):(\d+)", problem.where)
    return (False, found[1], int(found[2])) if found else (True, problem.where, 0)


def _supply(corpus: Section | None, base: Path, run_folder: Path | None) -> Supply | None:
    if not isinstance(corpus, CorpusSection) or run_folder is None:
        return None
    return available_tokens(corpus, base, run_folder)


def _checked(tree: Node, derived: Derived, facts: Mapping[str, object]) -> list[Problem]:
    """The problems that the rules find in the sections that are valid."""
    data: dict[str, object] = {name: plain(section) for name, section in derived.sections.items()}
    data["name"] = facts.get("name")
    origins = _origins(data, tree, derived)
    return [as_problem(rule, finding, data, origins) for rule, finding in find({**derived.sections, **facts})]


def plain(section: Section) -> dict[str, object]:
    """A section as plain data, without the keys that are None by default (a None over another default stays)."""
    data: dict[str, object] = dict(section.__pydantic_extra__ or {})
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if value is not None or (info.default is not None and not info.is_required()):
            data[info.alias or name] = _plain_value(value)
    order = [key for key in fields(type(section)) if key in data]
    return {key: data[key] for key in [*order, *(key for key in data if key not in order)]}


def _plain_value(value: object) -> object:
    if isinstance(value, Section):
        return plain(value)
    return [_plain_value(item) for item in value] if isinstance(value, list) else value


def leaves(data: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Every value of plain data with its path; a list of scalars is one value."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, list) and any(isinstance(item, (dict, list)) for item in data):
        for index, value in enumerate(data):
            yield from leaves(value, (*path, index))
    else:
        yield path, data


def parents(key: str) -> Iterator[str]:
    """``a.b`` and ``a`` for ``a.b.c``: a formula may give a whole map."""
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


def _origins(data: object, tree: Node, derived: Derived) -> dict[str, Origin]:
    origins = {}
    for path, _ in leaves(data):
        key = dotted(path)
        written = derived.renamed.get(key)
        node, there = tree.nearest(key_path(written) if written else path)
        formula = next((derived.formulas[whole] for whole in (key, *parents(key)) if whole in derived.formulas), None)
        if formula is not None:
            origins[key] = Origin("derived", f"derived: {formula}")
        elif not there:
            origins[key] = DEFAULT
        elif written:
            origins[key] = Origin(node.origin.kind, f"{node.origin} (written as {written})")
        else:
            origins[key] = node.origin
    return origins
