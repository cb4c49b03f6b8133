"""``corpus/report.html``: what was removed and why, in one file that needs nothing else."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

from pretraining.corpus.readers import REASONS
from pretraining.corpus.report import figures, ngrams, samples
from pretraining.corpus.report.axis import NEAR, Histogram
from pretraining.corpus.report.data import Facts, Json
from pretraining.templating import render

UNREADABLE = 20
"""Unreadable records that are listed; ``ledger.json`` has more."""
SIZES = ((2, 2), (3, 3), (4, 4), (5, 9), (10, 99), (100, 999), (1000, None))
"""Clusters of duplicates are counted by size: from, to."""


def write_corpus_report(facts: Facts, output: Path) -> None:
    """Write the page; the same files give the same bytes.

    Args:
        facts: ``data.gather`` of the corpus folder.
        output: the file to write.
    """
    from markupsafe import Markup

    removed = samples.read_samples(facts.folder / "removed")
    html = render(
        "corpus",
        "corpus_report.html.j2",
        facts=facts,
        ledger=facts.ledger,
        unreadable=facts.ledger["unreadable"][:UNREADABLE],
        fixes=_fixes(facts),
        removals={step: list(rules) for step, rules in groupby(facts.removals, key=lambda removal: removal.step)},
        by_source=_by_source(facts),
        languages=_languages(facts),
        histograms=[(h, Markup(figures.histogram(h)), _captions(h)) for h in facts.rows.histograms],
        constant=facts.rows.constant,
        near=NEAR,
        clusters={step: _clusters(copies) for step, copies in facts.rows.copies.items()},
        similarity={step: Markup(figures.similarities(counts, step)) for step, counts in facts.rows.similarity.items()},
        pairs=samples.pairs(facts.folder, removed, facts.twins),
        edits=_edits(facts),
        removed=_browser(facts, removed),
        ngrams=ngrams.top_ngrams(facts.folder, facts.declared),
        notes=_notes(facts),
    )
    output.write_text(html, "utf-8")


def _fixes(facts: Facts) -> dict[str, tuple[int, list[str]]]:
    """Reason of what could not be read: records, what to do (every second piece is code)."""
    counts = {reason: count["documents"] for reason, count in facts.ledger["steps"][0]["removed"].items()}
    return {reason: (number, REASONS[reason].split("`")) for reason, number in counts.items() if number}


def _by_source(facts: Facts) -> dict[str, list[int]]:
    """Step that removed something: documents of each source that it removed."""
    removed = [source["removed"] for source in facts.ledger["sources"].values()]
    return {
        step: [sum(count["documents"] for count in gone.get(step, {}).values()) for gone in removed]
        for step in dict.fromkeys(removal.step for removal in facts.removals)
    }


def _languages(facts: Facts) -> list[tuple[str, dict[str, list[int]]]]:
    """(language, counts), the one with most kept documents first."""
    found = facts.rows.languages.items()
    return sorted(found, key=lambda each: (-each[1]["kept"][0], -each[1]["removed"][0], each[0]))


def _captions(shown: Histogram) -> list[dict[str, Any]]:
    """For each rule of a histogram: its name, threshold, and how many documents are near it."""
    return [
        {"rule": threshold, "near": near if threshold.value else None}
        for threshold, near in zip(shown.thresholds, shown.near, strict=True)
    ]


def _clusters(copies: Counter[str]) -> list[dict[str, Any]]:
    """Clusters by size, the document that was kept included."""
    sizes = Counter(number + 1 for number in copies.values())
    rows = []
    for low, high in SIZES:
        inside = {size: n for size, n in sizes.items() if low <= size and (high is None or size <= high)}
        if inside:
            name = str(low) if low == high else f"{low:,} or more" if high is None else f"{low}–{high}"
            removed = sum((size - 1) * n for size, n in inside.items())
            rows.append({"size": name, "clusters": sum(inside.values()), "removed": removed})
    return rows


def _edits(facts: Facts) -> list[dict[str, Any]]:
    """Of every step that can edit: what it counted, and samples."""
    changed = {step: list(found) for step, found in groupby(_changed(facts), key=lambda sample: str(sample["step"]))}
    rows = []
    for step in facts.ledger["steps"]:
        if step["edits"]:
            counts = {name: number for name, number in step["edits"].items() if number}
            shown = [_change(sample) for sample in changed.get(step["step"], [])]
            rows.append({"step": step["step"], "bytes": step["bytes_edited"], "counts": counts, "samples": shown})
    return rows


def _changed(facts: Facts) -> list[Json]:
    return sorted(samples.read_samples(facts.folder / "changed"), key=lambda sample: str(sample["step"]))


def _change(sample: Json) -> dict[str, Any]:
    lines = samples.masked_difference(sample["diff"]) if "diff" in sample else None
    return {"id": sample["id"], "lines": lines, "after": samples.masked(sample.get("after", ""))}


def _browser(facts: Facts, removed: list[Json]) -> list[dict[str, Any]]:
    """Samples by step and reason, in the order of the steps."""
    found: dict[tuple[str, str], list[Json]] = {}
    for sample in removed:
        shown = {key: sample.get(key) for key in ("id", "source", "value", "duplicate_of")}
        found.setdefault((sample["step"], sample["reason"]), []).append(
            {**shown, "text": samples.masked(sample["text"])}
        )
    return [
        {"removal": removal, "samples": found[removal.step, removal.reason]}
        for removal in facts.removals
        if (removal.step, removal.reason) in found
    ]


def _notes(facts: Facts) -> list[str]:
    """What the page does not show, and why."""
    notes = []
    rows = facts.rows
    if rows.sampled:
        notes.append(
            f"Distributions, languages and duplicates are of {rows.read:,} of the {rows.whole:,} records, in blocks "
            "spread evenly over the ledger; clusters of duplicates look smaller than they are. All other numbers are "
            "of all records."
        )
    if not facts.section["keep_measurements"]:
        notes.append(
            "With keep_measurements: false, measuring stops at the first rule that removes a document: the rules after "
            "it know nothing about that document, and their distributions lack it."
        )
    off = {t.column for step in facts.steps.values() for t in step.thresholds if t.value is None}
    silent = [column for column in rows.unmeasured if column in off]
    never = [column for column in rows.unmeasured if column not in off]
    if silent:
        notes.append(f"Switched off, and not measured: {', '.join(silent)}.")
    if never:
        notes.append(f"On, but with a value for no document (it reached none, or applied to none): {', '.join(never)}.")
    if facts.section["keep_measurements"]:
        notes.append(
            "A document that a step before the first comparing one removed is shown as the steps after it left it, "
            "because they measured it too: its text can be shorter than what was judged, even empty."
        )
    notes.append(
        "Steps that compare documents, and all after the first of them, measure only what reached them. Values of the "
        "steps before are of all documents."
        if facts.section["keep_measurements"]
        else "Each step measures only what reached it."
    )
    notes.append(
        "Whatever looks like an e-mail address, a telephone number or the like is masked in all texts on this page, by "
        "patterns: names and postal addresses are not."
    )
    return notes
