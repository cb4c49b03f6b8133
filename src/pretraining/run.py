"""A run: a recipe and the folder that it fills, and what the stages ask about the two."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.manifests import code_digest, digest, folder_digest
from pretraining.modeling.start import local_folder

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe
    from pretraining.training.job import Job

WITHOUT_EFFECT = (
    "corpus.executor.workers",
    "tokenizer.compare",
    "batches.max_epochs",
    "batches.mixture.max_epochs",
    "training.loader_workers",
    "training.log_every",
    "training.checkpoints",
    "training.trackers",
)
"""Keys that may change without anything having to run again."""


def _state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of change of all files in a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


@functools.cache
def _unchanged(folder: Path, state: tuple[tuple[str, int, int], ...]) -> str:
    """``folder_digest``, once for each state: weights are large, and several stages ask."""
    return folder_digest(folder)


@dataclass(frozen=True)
class Run:
    """A recipe and the folder that it fills."""

    loaded: LoadedRecipe
    folder: Path
    progress: bool = True
    accelerate_config: str | None = None
    lock: int | None = None
    debug: bool = False
    allow_different_data: bool = False

    def warn(self, text: str) -> None:
        """A line on stderr that is not an error."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    @property
    def arguments(self) -> str:
        """Recipe and overrides as they were typed, for messages that name a command."""
        return shlex.join([str(self.loaded.path), *self.loaded.overrides])

    def section(self, *keys: str) -> dict[str, Any]:
        """Resolved values under dotted keys, as plain data, without the keys that change nothing in the output."""
        resolved = json.loads(json.dumps(self.loaded.resolved()))
        for key in WITHOUT_EFFECT:
            *parents, last = key.split(".")
            value = resolved
            for part in parents:
                value = value.get(part, {})
            value.pop(last, None)
        # A key that is None by default is not in plain data.
        return {
            key: functools.reduce(lambda value, part: (value or {}).get(part), key.split("."), resolved) for key in keys
        }

    def corpus_inputs(self) -> str:
        """Digest of the source files, the files that steps name, and the room's code."""
        from pretraining.corpus.inputs import input_state

        return digest([input_state(self.loaded.recipe.corpus, self.loaded.base), code_digest(("corpus",))])

    def tokenizer_inputs(self) -> str:
        """Digest of the tokens that the stages' objectives need, and of the folder with the pretrained tokenizer."""
        name = self.loaded.recipe.tokenizer.name_or_path
        folder = folder_digest(self.loaded.base / name) if name and (self.loaded.base / name).is_dir() else None
        return digest([self.objective_tokens(), folder])

    def start_weights(self) -> str | None:
        """Digest of the weights that training starts from: of a folder its files, of a repository its name."""
        model = self.loaded.recipe.model
        folder = local_folder(model, self.loaded.base)
        if model.name_or_path is None:
            return None
        return (
            _unchanged(folder, _state(folder))
            if folder is not None
            else f"{model.name_or_path}@{model.revision or 'main'}"
        )

    def job(self) -> Job:
        """What the training needs to know."""
        from pretraining.training.job import Job

        recipe = self.loaded.recipe
        return Job(
            self.folder,
            recipe.seed,
            recipe.batches,
            recipe.objective,
            recipe.model,
            recipe.training,
            base=self.loaded.base,
            start=self.start_weights(),
        )

    def objective_tokens(self) -> tuple[list[str], list[str]]:
        """(special tokens, token roles) that the objective needs with the options of any stage, each once."""
        from pretraining.objectives.config import with_options

        recipe = self.loaded.recipe
        stages = [with_options(recipe.objective, stage.objective) for stage in recipe.batches.stages]
        stages = stages or [recipe.objective]
        tokens = dict.fromkeys(token for objective in stages for token in objective.special_tokens())
        return list(tokens), list(dict.fromkeys(role for objective in stages for role in objective.token_roles()))

    @property
    def corpus_work(self) -> Path:
        """Where a build of the corpus that was stopped goes on, and measurements are kept."""
        return self.folder / "corpus.work"

    @property
    def tokens_work(self) -> Path:
        """Where an encoding that was stopped goes on."""
        return self.folder / "tokens.work"
