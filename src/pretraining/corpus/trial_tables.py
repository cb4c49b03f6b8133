"""The tables that ``pretrain try`` prints."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.trial import rows_of, sweep, try_text
from pretraining.errors import UserError


def print_trial(section: CorpusSection, path: Path, *, base: Path, language: str | None, source: str | None) -> None:
    """A row for every rule, then the decision and what was edited."""
    if str(path) != "-" and not path.is_file():
        raise UserError(f"{path} is not a file; --text names a file with one document")
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}); convert it first") from None
    if language is not None and not re.fullmatch("[a-z]{3}_[A-Z][a-z]{3}", language):
        raise UserError(f"--language {language}: write language and script as code_Script, like eng_Latn or cmn_Hani")
    trial = try_text(section, text, base=base, language=language, source=source)
    table = Table("step", "rule", "value", "threshold", "decision")
    for column in table.columns:
        column.overflow = "fold"
    for row in rows_of(trial):
        style = "bold red" if row["decision"] == "removes" else "" if row["decision"] == "keeps" else "red"
        table.add_row(*row.values(), style=style)
    console = Console()
    console.print(table)
    removed = trial.removed_by
    for step, edits in trial.edits.items():
        console.print(f"{step} edited: " + ", ".join(f"{edit} {n:,}" for edit, n in edits.items() if n))
    for step in trial.passed:
        console.print(f"{step} does not look at documents of this source or language")
    for step in trial.skipped:
        console.print(f"{step} compares documents; one alone cannot tell")
    console.print(
        "kept" if removed is None else f"removed by {removed.step}: {removed.rule}", highlight=False, soft_wrap=True
    )


def print_sweep(section: CorpusSection, text: str, *, base: Path, ledger: Path, documents: int) -> None:
    """A row for every threshold: documents and bytes that it would remove."""
    key, _, values = text.partition("=")
    try:
        thresholds = [None if value == "null" else float(value) for value in values.split(",")]
    except ValueError:
        raise UserError(f"{values!r} is not a list of numbers (or null); write --sweep step.parameter=a,b,c") from None
    known = ledger if ledger.is_dir() else None
    rule, rows, origin = sweep(section, key, thresholds, base=base, ledger=known, documents=documents)
    table = Table(key, "documents removed", "share", "bytes removed", "share")
    for row in rows:
        shares = [
            f"{part / max(whole, 1):.2%}"
            for part, whole in ((row.removed, row.documents), (row.bytes_removed, row.bytes))
        ]
        table.add_row(
            "null" if row.threshold is None else f"{row.threshold:g}",
            f"{row.removed:,} of {row.documents:,}",
            shares[0],
            f"{row.bytes_removed:,}",
            shares[1],
        )
    console = Console()
    console.print(table)
    console.print(
        f"{rule.reason}: removed if {rule.removes_if} the threshold; measured on {origin}",
        highlight=False,
        soft_wrap=True,
    )
