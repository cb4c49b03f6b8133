from __future__ import annotations

import os
import zipfile
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.inputs import input_state


def section(path: str, block: str) -> CorpusSection:
    step = {"type": "url_filter", "block": block}
    return CorpusSection.model_validate({"sources": [{"type": "text", "path": path, "name": "s"}], "steps": [step]})


def test_a_file_that_changed_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "block.txt").write_text("example.org")
    corpus = section("a.txt", "block.txt")
    before = input_state(corpus, tmp_path)
    assert input_state(corpus, tmp_path) == before
    assert [(name, size) for name, size, _ in before] == [("s/a.txt", 3), ("block.txt", 11)]
    for name in ("a.txt", "block.txt"):
        os.utime(tmp_path / name, ns=(1, 1))
        assert input_state(corpus, tmp_path) != before
        before = input_state(corpus, tmp_path)


def test_the_archive_counts_for_the_files_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.txt", "text")
    corpus = section("a.zip", "example.org/not/a/file")
    before = input_state(corpus, tmp_path)
    assert [name for name, *_ in before] == ["s/a.zip!b.txt"] and before[0][2]
    os.utime(tmp_path / "a.zip", ns=(1, 1))
    assert input_state(corpus, tmp_path) != before


def test_only_what_may_be_a_path_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "bad.txt").write_text("bad")
    (tmp_path / "hooks.py").write_text("def f(text): return text")
    (tmp_path / "model.arpa").write_text("x")
    steps = [
        {"type": "c4"},  # its line ends are "." and the like: no folders
        {"type": "concatenate", "by": "thread", "separator": "/"},
        {"type": "toxicity", "lists": {"eng_Latn": "lists/bad.txt"}},
        {"type": "augment", "callable": "hooks:f"},
        {"type": "perplexity", "model": {"type": "kenlm", "path": "model.arpa"}, "max_perplexity": 10.0},
        {"type": "exact_deduplication", "against": ["lists"]},
    ]
    data = {"sources": [{"type": "text", "path": "a.txt", "name": "s"}], "steps": steps}
    names = [name for name, *_ in input_state(CorpusSection.model_validate(data), tmp_path)]
    assert names == ["s/a.txt", "lists/bad.txt", "hooks.py", "model.arpa", "lists"]
