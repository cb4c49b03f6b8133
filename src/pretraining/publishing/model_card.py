"""The model card: the facts of the report in short, with front matter that the hub reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pretraining import formats
from pretraining.publishing.run_folder import Json, Run, read_run
from pretraining.publishing.usage import usage_of
from pretraining.templating import render


def write_model_card(run: Path, output_md: Path) -> None:
    """Write the model card of the run folder ``run``; the same files give the same bytes.

    Raises:
        DataError: a file of the run is missing or damaged; names the stage to run.
    """
    facts = read_run(run)
    card = render(
        "publishing",
        "model_card.md.j2",
        run=facts,
        usage=usage_of(facts.model_config),
        origin=_origin(facts),
        front_matter=front_matter(facts),
        removals=_removals(facts.ledger["steps"]),
        training=_training(facts),
        held_out=facts.results["held_out"],
        yardsticks=facts.results.get("yardsticks", []),
        samples=facts.results.get("samples", []),
    )
    output_md.write_text(re.sub(r"\n{3,}", "\n\n", card).rstrip() + "\n", "utf-8")


def front_matter(run: Run) -> str:
    """YAML for the hub (huggingface.co/docs/hub/model-cards): licence and languages only where they are known."""
    languages = sorted({s["language"] for s in run.ledger["sources"].values() if s.get("language")})
    facts: Json = {"library_name": "transformers", "tags": ["pretraining-handbook"]}
    if task := usage_of(run.model_config).pipeline_tag:
        facts["pipeline_tag"] = task
    if run.start and "@" in run.start:
        facts["base_model"] = run.start.partition("@")[0]
    if languages:
        facts["language"] = languages
    if license := run.section("publishing").get("license"):
        facts["license"] = str(license).lower()  # the hub's identifiers are SPDX's in lower case
    return str(yaml.safe_dump(facts, sort_keys=True, allow_unicode=True))


def _origin(run: Run) -> str:
    """How the weights began."""
    if run.start is None:
        return "pretrained from scratch"
    if "@" in run.start:
        return (
            f"trained further from the weights of [{run.start}](https://huggingface.co/{run.start.partition('@')[0]})"
        )
    return f"trained further from the weights of {run.section('model')['name_or_path']} (digest {run.start})"


def _removals(steps: list[Json]) -> list[tuple[str, str, Json]]:
    """(step, reason, amount) of what removed something."""
    found = [(step["step"], reason, amount) for step in steps for reason, amount in step["removed"].items()]
    return [removal for removal in found if removal[2]["documents"]]


def _training(run: Run) -> list[tuple[str, str]]:
    """Rows of the training table: what the recipe says, then what happened."""
    last, hardware = run.training[-1], run.manifest["hardware"]
    machine = ", ".join(hardware.get("accelerators") or []) or f"{hardware['processor']}, {hardware['cores']} cores"
    rows = [(f"{section}.{key}", value) for section in ("model", "training") for key, value in _leaves(run, section)]
    return [
        *rows,
        ("sequence length", ", ".join(map(formats.count, run.sequence_lengths))),
        ("steps", formats.count(last["step"])),
        ("tokens", formats.count(run.tokens)),
        ("time", formats.duration(run.seconds)),
        (f"final training loss ({run.loss_unit})", formats.number(last["loss"])),
        ("hardware", machine),
    ]


def _leaves(run: Run, section: str) -> list[tuple[str, str]]:
    """Dotted keys and values of a section of the recipe; what was left open is left out."""

    def walk(value: Any, path: str) -> list[tuple[str, str]]:
        if isinstance(value, dict):
            return [leaf for key, inner in value.items() for leaf in walk(inner, f"{path}.{key}" if path else str(key))]
        known = value is not None and value != []
        return [(path, formats.without_local_folders(str(value)))] if known else []

    return walk(run.section(section), "")
