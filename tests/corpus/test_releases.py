"""A later release removes copies of an earlier one, and names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Build = Callable[..., Any]


@pytest.mark.parametrize("kind", ["exact_deduplication", "minhash_deduplication"])
def test_new_documents_against_the_signatures_of_the_old(
    build: Build, tmp_path: Path, speeches: list[str], kind: str
) -> None:
    for folder, chosen in (("old", speeches[:6]), ("new", [*speeches[4:8], speeches[6]])):
        (tmp_path / folder).mkdir()
        for i, speech in enumerate(chosen):
            (tmp_path / folder / f"{i}.txt").write_text(speech, "utf-8")
    step = {"type": kind}
    first = build({"type": "text", "path": "old"}, name="first", steps=[step], keep_signatures=True, held_out=0.2)
    assert sorted(path.name for path in (first.output / "signatures").iterdir()) == [kind]
    second = build({"type": "text", "path": "new"}, name="second", steps=[{**step, "against": ["first"]}])
    twins = {row["file"]: row["duplicate_of"] for row in second.records() if row["fate"] == "removed"}
    assert twins == {"0.txt": "old/4.txt", "1.txt": "old/5.txt", "4.txt": "new/2.txt"}
    alone = build({"type": "text", "path": "new"}, name="alone", steps=[step])
    assert len(alone.rows()) == 4 and len(second.rows()) == 2
