"""The documents say what is true: links lead somewhere, commands run, every rule and every recipe is there."""

from __future__ import annotations

import inspect
import itertools
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from typer.testing import CliRunner

from pretraining import cli
from pretraining.batching.config import BatchesSection
from pretraining.objectives.config import MultiTaskSection, SingleObjective, TaskSection
from pretraining.objectives.sections.spans import DenoiserSection
from pretraining.recipe.loading import load_recipe
from pretraining.recipe.rules import render_rules
from pretraining.tokenization.config import TokenizerSection

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("recipes/**/*.md"),
        *ROOT.glob("*/README.md"),
        *ROOT.glob("src/**/*.md"),
    ]
    if ".venv" not in path.parts
)
RECIPES = sorted(path for path in ROOT.glob("recipes/*/*.yaml") if not path.parent.name.startswith("_"))
LOOKING = {"check", "explain", "diff", "schema", "recipes"}  # verbs that change nothing are really run


ASSETS_ASIDE = {
    "recipes/corpus_web/llama.yaml": ["corpus.steps[1].identifier=py3langid"],
    "recipes/corpus_zh/perplexity.yaml": ["corpus.steps[8].model.path=llama.yaml"],
}
"""Overrides with which a recipe needs no file that the package does not bring along."""


COMMANDS = [command for command in cli.app.registered_commands if command.callback]
WITH_VALUE = {
    *("--text", "--language", "--sweep", "--documents", "--output", "--accelerate-config"),
    *("--step", "--rank", "--ranks", "--grep"),
}


def with_data(recipe: Path, folder: Path) -> Path:
    """The recipe; where it reads a folder ``data/`` that nobody has fetched, a copy of it with such a folder."""
    texts = [path.read_text("utf-8") for path in recipe.parent.glob("*.yaml")]
    paths = re.findall(r"path: (data/[^,}\s]+)", "\n".join(texts))
    if not paths or (recipe.parent / "data").is_dir():
        return recipe
    shutil.copytree(ROOT / "recipes", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data"))
    copy = folder / recipe.relative_to(ROOT / "recipes")
    for path in paths:
        file = copy.parent / path.replace("*", "1")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as empty:
            empty.truncate(10_000_000)  # what `enough_tokens` counts
    return copy


def commands() -> list[tuple[str, str]]:
    """(page, command) of every line in the shell blocks of the documents."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:bash|console|sh)\n(.*?)```", page.read_text("utf-8"), re.S):
            lines = block.replace("\\\n", " ").splitlines()
            prompted = [line[2:] for line in lines if line.startswith("$ ")]
            found += [(page.name, line) for line in prompted or lines if line.strip() and not line.startswith("#")]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page.read_text("utf-8")):
        link = target[0] or target[1]
        if not link.startswith(("http://", "https://", "#", "mailto:")):
            assert (page.parent / link.partition("#")[0]).exists(), f"{page}: {link}"


@pytest.mark.parametrize(("page", "command"), commands())
def test_commands_are_right(page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = [word for word in shlex.split(command, comments=True) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    words = [word.removeprefix(".venv/bin/") for word in words]
    if not words:
        return
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert set(words[1:]) <= set(targets)
    elif words[0] == "pretrain":
        check_pretrain(words[1:], tmp_path)
    elif words[:2] in (["accelerate", "launch"], ["torchrun", "--nproc_per_node"]):
        if "--config_file" in words:
            assert (ROOT / words[words.index("--config_file") + 1]).is_file()
        module = words.index("pretraining.train")
        load_recipe(Path(words[module + 1]), [word for word in words[module + 2 :] if "=" in word])
    elif words[0] == "python" and words[1] == "-m" and words[2] == "pytest":
        assert all((ROOT / word).exists() for word in words[3:] if word.startswith("tests"))
    elif words[0] in ("python", "bash"):
        assert (ROOT / words[1]).is_file()
    else:
        assert words[0] in {"git", "cd", "source", "pip", "pre-commit", "kill"}, f"{page}: what is {command!r}?"


def check_pretrain(words: list[str], folder: Path) -> None:
    """Run a command that only looks; of the others, check the verb, the options, and the recipe with its overrides."""
    aside = [override for word in words for override in ASSETS_ASIDE.get(word, ())]
    words = [str(with_data(ROOT / word, folder)) if ROOT / word in RECIPES else word for word in words] + aside
    if words[0] in LOOKING:
        result = CliRunner().invoke(cli.app, words)
        assert result.exit_code == 0, result.stderr
        return
    verbs = {command.name or command.callback.__name__.replace("_", "-"): command for command in COMMANDS}
    assert words[0] in verbs
    if "--help" in words or words[0] == "doctor":
        return
    rest = []
    for before, word in itertools.pairwise(words):
        if word.startswith("--"):
            assert word.removeprefix("--").replace("-", "_") in inspect.signature(verbs[words[0]].callback).parameters
        elif before not in WITH_VALUE:
            rest.append(word)
    if words[0] == "train-classifier":
        assert "--output" in words
    else:
        load_recipe(Path(rest[0]), rest[1:])


def test_the_page_of_rules_is_up_to_date() -> None:
    assert (ROOT / "recipes" / "RULES.md").read_text("utf-8") == render_rules()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(ROOT)))
def test_recipes_are_valid_and_their_family_has_a_page(path: Path, tmp_path: Path) -> None:
    loaded = load_recipe(with_data(path, tmp_path), ASSETS_ASIDE.get(str(path.relative_to(ROOT)), ()))
    assert path.name in (path.parent / "README.md").read_text("utf-8")
    assert path.read_text("utf-8").startswith("# ")
    family = path.parent.name
    (row,) = re.findall(rf"^\| \[{family}\]\(.*$", (ROOT / "recipes" / "README.md").read_text("utf-8"), re.M)
    for cell in (
        f"`{loaded.recipe.objective.type}`",
        f"`{loaded.recipe.model.architecture}`",
        f"]({family}/{path.name})",
    ):
        assert cell in row, f"recipes/README.md, the row of {family}: no {cell}"


def test_the_reference_of_recipes_has_every_key() -> None:
    page = (ROOT / "recipes" / "README.md").read_text("utf-8")
    single, _ = get_args(SingleObjective)
    for section in (
        *get_args(single),
        DenoiserSection,
        TaskSection,
        MultiTaskSection,
        TokenizerSection,
        BatchesSection,
    ):
        for key in section.model_fields:
            assert re.search(rf"[`{{ ]{key}[`:]", page), f"recipes/README.md says nothing of {key} ({section.__name__})"


def test_every_benchmark_has_a_row() -> None:
    folder = ROOT / "tests" / "benchmarks"
    rows = re.findall(r"^\| \[([^\]]+)\]\(\1\) \|", (folder / "README.md").read_text("utf-8"), re.M)
    scripts = {path.name for path in folder.glob("*.py") if "__main__" in path.read_text("utf-8")}
    assert scripts == set(rows) and len(rows) == len(set(rows))


def test_every_accelerate_config_is_explained_and_has_its_reason() -> None:
    page = (ROOT / "accelerate_configs" / "README.md").read_text("utf-8")
    for path in (ROOT / "accelerate_configs").glob("*.yaml"):
        assert path.name in page
        assert path.read_text("utf-8").startswith("# ")
        assert yaml.safe_load(path.read_text("utf-8"))["num_processes"] >= 1


def test_the_command_table_of_the_readme_is_complete() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    for command in cli.app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        assert f"`pretrain {name}" in page or f"/ {name}" in page


def test_help_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pretraining.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "One recipe file" in done.stdout
    assert "torch" not in done.stderr and "transformers" not in done.stderr
