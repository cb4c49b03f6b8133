"""The verbs of ``pretrain`` that look at a corpus, or make what its steps need."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pretraining.cli_arguments import Debug, Overrides, RecipePath, command, load, say
from pretraining.errors import UserError


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


def rethreshold(recipe: RecipePath, overrides: Overrides = None, debug: Debug = False) -> None:
    """Decide again with the recipe's thresholds of now, from what was measured; documents are rescued or removed."""
    with command(debug):
        from pretraining.manifests import run_lock
        from pretraining.rethreshold import rethreshold_corpus
        from pretraining.run import Run
        from pretraining.stages import begin

        loaded = load(recipe, overrides)
        folder = Path("runs") / loaded.recipe.name
        with run_lock(folder) as lock:
            run = Run(loaded, folder, sys.stderr.isatty(), None, lock, debug)
            begin(run)
            rethreshold_corpus(run, say)


def doctor(debug: Debug = False) -> None:
    """Try every block of the corpus on three lines of text: what works here, what is missing, where to put it."""
    with command(debug):
        from rich.console import Console

        from pretraining.corpus.doctor import doctor as examine
        from pretraining.corpus.doctor import exit_status, render

        checks = examine()
        Console().print(render(checks))
        raise SystemExit(exit_status(checks))


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


VERBS: dict[str, Callable[..., None]] = {
    "try": try_document,
    "rethreshold": rethreshold,
    "doctor": doctor,
    "train-classifier": train_classifier,
    "train-perplexity": train_perplexity,
}
"""Name on the command line -> what it does."""
