"""The facts of a run, read from the JSON files of its folder: the only source of the report and the model card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import yaml

from pretraining.errors import DataError

Json = dict[str, Any]

_SEVERAL = "nats, weighted sum of its terms"
_UNITS = {
    "causal_lm": "nats per token",
    "fill_in_the_middle": "nats per token",
    "contrastive": "nats per text",
    **dict.fromkeys(("replaced_token_detection", "sentence_pair", "multi_task"), _SEVERAL),
}
"""Of the training loss, by the objective; of any other, nats per target."""


@dataclass(frozen=True)
class Run:
    """What the stages of one run wrote; the fields are the files, in the order of the stages."""

    folder: Path
    recipe_text: str
    recipe: Json
    manifest: Json
    ledger: Json
    tokenizer: Json
    plan: Json
    training: list[Json]
    """Lines of ``metrics.jsonl`` with ``loss``."""
    held_out: list[Json]
    """Lines of ``metrics.jsonl`` with ``held_out_loss``."""
    model_config: Json
    parameters: int
    start: str | None
    """Where the training began, None for new weights: the digest of a folder, or ``repository@revision``."""
    results: Json

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self.manifest["name"])

    @property
    def tokens(self) -> int:
        """Tokens trained on."""
        return int(self.training[-1]["tokens"])

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return float(self.training[-1]["seconds"])

    @property
    def sequence_lengths(self) -> list[int]:
        """Tokens of a row, each length once, in the order in which the stages come to it."""
        return list(dict.fromkeys(int(stream["sequence_length"]) for stream in self.plan["streams"]))

    @property
    def objective(self) -> str:
        """``objective.type``."""
        return str(self.section("objective").get("type", "causal_lm"))

    @property
    def loss_unit(self) -> str:
        """What the values of the training loss are."""
        if self.section("objective").get("span_boundary"):
            return _SEVERAL
        return _UNITS.get(self.objective, "nats per target")

    @property
    def headline(self) -> list[tuple[str, float | None]]:
        """The two most telling figures of the evaluation by their names; fewer where there are no more."""
        held_out = self.results["held_out"]
        if "bits_per_byte" in held_out:
            return [(name.replace("_", " "), held_out[name]) for name in ("bits_per_byte", "token_perplexity")]
        return [(each["name"].replace("_", " "), each["value"]) for each in held_out["figures"][:2]]

    def section(self, name: str) -> Json:
        """A section of the resolved recipe; empty where the recipe does not have it."""
        return dict(self.recipe.get(name) or {})


def read_run(folder: Path) -> Run:
    """Read the files of a run folder.

    Raises:
        DataError: a file is missing (names the stage that writes it) or damaged.
    """
    text = _text(folder / "recipe.yaml", "run")
    metrics = list(_lines(folder / "metrics.jsonl", "train"))
    run = Run(
        folder=folder,
        recipe_text=text,
        recipe=yaml.safe_load(text) or {},
        manifest=_json(folder / "manifest.json", "run"),
        ledger=_json(folder / "corpus" / "ledger.json", "corpus"),
        tokenizer=_json(folder / "tokens" / "report.json", "tokens"),
        plan=_json(folder / "batches" / "plan.json", "tokens"),
        training=[line for line in metrics if "loss" in line],
        held_out=[line for line in metrics if "held_out_loss" in line],
        model_config=_json(folder / "model" / "config.json", "train"),
        parameters=count_parameters(folder / "model"),
        start=_json(folder / "model" / "manifest.json", "train").get("start"),
        results=_json(folder / "evaluation" / "results.json", "evaluate"),
    )
    if not run.training:
        raise DataError(f"{folder / 'metrics.jsonl'} has no line of training; run `pretrain train` first")
    return run


def count_parameters(model_folder: Path) -> int:
    """Elements of all the tensors in the model's safetensors files: shared weights are stored, and counted, once.

    Raises:
        DataError: there is no such file, or its header is damaged.
    """
    files = sorted(model_folder.glob("*.safetensors"))
    if not files:
        raise DataError(f"{model_folder} has no *.safetensors; run `pretrain train` first")
    return sum(prod(tensor["shape"]) for path in files for tensor in _header(path).values())


def removed_samples(folder: Path, each: int = 3) -> dict[str, list[Json]]:
    """The first ``each`` removed documents of every file in ``corpus/removed``, by ``step-reason``."""
    files = sorted((folder / "corpus" / "removed").glob("*.jsonl"))
    found = {path.stem: list(islice(_lines(path, "corpus"), each)) for path in files}
    return {name: samples for name, samples in found.items() if samples}


def _header(path: Path) -> Json:
    """The JSON header of a safetensors file: its length in eight bytes, little endian, then the JSON."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    except (ValueError, MemoryError, OverflowError) as error:
        raise DataError(f"{path} is damaged ({error}); run `pretrain train` again") from error
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}


def _text(path: Path, stage: str) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise DataError(f"{path} is missing; run `pretrain {stage}` first") from None


def _json(path: Path, stage: str) -> Json:
    try:
        return dict(json.loads(_text(path, stage)))
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); run `pretrain {stage}` again") from error


def _lines(path: Path, stage: str) -> Iterator[Json]:
    for number, line in enumerate(_text(path, stage).splitlines(), 1):
        try:
            yield dict(json.loads(line))
        except ValueError as error:
            raise DataError(f"{path}:{number} is damaged ({error}); run `pretrain {stage}` again") from error
