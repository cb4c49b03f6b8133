"""The command ``pretrain``: verbs only. Each parses its arguments, loads the recipe, and calls one function."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pretraining import cli_corpus
from pretraining.cli_arguments import (
    AccelerateConfig,
    AllowDifferentData,
    Debug,
    Overrides,
    RecipePath,
    command,
    load,
    say,
)
from pretraining.errors import UserError

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe
    from pretraining.run import Run

app = typer.Typer(
    help="One recipe file takes raw text to an evaluated language model, in Hugging Face formats.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def run_stages(
    recipe: Path,
    overrides: list[str] | None,
    names: tuple[str, ...],
    *,
    debug: bool,
    accelerate_config: str | None = None,
    allow_different_data: bool = False,
) -> None:
    """Run the named stages in order, as far as they are not up to date, and the report after them."""
    from pretraining.manifests import run_lock
    from pretraining.run import Run
    from pretraining.stages import BY_NAME, begin, refuse_other_training, run_stage
    from pretraining.tokenizer_report import report_tokenizer

    loaded = load(recipe, overrides)
    folder = Path("runs") / loaded.recipe.name
    with run_lock(folder) as lock:
        run = Run(loaded, folder, sys.stderr.isatty(), accelerate_config, lock, debug, allow_different_data)
        if "train" in names:
            refuse_other_training(run)
        begin(run)
        if "batches" in names:
            tell(loaded)
        for name in names:
            if name == "report":
                report_run(run)
            elif name == "tokenizer_report":
                report_tokenizer(run, say)
            else:
                run_stage(run, BY_NAME[name], say)


def tell(loaded: LoadedRecipe) -> None:
    """What is right in a recipe and worth being said."""
    for note in loaded.notes:
        say(f"{'note':<10} {note}")


def report_run(run: Run) -> None:
    """``report.html``, and the model card in the run folder and beside the model."""
    import shutil

    from pretraining.manifests import write_text
    from pretraining.publishing.model_card import write_model_card
    from pretraining.publishing.report import write_report
    from pretraining.stages import record

    record(run)
    temporary = run.folder / ".report.html.tmp"
    write_report(run.folder, temporary)
    temporary.replace(run.folder / "report.html")
    card = run.folder / ".README.md.tmp"
    write_model_card(run.folder, card)
    write_text(run.folder / "model" / "README.md", card.read_text("utf-8"))
    shutil.move(card, run.folder / "README.md")
    say(f"{'report':<10} {run.folder / 'report.html'}, model card {run.folder / 'README.md'}")


TOKENIZER = ("tokenizer", "tokens", "tokenizer_report")
ALL = ("corpus", *TOKENIZER, "batches", "train", "evaluate", "report")


@app.command()
def run(
    recipe: RecipePath,
    overrides: Overrides = None,
    accelerate_config: AccelerateConfig = None,
    allow_different_data: AllowDifferentData = False,
    debug: Debug = False,
) -> None:
    """Every stage that is not up to date, in order, ending with a report."""
    with command(debug):
        run_stages(
            recipe,
            overrides,
            ALL,
            debug=debug,
            accelerate_config=accelerate_config,
            allow_different_data=allow_different_data,
        )


@app.command()
def corpus(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Raw text to a clean, deduplicated dataset with a ledger."""
    with command(debug):
        run_stages(recipe, overrides, ("corpus",), debug=debug)


