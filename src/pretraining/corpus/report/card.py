"""``corpus/README.md``: the dataset card, with front matter that ``datasets`` and the hub read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pretraining.corpus.models.language_codes import ISO_639_3
from pretraining.corpus.report.data import Facts
from pretraining.corpus.report.rules import StepFacts
from pretraining.formats import without_local_folders
from pretraining.templating import render

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
LARGER = ((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"))
LARGEST = "100B<n<1T"
SPOKEN = 0.01
"""A language with a smaller share of the kept documents is not named in the front matter."""
LICENSE_IDS = re.compile(
    r"(cc0|cc-by|apache|mit$|bsd|gpl|lgpl|agpl|mpl|odc|odbl|pddl|unlicense|wtfpl|zlib|isc|gfdl)\S*$"
)
"""How the hub's identifiers of licences begin (SPDX's in lower case); another licence is ``other``."""
_TWO_LETTERS = {long: short for short, long in reversed(ISO_639_3.items()) if len(short) == 2}


def write_dataset_card(facts: Facts, output: Path) -> None:
    """Write the card; the same files give the same bytes.

    Args:
        facts: ``data.gather`` of the corpus folder.
        output: the file to write. In that folder as ``README.md``, ``load_dataset(folder)`` finds the splits by it.
    """
    card = render(
        "corpus",
        "dataset_card.md.j2",
        facts=facts,
        ledger=facts.ledger,
        front_matter=front_matter(facts),
        languages=_languages(facts),
        steps=[_step(facts.steps[step["step"]], step) for step in facts.ledger["steps"] if step["step"] in facts.steps],
    )
    output.write_text(re.sub(r"\n{3,}", "\n\n", card).rstrip() + "\n", "utf-8")


def front_matter(facts: Facts) -> str:
    """YAML for the hub (huggingface.co/docs/hub/datasets-cards): where the data is, licences and languages if known."""
    splits = [name for name in ("train", "validation") if any(facts.folder.glob(f"{name}-*.parquet"))]
    data = [{"split": name, "path": f"{name}-*.parquet"} for name in splits]
    found: dict[str, Any] = {
        "configs": [
            {"config_name": "default", "data_files": data, "default": True},
            {"config_name": "ledger", "data_files": [{"split": "records", "path": "ledger/*.parquet"}]},
        ],
        "license": _licenses(facts),
        "size_categories": [_size(facts.ledger["documents"]["kept"])],
        "tags": ["pretraining-handbook"],
        "task_categories": ["text-generation"],
    }
    kept = facts.ledger["documents"]["kept"]
    spoken = [name for name, (documents, _) in _languages(facts) if name and documents >= SPOKEN * kept]
    if spoken:
        found["language"] = sorted({language_code(name) for name in spoken})
    return str(yaml.safe_dump(found, sort_keys=True, allow_unicode=True))


def language_code(language: str) -> str:
    """``eng_Latn`` -> ``en``: ISO 639-1 where there is such a code, as the hub writes languages; else ISO 639-3."""
    code = language.partition("_")[0]
    return _TWO_LETTERS.get(code, code)


def _licenses(facts: Facts) -> str | list[str]:
    stated = {source["license"] for source in facts.ledger["sources"].values()}
    names = {"unknown" if not name else _license(str(name)) for name in stated}
    return names.pop() if len(names) == 1 else sorted(names)


def _license(name: str) -> str:
    """The hub's identifier of a licence."""
    short = name.strip().lower()
    return short if LICENSE_IDS.match(short) else "other"


def _size(documents: int) -> str:
    return next((name for most, name in (*SIZES, *LARGER) if documents < most), LARGEST)


def _languages(facts: Facts) -> list[tuple[str, list[int]]]:
    """(language, documents and bytes kept), the largest first."""
    found = [(name, counts["kept"]) for name, counts in facts.rows.languages.items() if counts["kept"][0]]
    return sorted(found, key=lambda each: (-each[1][0], each[0]))


def _step(step: StepFacts, counts: dict[str, Any]) -> dict[str, Any]:
    """A step for the card: what it does, its numbers, what it did."""
    settings = {
        key: without_local_folders(yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True))
        for key, value in step.settings.items()
        if value not in ([], {})
    }
    return {
        "name": step.name,
        "told": step.told,
        "settings": {key: text.removesuffix("\n...\n").strip() for key, text in settings.items()},
        "counts": counts,
        "removed": sum(count["documents"] for count in counts["removed"].values()),
    }
