"""``report.html``: what happened in a run and what came of it, in one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pretraining.publishing.run_folder import Run, read_run, removed_samples
from pretraining.publishing.usage import usage_of
from pretraining.templating import render

CORPUS_REPORT = "corpus/report.html"
TOKENIZER_REPORT = "tokenizer/report.html"
UNREADABLE = 20
"""Unreadable records that the report lists; the ledger has more."""


def write_report(run: Path, output_html: Path) -> None:
    """Write the report of the run folder ``run``; the same files give the same bytes.

    Raises:
        DataError: a file of the run is missing or damaged; names the stage to run.
    """
    from markupsafe import Markup

    facts = read_run(run)
    html = render(
        "publishing",
        "report.html.j2",
        run=facts,
        usage=usage_of(facts.model_config),
        held_out=facts.results["held_out"],
        yardsticks=facts.results.get("yardsticks", []),
        samples=facts.results.get("samples", []),
        removed={name: list(map(_masked, samples)) for name, samples in removed_samples(run).items()},
        silent=sum(not amount["documents"] for step in facts.ledger["steps"] for amount in step["removed"].values()),
        corpus_report=CORPUS_REPORT if (run / CORPUS_REPORT).is_file() else None,
        tokenizer_report=TOKENIZER_REPORT if (run / TOKENIZER_REPORT).is_file() else None,
        unreadable=facts.ledger["unreadable"][:UNREADABLE],
        figures={name: Markup(svg) for name, svg in _figures(facts).items()},  # escaped where it is made
        curves=[Markup(svg) for svg in _curves(facts)],
    )
    output_html.write_text(html, "utf-8")


def _masked(sample: dict[str, Any]) -> dict[str, Any]:
    from pretraining.corpus.report.samples import masked

    return {**sample, "text": masked(sample.get("text") or "")}


def _figures(run: Run) -> dict[str, str]:
    from pretraining.publishing import figures

    drawn = {"funnel": figures.funnel(run.ledger["steps"])}
    if run.results.get("yardsticks"):
        held_out = run.results["held_out"]["bits_per_byte"]
        drawn["comparison"] = figures.comparison(held_out, run.results["yardsticks"])
    return drawn


def _curves(run: Run) -> list[str]:
    from pretraining.publishing import figures

    def line(label: str, key: str, rows: list[dict[str, Any]]) -> list[tuple[str, list[float], list[float]]]:
        known = [row for row in rows if row.get(key) is not None]
        return [(label, [row["tokens"] for row in known], [row[key] for row in known])] if known else []

    train = run.training
    loss = line("training", "loss", train) + line("held out", "held_out_loss", run.held_out)
    wanted = [
        figures.curve("Loss", run.loss_unit, loss),
        figures.curve("Learning rate", "", line("learning rate", "learning_rate", train), from_zero=True),
    ]
    if norms := line("gradient norm", "grad_norm", train):
        wanted.append(figures.curve("Gradient norm", "before clipping", norms, log=True))
    if speed := line("speed", "tokens_per_second", train):
        wanted.append(figures.curve("Speed", "tokens/s", speed, from_zero=True))
    return wanted