@app.command()
def tokenizer(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Train the tokenizer, encode the corpus with it, and report what it does to the text, beside others."""
    with command(debug):
        run_stages(recipe, overrides, TOKENIZER, debug=debug)


@app.command()
def tokens(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Write the token store and the batch plan."""
    with command(debug):
        run_stages(recipe, overrides, ("tokens", "batches"), debug=debug)


@app.command()
def train(
    recipe: RecipePath,
    overrides: Overrides = None,
    accelerate_config: AccelerateConfig = None,
    allow_different_data: AllowDifferentData = False,
    debug: Debug = False,
) -> None:
    """Train the model with accelerate launch; goes on from the newest checkpoint."""
    with command(debug):
        run_stages(
            recipe,
            overrides,
            ("train",),
            debug=debug,
            accelerate_config=accelerate_config,
            allow_different_data=allow_different_data,
        )


@app.command()
def evaluate(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Bits per byte, perplexity, yardsticks and samples of the finished model."""
    with command(debug):
        run_stages(recipe, overrides, ("evaluate",), debug=debug)


@app.command()
def report(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Write report.html and the model card."""
    with command(debug):
        run_stages(recipe, overrides, ("report",), debug=debug)


@app.command()
def check(
    recipe: RecipePath,
    overrides: Overrides = None,
    accelerate_config: AccelerateConfig = None,
    debug: Debug = False,
) -> None:
    """All the problems of a recipe at once, in under a second."""
    with command(debug):
        loaded = load(recipe, overrides, ranks=launched_ranks(accelerate_config))
        tell(loaded)
        say(f"{recipe}: no problems; the run folder is {Path('runs') / loaded.recipe.name}")


def launched_ranks(accelerate_config: str | None) -> int:
    """``num_processes`` of an accelerate config; 1 when none is named."""
    if accelerate_config is None:
        return 1
    import yaml

    from pretraining.launch import find_accelerate_config

    path = find_accelerate_config(accelerate_config)
    ranks = (yaml.safe_load(path.read_text("utf-8")) or {}).get("num_processes", 1)
    if not isinstance(ranks, int) or ranks < 1:
        raise UserError(f"{path}: num_processes must be a number of processes, not {ranks!r}")
    return ranks


@app.command()
def explain(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Every effective value and where it came from."""
    with command(debug):
        from pretraining.recipe.explain import explain as text

        say(text(load(recipe, overrides)))


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A recipe file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    debug: Debug = False,
) -> None:
    """Only what differs between two recipes."""
    with command(debug):
        from pretraining.recipe.explain import diff as text

        say(text(load(a, None), load(b, None)))


@app.command()
def schema(debug: Debug = False) -> None:
    """The JSON schema of recipes, for completion in editors."""
    with command(debug):
        import json

        from pretraining.recipe.explain import schema as data

        say(json.dumps(data(), indent=2))


@app.command()
def recipes(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("recipes"), debug: Debug = False
) -> None:
    """The recipes of a folder, with one line each."""
    with command(debug):
        from pretraining.recipe.explain import recipes as found

        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder; name the one that holds the recipes")
        for path, line in found(folder):
            say(f"{path}  {line}")


@app.command()
def replay(  # noqa: PLR0917
    recipe: RecipePath,
    overrides: Overrides = None,
    step: Annotated[
        int | None, typer.Option(help="Show what training takes at this step, as its log counts: from 1.")
    ] = None,
    rank: Annotated[
        int | None, typer.Option(help="Only the samples of this rank, counted from 0; with --ranks.")
    ] = None,
    ranks: Annotated[int, typer.Option(help="Processes that train.")] = 1,
    grep: Annotated[
        str | None, typer.Option(help="Show at which steps documents are seen: an id, a part of one, or text.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Whole texts, and every document and step found.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same for a program.")] = False,
    debug: Debug = False,
) -> None:
    """The documents and pieces of a step, decoded; or the steps at which a document is seen."""
    with command(debug):
        from pretraining.replay import Replay
        from pretraining.replay_text import print_step, print_traces
        from pretraining.run import Run

        if (step is None) == (grep is None):
            raise UserError("give either --step N or --grep TEXT")
        loaded = load(recipe, overrides)
        found = Replay(Run(loaded, Path("runs") / loaded.recipe.name))
        if step is not None:
            print_step(found, step, say, rank=rank, ranks=ranks, full=full, json=json)
        elif grep is not None:
            print_traces(found, grep, say, full=full, json=json)


for name, verb in cli_corpus.VERBS.items():
    app.command(name=name)(verb)


def main() -> None:
    """Entry point; arguments that typer refuses end with status 2, as all mistakes of the user."""
    app()


if __name__ == "__main__":
    main()
