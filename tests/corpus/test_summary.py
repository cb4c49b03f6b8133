from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pretraining.corpus.summary import summary_lines


def test_a_line_for_every_step_that_did_something(build: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"A first line of text.\r\nshort\ntiny\nA first line of text.\n\x00\n")
    steps = [{"type": "normalize"}, {"type": "length", "min_characters": 10}, {"type": "exact_deduplication"}]
    built = build({"type": "text", "path": "a.txt", "documents": "line"}, steps=[*steps, {"type": "privacy"}])
    assert list(summary_lines(built.ledger)) == [
        "read: 1 unreadable (binary 1)",
        "length: 2 removed (too_short 2)",
        "exact_deduplication: 1 removed (exact_duplicate 1)",
    ]


def test_reasons_by_number_and_bytes_in_both_directions() -> None:
    removed = {reason: {"documents": n, "bytes": n} for reason, n in zip("abcdef", (1, 5, 2, 3, 0, 4), strict=True)}
    steps = [
        {"step": "c4", "removed": removed, "bytes_edited": 1500},
        {"step": "augment", "removed": {}, "bytes_edited": -7},
        {"step": "length", "removed": {"a": {"documents": 0, "bytes": 0}}, "bytes_edited": 0},
    ]
    assert list(summary_lines({"steps": steps})) == [
        "c4: 15 removed (b 5, f 4, d 3, c 2, 1 more); 1,500 bytes less",
        "augment: 7 bytes more",
    ]
