"""``tokenizer/report.html``: what a tokenizer does to the text, on one page that needs nothing else."""

from __future__ import annotations

from typing import Any

from pretraining.formats import number, without_local_folders
from pretraining.templating import render
from pretraining.tokenization.picture import COLOURS, Group, bars

OWN = "this tokenizer"
MOST_GROUPS = 16
"""Of the picture; the tables have all."""
LOSSES = {
    "white_space": "only white space differs",
    "case": "upper and lower case differ, perhaps white space too",
    "unicode": "accents or forms of characters differ, perhaps case and white space too",
    "unknown": "something is not in the vocabulary and became the unknown token",
    "other": "something else differs",
}


def render_report(report: dict[str, Any]) -> str:
    """The page for what is in ``tokenizer/report.json``."""
    from markupsafe import Markup

    compared = report["comparison"]["tokenizers"]
    series, groups = _groups(report["corpus"], compared)
    said = "Bytes per token: " + "; ".join(
        f"{label}: " + ", ".join(f"{name} {number(value, 2)}" for name, value in zip(series, values, strict=True))
        for label, values in groups
    )
    return render(
        "tokenization",
        "tokenizer_report.html.j2",
        report=report,
        corpus=report["corpus"],
        compared=[{**each, "name": without_local_folders(each["name"])} for each in compared],
        picture=Markup(bars(series, groups, said=said)),  # escaped where it is made
        series=list(zip(series, (COLOURS[i % len(COLOURS)] for i in range(len(series))), strict=True)),
        losses=LOSSES,
    )


def _groups(corpus: dict[str, Any], compared: list[dict[str, Any]]) -> tuple[list[str], list[Group]]:
    """(names of the series, groups): of the side-by-side where there is one, else of the corpus."""
    figures = compared if len(compared) > 1 else [{"name": OWN, **corpus}]
    kind = "sources" if len(figures[0]["sources"]) > 1 else "languages"
    groups: list[Group] = [("everything", [each["all"]["bytes_per_token"] for each in figures])]
    if len(figures[0][kind]) > 1:
        groups += [(label, [each[kind][label]["bytes_per_token"] for each in figures]) for label in figures[0][kind]]
    return [without_local_folders(each["name"]) for each in figures], groups[:MOST_GROUPS]
