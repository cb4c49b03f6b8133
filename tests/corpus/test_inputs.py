from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import get_args

from pretraining.corpus.config import CorpusSection, Step
from pretraining.corpus.inputs import PATH_KEYS, input_state
from pretraining.corpus.sections.decontamination import Benchmark
from pretraining.corpus.sections.sources import SourceSection
from pretraining.recipe.schema import all_sections
from pretraining.section import help_texts


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


def test_sources_and_benchmarks_inside_steps_count_as_they_are_read(tmp_path: Path) -> None:
    for name in ("a.txt", "good-1.txt", "good-2.txt"):
        (tmp_path / name).write_text("one")
    (tmp_path / "exams").mkdir()
    (tmp_path / "exams" / "quiz.jsonl").write_text('{"text": "q"}')
    trusted = {"type": "text", "path": "good-*.txt", "name": "trusted"}
    steps = [
        {"type": "perplexity", "model": {"type": "train", "source": trusted}, "max_perplexity": 10.0},
        {"type": "decontamination", "benchmarks": [{"name": "quiz", "path": "exams"}]},
    ]
    data = {"sources": [{"type": "text", "path": "a.txt", "name": "s"}], "steps": steps}
    names = [name for name, *_ in input_state(CorpusSection.model_validate(data), tmp_path)]
    assert names == ["s/a.txt", "trusted/good-1.txt", "trusted/good-2.txt", "quiz/quiz.jsonl"]


def test_no_key_that_names_a_file_was_forgotten() -> None:
    """What a key's help calls a path, file or folder must make the corpus anew when it changes."""
    pattern = re.compile(r"\b([Pp]aths?|[Ff]olders?|[Ff]iles?)\b")
    for kind in get_args(get_args(Step)[0]):
        for section_ in all_sections(kind):
            if not issubclass(section_, SourceSection | Benchmark):
                named = {key for key, text in help_texts(section_).items() if pattern.search(text)}
                assert named <= PATH_KEYS | {"callable"}, section_
