"""The command ``pretrain``: verbs only. Each parses its arguments, loads the recipe, and calls one function."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from pretraining.errors import Interrupted, UserError, shown_errors

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe
    from pretraining.stages import Run

app = typer.Typer(
    help="One recipe file takes raw text to an evaluated language model, in Hugging Face formats.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe file.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[a.b=c]...", help="Values that override the recipe's.")]
AccelerateConfig = Annotated[
    str | None,
    typer.Option(help="A file, or a name in accelerate_configs/. Default: single_gpu where there is a GPU, else cpu."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextlib.contextmanager
def command(debug: bool) -> Iterator[None]:
    """Errors as messages with their exit status; SIGTERM stops a stage as Ctrl-C does."""

    def terminated(number: int, frame: FrameType | None) -> None:
        raise Interrupted("stopped by SIGTERM; what was finished is kept, the same command goes on from there", number)

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        with shown_errors(debug=debug) as outcome:
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if outcome.exit_status:
        raise SystemExit(outcome.exit_status)


def load(recipe: Path, overrides: list[str] | None, *, ranks: int = 1) -> LoadedRecipe:
    """Read and check the recipe."""
    from pretraining.recipe.loading import load_recipe

    return load_recipe(recipe, overrides or (), ranks=ranks)


def run_stages(
    recipe: Path,
    overrides: list[str] | None,
    names: tuple[str, ...],
    *,
    debug: bool,
    accelerate_config: str | None = None,
) -> None:
    """Run the named stages in order, as far as they are not up to date, and the report after them."""
    from pretraining.manifests import run_lock
    from pretraining.stages import BY_NAME, Run, begin, refuse_other_training, run_stage

    loaded = load(recipe, overrides)
    folder = Path("runs") / loaded.recipe.name
    with run_lock(folder) as lock:
        run = Run(loaded, folder, sys.stderr.isatty(), accelerate_config, lock, debug)
        if "train" in names:
            refuse_other_training(run)
        begin(run)
        for name in names:
            if name == "report":
                report_run(run)
            else:
                run_stage(run, BY_NAME[name], say)


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


def say(text: str) -> None:
    """One line for the user."""
    print(text, flush=True)


ALL = ("corpus", "tokenizer", "tokens", "batches", "train", "evaluate", "report")


@app.command()
def run(
    recipe: RecipePath,
    overrides: Overrides = None,
    accelerate_config: AccelerateConfig = None,
    debug: Debug = False,
) -> None:
    """Every stage that is not up to date, in order, ending with a report."""
    with command(debug):
        run_stages(recipe, overrides, ALL, debug=debug, accelerate_config=accelerate_config)


@app.command()
def corpus(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Raw text to a clean, deduplicated dataset with a ledger."""
    with command(debug):
        run_stages(recipe, overrides, ("corpus",), debug=debug)


@app.command()
def tokenizer(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Train the tokenizer on the corpus."""
    with command(debug):
        run_stages(recipe, overrides, ("tokenizer",), debug=debug)


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
    debug: Debug = False,
) -> None:
    """Train the model with accelerate launch; goes on from the newest checkpoint."""
    with command(debug):
        run_stages(recipe, overrides, ("train",), debug=debug, accelerate_config=accelerate_config)


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


@app.command(name="try")
def try_document(  # noqa: PLR0917
    recipe: RecipePath,
    overrides: Overrides = None,
    text: Annotated[Path | None, typer.Option(help="A file with one document; - reads standard input.")] = None,
    language: Annotated[str | None, typer.Option(help="Its language as code_Script, like eng_Latn.")] = None,
    source: Annotated[str | None, typer.Option(help="The source that it shall be of. Default: the first.")] = None,
    sweep: Annotated[
        str | None, typer.Option(help="step.parameter=a,b,c: what these thresholds would remove.", metavar="SWEEP")
    ] = None,
    documents: Annotated[int, typer.Option(help="Documents to read for --sweep, if nothing is built yet.")] = 1000,
    debug: Debug = False,
) -> None:
    """What each step of the corpus measures and decides about one document, or what a threshold would remove."""
    with command(debug):
        from pretraining.corpus.trial_tables import print_sweep, print_trial

        loaded = load(recipe, overrides)
        section, base = loaded.recipe.corpus, loaded.base
        if (text is None) == (sweep is None):
            raise UserError("give either --text FILE or --sweep step.parameter=a,b,c")
        if text is not None:
            print_trial(section, text, base=base, language=language, source=source)
        else:
            assert sweep is not None
            ledger = Path("runs") / loaded.recipe.name / "corpus" / "ledger"
            print_sweep(section, sweep, base=base, ledger=ledger, documents=documents)


@app.command()
def rethreshold(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Decide again with the recipe's thresholds of now, from what was measured; documents are rescued or removed."""
    with command(debug):
        from pretraining.manifests import run_lock
        from pretraining.rethreshold import rethreshold_corpus
        from pretraining.stages import Run, begin

        loaded = load(recipe, overrides)
        folder = Path("runs") / loaded.recipe.name
        with run_lock(folder) as lock:
            run = Run(loaded, folder, sys.stderr.isatty(), None, lock, debug)
            begin(run)
            rethreshold_corpus(run, say)


@app.command()
def doctor(debug: Debug = False) -> None:
    """Try every block of the corpus on three lines of text: what works here, what is missing, where to put it."""
    with command(debug):
        from rich.console import Console

        from pretraining.corpus.doctor import doctor as examine
        from pretraining.corpus.doctor import exit_status, render

        checks = examine()
        Console().print(render(checks))
        raise SystemExit(exit_status(checks))


@app.command()
def train_classifier(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML: `positive`, `negative` and `kind`.")],
    output: Annotated[Path, typer.Option(help="The folder to make.")],
    debug: Debug = False,
) -> None:
    """Train a quality classifier on positive and negative sources; measured on examples that it did not learn from."""
    with command(debug):
        from pretraining.corpus.models.train_classifier import train_classifier as train_on
        from pretraining.corpus.sections.classifier_training import ClassifierTraining
        from pretraining.recipe.validation import validate_file

        train_on(validate_file(ClassifierTraining, config), output, base=config.parent, say=say)


@app.command()
def train_perplexity(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML: `type: train`, `source`, `order`, ...")],
    output: Annotated[Path, typer.Option(help="The ARPA file to write.")],
    debug: Debug = False,
) -> None:
    """Train an n-gram language model (Kneser-Ney) on a trusted source, for the `perplexity` step."""
    with command(debug):
        from pretraining.corpus.models.ngram_training import train_arpa
        from pretraining.corpus.sections.models import TrainedModel
        from pretraining.recipe.validation import validate_file

        train_arpa(validate_file(TrainedModel, config), output, base=config.parent)
        say(f"wrote {output}")


def main() -> None:
    """Entry point; arguments that typer refuses end with status 2, as all mistakes of the user."""
    app()


if __name__ == "__main__":
    main()
