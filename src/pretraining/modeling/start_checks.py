"""The rules about weights to start from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pretraining.errors import ModelError
from pretraining.modeling.carriers import known_architectures
from pretraining.modeling.config import ModelSection
from pretraining.modeling.start import (
    NO_GENERATOR,
    contradictions,
    damaged_weights,
    local_folder,
    other_architecture,
    read_config,
)
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.section import Finding, Rule
from pretraining.tokenization.checks import no_folder
from pretraining.tokenization.config import TokenizerSection

_PATH = "model.name_or_path"


def start_is_there(model: ModelSection, base: Path) -> Iterator[Finding]:
    """A local folder holds the config and the safetensors of this architecture; of the hub only the stage can tell."""
    if model.name_or_path is None:
        if model.revision is not None:
            yield Finding("model.revision", "there is no model.name_or_path for it", f"remove it, or set {_PATH}")
        return
    if not model.name_or_path:
        yield Finding(_PATH, "this names no weights", "write a folder or a repository of the hub, or remove the key")
        return
    folder = local_folder(model, base)
    if folder is not None and model.revision is not None:
        yield Finding("model.revision", f"{folder} is a folder, which has no revisions", "remove it")
    if folder is None:
        yield from no_folder(_PATH, model.name_or_path, base, "a model")
        return
    try:
        saved = read_config(folder)
        wrong = other_architecture(model, saved)
    except ModelError as error:
        yield Finding(_PATH, str(error), "write a folder that `save_pretrained` has written, such as `model/` of a run")
        return
    if wrong:
        yield Finding(_PATH, wrong, "set model.architecture to theirs, or name other weights")
    elif not any(folder.glob("*.safetensors")):
        message = f"{folder} has no safetensors, and weights in other formats are not read: they may hold code"
        yield Finding(_PATH, message, "save them again with transformers: from_pretrained(...).save_pretrained(...)")
    elif damage := damaged_weights(folder):
        yield Finding(_PATH, damage, "get the weights again, or name others")


def start_is_of_this_build(model: ModelSection, base: Path) -> Iterator[Finding]:
    """No size of the recipe contradicts the weights."""
    folder = local_folder(model, base)
    if folder is None or model.architecture not in known_architectures():
        return
    try:
        saved = read_config(folder)
    except ModelError:
        return  # start_is_there has said so
    if other_architecture(model, saved) is None:
        for key, _, there in contradictions(saved, model):
            fix = f"remove it, for it is taken from them, or set it to {str(there).lower()} where it is inherited"
            yield Finding(f"model.{key}", f"the weights to start from have {there}", fix)


def start_is_another_run(model: ModelSection, base: Path, run_folder: Path) -> Iterator[Finding]:
    """The weights are not the output of the very run that starts from them."""
    folder = local_folder(model, base)
    if folder is not None and folder.resolve().is_relative_to(run_folder.resolve()):
        message = f"these weights are in {run_folder}, the folder of this run, which replaces them"
        yield Finding(_PATH, message, "give this recipe another name")


def start_has_its_tokenizer(model: ModelSection, tokenizer: TokenizerSection, base: Path) -> Iterator[Finding]:
    """Weights go with the ids that they were trained on."""
    if model.name_or_path and tokenizer.algorithm != "pretrained":
        yield Finding(
            "tokenizer.algorithm",
            f"the weights of {_PATH} know the ids of their own tokenizer, and this one is trained anew",
            f"set tokenizer.algorithm: pretrained and tokenizer.name_or_path: {model.name_or_path}",
        )
    elif model.name_or_path and tokenizer.name_or_path not in (None, model.name_or_path):
        ours, theirs = (_vocabulary(base / name) for name in (tokenizer.name_or_path or "", model.name_or_path))
        if ours is not None and theirs is not None and ours != theirs:
            yield Finding(
                "tokenizer.name_or_path",
                f"its tokens are not those of the tokenizer that stands beside the weights of {_PATH}",
                f"set it to {model.name_or_path}",
            )


def _vocabulary(folder: Path) -> object:
    """The learnt tokens with their ids, as the file has them; None where there is no such file."""
    try:
        return json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def start_fits_objective(model: ModelSection, objective: ObjectiveBase) -> Iterator[Finding]:
    """All that the objective trains can start from the weights."""
    if model.name_or_path and objective.type == "replaced_token_detection":
        yield Finding(_PATH, NO_GENERATOR, f"remove {_PATH}, or choose masked_lm for the weights of a generator")


RULES = [
    Rule(
        id="start_is_there",
        says="`model.name_or_path` is a folder with `config.json` and safetensors of this architecture, or on the hub.",
        why="Training would stop where it reads them, after the corpus and the tokens; a pickle may run any code.",
        check=start_is_there,
    ),
    Rule(
        id="start_is_of_this_build",
        says="Sizes, layers, heads and tied embeddings that the recipe gives are those of the weights to start from.",
        why="Other sizes cannot be filled with these weights; other heads or ties would make another model of them.",
        check=start_is_of_this_build,
    ),
    Rule(
        id="start_is_another_run",
        says="`model.name_or_path` is not in the folder of the run itself.",
        why="The run replaces these weights, and would never be up to date.",
        check=start_is_another_run,
    ),
    Rule(
        id="start_has_its_tokenizer",
        says="A run that starts from weights takes a `pretrained` tokenizer: theirs.",
        why="With other ids every embedding belongs to another token: the loss is that of new weights, or worse.",
        check=start_has_its_tokenizer,
    ),
    Rule(
        id="start_fits_objective",
        says="`replaced_token_detection` starts from new weights.",
        why="Only the discriminator is kept: a new generator beside it would fool nobody for a long time.",
        check=start_fits_objective,
    ),
]
