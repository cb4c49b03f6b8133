"""Samples of what was removed and changed, as they may be shown: whatever looks like personal data is masked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pretraining.corpus.privacy.finder import redact
from pretraining.corpus.report.rows import ROWS

SHOWN, MARGIN = 500, 300
"""Characters of a text that are shown, and looked at beyond them, so that nothing is masked in half."""
EXAMPLES = 4
"""Pairs of duplicates that are shown for each step."""
COMPARED = 2_000
"""Characters of a document and its twin that are compared: ``removed/`` holds no more."""
BEFORE = 80
"""Characters before the first difference that are shown."""
EDGE = 100
"""Characters at the end of a text that was cut: half an address would not be found there."""
CUT = 900
"""Lines of a difference that are longer were cut when they were written."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A removed document and the one that it repeats, from where they differ."""

    id: str
    twin_id: str
    similarity: float | None
    text: str
    twin: str | None
    """None where it is not among the kept documents that were looked through."""
    skipped: int
    """Characters that are the same and left out at the beginning."""


def masked(text: str) -> str:
    """The beginning of a text without personal data that can be found by patterns."""
    part = text[: SHOWN + MARGIN]
    whole = redact(part)[0]
    if len(part) == len(text):
        return whole if len(whole) <= SHOWN else f"{whole[:SHOWN]} …"
    return f"{whole[: max(0, min(SHOWN, len(whole) - EDGE))]} …"


def masked_difference(diff: str) -> list[tuple[str, str]]:
    """(sign, text) of the lines of a unified difference: ``+``, ``-``, ``@`` or a blank."""
    lines = [(line[:1] or " ", line[1:]) for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    whole = redact("\n".join(text for _, text in lines))[0].split("\n")
    texts = whole if len(whole) == len(lines) else [redact(text)[0] for _, text in lines]
    shown = [text if len(text) <= CUT else f"{text[:CUT]} …" for text in texts]
    return [(sign, f"@{text}" if sign == "@" else text) for (sign, _), text in zip(lines, shown, strict=True)]


def language_of(metadata: str | None) -> str | None:
    """What a document's metadata says about its language."""
    found = json.loads(metadata).get("language") if metadata and '"language"' in metadata else None
    return found if isinstance(found, str) else None


def read_samples(folder: Path) -> list[Json]:
    """All lines of the JSON Lines files of ``removed/`` or ``changed/``, by file name."""
    paths = sorted(folder.glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def pairs(folder: Path, samples: Iterable[Json], steps: Iterable[str]) -> dict[str, list[Pair]]:
    """For each of the steps, some of its samples beside their twins."""
    chosen: dict[str, list[Json]] = {step: [] for step in steps}
    for sample in samples:
        if sample.get("duplicate_of") and sample["step"] in chosen and len(chosen[sample["step"]]) < EXAMPLES:
            chosen[sample["step"]].append(sample)
    texts = _texts(folder, {sample["duplicate_of"] for each in chosen.values() for sample in each})
    return {
        step: [_pair(sample, texts.get(sample["duplicate_of"])) for sample in each]
        for step, each in chosen.items()
        if each
    }


def _pair(sample: Json, twin: str | None) -> Pair:
    text = _beginning(sample["text"])
    other = None if twin is None else _beginning(twin)
    same = 0
    if other is not None:
        same = next(
            (i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other))
        )
    skipped = same - BEFORE if same > SHOWN // 2 and same < len(text) - 10 else 0
    mark = "… " if skipped else ""
    shown = [None if t is None else f"{mark}{t[skipped : skipped + SHOWN]}" for t in (text, other)]
    return Pair(sample["id"], sample["duplicate_of"], sample["value"], shown[0] or "", shown[1], skipped)


def _beginning(text: str) -> str:
    whole = redact(text[:COMPARED])[0]
    return whole if len(text) < COMPARED else whole[:-EDGE]


def _texts(folder: Path, ids: set[str]) -> dict[str, str]:
    """Texts of these documents, as far as they are among the first ``ROWS`` kept ones."""
    found: dict[str, str] = {}
    seen = 0
    for path in sorted([*folder.glob("train-*.parquet"), *folder.glob("validation-*.parquet")]):
        with pq.ParquetFile(path) as parquet:
            for group in range(parquet.num_row_groups):
                if len(found) == len(ids) or seen > ROWS:
                    return found
                names = parquet.read_row_group(group, columns=["id"], use_threads=False)["id"].to_pylist()
                seen += len(names)
                places = [i for i, name in enumerate(names) if name in ids]
                if places:
                    text = parquet.read_row_group(group, columns=["text"], use_threads=False)["text"]
                    found |= {names[i]: text[i].as_py() for i in places}
    return found
