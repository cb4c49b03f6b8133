from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.draft import Draft
from pretraining.corpus.sampling.concatenate import Concatenate
from pretraining.corpus.sections.sampling import ConcatenateStep
from pretraining.corpus.step import Preparation, Verdict, apply

Result = tuple[Draft, Verdict | None, int]


def draft(text: str, fields: dict[str, Any] | None = None, identifier: str = "id") -> Draft:
    return Draft(text, identifier, source="s", file="f", fields=fields)


def joined(folder: Path, tasks: list[list[Draft]], **keys: Any) -> list[Result]:
    """Document, verdict and twin of all documents of all tasks, by the calls that the engine makes."""
    section = ConcatenateStep.model_validate({"type": "concatenate", "by": "site", **keys})
    preparation = Preparation(base=folder, folder=folder, sources={}, held_out=0.0)
    for rank, documents in enumerate(tasks):
        step = pickle.loads(pickle.dumps(Concatenate(section)))
        step.open(preparation)
        for document in documents:
            step.sign(document)
        step.save(folder, rank)
    Concatenate(section).decide(folder, np.array([len(documents) for documents in tasks], dtype=np.int64), preparation)
    results: list[Result] = []
    for rank, documents in enumerate(tasks):
        step = pickle.loads(pickle.dumps(Concatenate(section)))
        step.open(preparation)
        step.load(folder, rank)
        results += [(document, apply(step, document), step.twin) for document in documents]
    return results


def test_documents_of_a_site_become_one(tmp_path: Path) -> None:
    tasks = [
        [draft("one", {"site": "a"}), draft("alone", {"site": "c"}), draft("eins", {"site": "b"})],
        [],
        [draft("two", {"site": "a"}), draft("nothing"), draft("zwei", {"site": "b"}), draft("three", {"site": "a"})],
    ]
    results = joined(tmp_path, tasks, separator=" + ")
    assert [d.text for d, verdict, _ in results if verdict is None] == [
        "one + two + three",
        "alone",
        "eins + zwei",
        "nothing",
    ]
    assert [twin for _, _, twin in results] == [-1, -1, -1, 0, -1, 2, 0]
    assert results[3][1] is not None and (results[3][1].reason, results[3][1].value) == ("merged", 3.0)
    assert [d.edits for d, _, _ in results[:3]] == [[{"documents_joined": 2}], [{}], [{"documents_joined": 1}]]
    assert math.isnan(results[0][0].values[0][0])


def test_a_text_that_is_full_starts_another(tmp_path: Path) -> None:
    texts = ["1234", "5678", "90", "x" * 11, "ab", "cd"]
    results = joined(tmp_path, [[draft(text, {"site": "a"}) for text in texts]], max_characters=10, separator="--")
    assert [d.text for d, verdict, _ in results if verdict is None] == ["1234--5678", "90--ab--cd", "x" * 11]
    assert [twin for _, _, twin in results] == [-1, 0, -1, -1, 2, 2]


def test_pages_of_a_registered_domain_belong_together(tmp_path: Path) -> None:
    urls = [
        "https://en.example.co.uk/1",
        "http://EXAMPLE.co.uk:80/2",
        "https://other.co.uk/",
        "http://10.0.0.1/",
        None,
        "",
    ]
    tasks = [[draft(str(i), {"url": url}) for i, url in enumerate(urls)] + [draft("6", {"url": "http://10.0.0.1/"})]]
    results = joined(tmp_path, tasks, by="url_domain")
    assert [d.text for d, verdict, _ in results if verdict is None] == ["0\n\n1", "2", "3", "4", "5", "6"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.text("ab€\n", max_size=6), st.sampled_from([None, "x", "y", 3])), max_size=8), max_size=4
    ),
    st.integers(1, 25),
)
def test_all_text_is_kept_in_order_and_no_text_is_too_long(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[list[tuple[str, Any]]], most: int
) -> None:
    documents = [[draft(text + ".", {"site": site}) for text, site in task] for task in tasks]
    before = [(text + ".", site) for task in tasks for text, site in task]
    results = joined(tmp_path_factory.mktemp("join"), documents, max_characters=most, separator="|")
    kept = [d for d, verdict, _ in results if verdict is None]
    for site in (None, "x", "y", 3):
        pieces = [part for d in kept if d.fields["site"] == site for part in d.text.split("|")]
        expected = [text for text, of in before if of == site]
        assert sorted(pieces) == sorted(expected)
        if all(len(text) < most for text in expected):
            assert pieces == expected
    for d, _, twin in results:
        assert twin < 0 or results[twin][1] is None
        assert len(d.text) <= most or "|" not in d.text


def test_texts_wait_on_disk_and_nothing_else_is_left(tmp_path: Path) -> None:
    section = ConcatenateStep(type="concatenate", by="site")
    step = Concatenate(section)
    step.open(Preparation(base=tmp_path, folder=tmp_path, sources={}, held_out=0.0))
    for _ in range(10):
        step.sign(draft("国" * 1000, {"site": "a"}))
    assert len(step._seen) == 40 and list(tmp_path.iterdir()) == []
    step.save(tmp_path, 3)
    assert {p.name: p.stat().st_size > 0 for p in tmp_path.iterdir()} == {
        "seen-00003.npy": True,
        "texts-00003.bin": True,
    }
    assert (tmp_path / "texts-00003.bin").stat().st_size == 30_000
