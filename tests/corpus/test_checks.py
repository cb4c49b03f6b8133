from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from pretraining.corpus.checks import RULES
from pretraining.corpus.config import CorpusSection

TEXT = {"type": "text", "path": "a.txt"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("We the People")
    return tmp_path


def test_a_good_section_has_no_findings(base: Path) -> None:
    steps = [{"type": "normalize"}, {"type": "length"}, {"type": "gopher_quality"}, {"type": "minhash_deduplication"}]
    known = {"corpus": CorpusSection.model_validate({"sources": [TEXT], "steps": steps}), "base": base}
    for rule in RULES:
        arguments = {name: known[name] for name in inspect.signature(rule.check).parameters}
        assert list(rule.check(**arguments)) == [], rule.id


def test_the_rules_explain_themselves() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.isidentifier() and rule.id.islower() and rule.says and rule.why for rule in RULES)


def test_nothing_heavy_is_imported_for_the_checks() -> None:
    import subprocess
    import sys

    heavy = "torch transformers datatrove pyarrow datasets numpy ftfy zstandard rich"
    code = f"import sys, pretraining.corpus.checks; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
