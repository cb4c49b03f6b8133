"""All the rules about a recipe: those of the rooms, those of the loader, and those about the recipe as a whole."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pretraining.batching.checks import RULES as BATCHING
from pretraining.batching.config import BatchesSection
from pretraining.batching.timeline import Timeline
from pretraining.corpus.checks import RULES as CORPUS
from pretraining.errors import Problem
from pretraining.evaluation.checks import RULES as EVALUATION
from pretraining.modeling.checks import RULES as MODELING
from pretraining.objectives.checks import RULES as OBJECTIVES
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.publishing.checks import RULES as PUBLISHING
from pretraining.recipe.tree import Origin, key_path
from pretraining.section import Finding, Rule
from pretraining.tokenization.checks import RULES as TOKENIZATION
from pretraining.training.checks import RULES as TRAINING
from pretraining.training.config import TrainingSection


def run_folder_of_another_recipe(name: str, recipe_path: Path, run_folder: Path) -> Iterator[Finding]:
    """Each recipe has a run folder of its own."""
    try:
        written_by = Path(json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))["recipe"])
    except (OSError, ValueError, KeyError, TypeError):  # no run yet, or one that is not ours to judge
        return
    if written_by.is_file() and not written_by.samefile(recipe_path):
        yield Finding(
            path="name",
            message=f"{run_folder} holds the run of another recipe, {written_by}",
            fix=f"choose another name than {name}, or delete that folder if its results are no longer wanted",
        )


def stages_make_the_duration(
    batches: BatchesSection, training: TrainingSection, timeline: Timeline
) -> Iterator[Finding]:
    """With stages, ``training.duration`` is left out, or says the same."""
    given = training.duration
    if not batches.stages or given is None:
        return
    if given.unit in ("tokens", "steps"):
        steps = int(given.amount) if given.unit == "steps" else timeline.steps_for(int(given.amount))
        if steps == timeline.steps:
            return
        message = f"{given} are {steps:,} steps, and the stages have {timeline.steps:,} ({timeline.tokens:,} tokens)"
    else:
        message = f"the stages say how long the training is: {timeline.tokens:,} tokens"
    yield Finding("training.duration", message, "remove it, or change the duration of a stage")


def contrastive_has_negatives(
    objective: ObjectiveBase, batches: BatchesSection, training: TrainingSection
) -> Iterator[Finding]:
    """A batch of ``contrastive`` holds other texts to tell a text from."""
    texts = training.batch.start // batches.longest_sequence
    if objective.type == "contrastive" and texts < 2:
        yield Finding(
            "training.batch_tokens",
            f"a batch is {texts} row of {batches.longest_sequence} tokens, and contrastive tells a text from the "
            "others of its batch: the loss would be 0 from the beginning",
            f"set it to 64 rows, {64 * batches.longest_sequence}, or more",
        )


def _while_reading() -> Iterator[Finding]:
    """The loader finds these problems before there are sections to check."""
    yield from ()


LOADING = [
    Rule(id, says, why, _while_reading)
    for id, says, why in (
        (
            "unreadable_file",
            "The recipe and the files that it extends exist and are UTF-8 text.",
            "A path with a typing error is the commonest reason for a recipe that does not load.",
        ),
        (
            "yaml_syntax",
            "The file is one YAML document with a map at its top.",
            "A tab or a missing colon can move a key into another section.",
        ),
        (
            "duplicate_key",
            "A key stands once in a map.",
            "YAML readers keep the last of two keys without a word, and the reader of the file believes the first.",
        ),
        (
            "extends_cycle",
            "Files do not extend each other in a circle.",
            "There would be no file to begin with.",
        ),
        (
            "malformed_override",
            "Overrides on the command line read `a.b=c`, and lists are indexed inside their length.",
            "An argument that is silently ignored trains another model than the one that was asked for.",
        ),
        (
            "unknown_key",
            "Every key belongs to its section.",
            "A misspelt key would leave the default in place, which shows only in the result.",
        ),
        ("missing_key", "Every required key is there.", "There is no value that would be right for every recipe."),
        (
            "wrong_type",
            "Every value has the type of its key: nothing is converted.",
            "A word that is read as a number or as false is a mistake that nobody sees.",
        ),
        (
            "wrong_value",
            "Every value is one of the choices, or within the bounds, of its key.",
            "A value out of bounds has no meaning, or fails hours later.",
        ),
    )
]

RECIPE = [
    Rule(
        "run_folder_of_another_recipe",
        "The run folder `runs/<name>` does not belong to another recipe that still exists.",
        "Two recipes with one name would take turns in overwriting each other's results.",
        run_folder_of_another_recipe,
    ),
    Rule(
        "stages_make_the_duration",
        "`training.duration` is left out where there are `batches.stages`, or comes to the same number of steps.",
        "The run is the sum of its stages; of two lengths one would be wrong.",
        stages_make_the_duration,
    ),
    Rule(
        "contrastive_has_negatives",
        "With `contrastive`, a batch has two rows or more.",
        "Every other text of the batch is a negative; alone, a text is nearest to itself and nothing is learnt.",
        contrastive_has_negatives,
    ),
]

ROOMS: dict[str, list[Rule]] = {
    "loading": LOADING,
    "recipe": RECIPE,
    "corpus": CORPUS,
    "tokenization": TOKENIZATION,
    "batching": BATCHING,
    "objectives": OBJECTIVES,
    "modeling": MODELING,
    "evaluation": EVALUATION,
    "training": TRAINING,
    "publishing": PUBLISHING,
}
"""Every rule there is, by room."""


def find(facts: Mapping[str, object]) -> Iterator[tuple[Rule, Finding]]:
    """What all the rules have to say.

    Args:
        facts: the arguments of rules by name: the valid sections, ``name``, ``base``, ``ranks``,
            ``available_tokens``, ``supply``, ``timeline``, ``run_folder``, ``recipe_path``. A rule that asks for
            anything that is not here is passed over: its section is not valid, which has been said already.
    """
    for rule in (rule for rules in ROOMS.values() for rule in rules):
        wanted = inspect.signature(rule.check).parameters
        if all(name in facts for name in wanted):
            yield from ((rule, finding) for finding in rule.check(**{name: facts[name] for name in wanted}))


def as_problem(rule: Rule, finding: Finding, data: object, origins: Mapping[str, Origin]) -> Problem:
    """A finding with the value that it is about and where that came from.

    Args:
        data: the recipe as plain data.
        origins: dotted key -> origin, of every value.
    """
    value = data
    for key in key_path(finding.path):
        try:
            value = value[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            value = None
            break
    where = str(nearest_origin(finding.path, origins))
    return Problem(rule.id, finding.path, finding.message, finding.fix, value, where, finding.hint)


def nearest_origin(path: str, origins: Mapping[str, Origin]) -> Origin | str:
    """The origin of ``path``, of the first value inside it, or of what it would stand in."""
    if path in origins:
        return origins[path]
    inside = next((origin for key, origin in origins.items() if key.startswith((f"{path}.", f"{path}["))), None)
    if inside is not None:
        return inside
    above = path.rpartition("[")[0] if path.endswith("]") else path.rpartition(".")[0]
    return nearest_origin(above, origins) if above else ""
