from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.sections.deduplication import (
    ExactDeduplicationStep,
    MinhashDeduplicationStep,
    SimhashDeduplicationStep,
    UrlDeduplicationStep,
)
from pretraining.errors import DataError

SENTENCE = "the quick brown fox jumps over the lazy dog and runs away from it in the rain of a long day"
BASE = SENTENCE.split()
VARIANTS = [" ".join(w if j != i else f"word{i}" for j, w in enumerate(BASE)) for i in range(len(BASE))]
TEXTS = [*VARIANTS[::4], *(" ".join([*BASE[:n], "end"]) for n in (12, 15, 18)), "something else altogether, once"]
SECTIONS = [
    ExactDeduplicationStep(type="exact_deduplication"),
    MinhashDeduplicationStep(type="minhash_deduplication", words="whitespace", ngram=2, bands=12, rows=3),
    MinhashDeduplicationStep(type="minhash_deduplication", words="whitespace", ngram=2, min_similarity=0.7, rows=2),
    SimhashDeduplicationStep(type="simhash_deduplication", words="whitespace", max_distance=7, ngram=1),
    UrlDeduplicationStep(type="url_deduplication"),
]


def documents(texts: list[str]) -> list[tuple[str, dict[str, Any]]]:
    return [(text, {"url": f"http://x.org/{TEXTS.index(text)}"} if i % 3 else {}) for i, text in enumerate(texts)]


def export(run: Any, output: Path, cuts: list[int], *, without: tuple[int, ...] = (), prefix: str = "s") -> None:
    kept = [f"{prefix}/{i}" if i in run.kept and i not in without else None for i in range(len(run.reasons))]
    bounds = [0, *cuts, len(kept)]
    tasks = [kept[low:high] for low, high in pairwise(bounds)]
    run.step.export_signatures(run.folder, tasks, output / "signatures" / run.step.section.type)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: f"{section.type}-{getattr(section, 'rows', '')}")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(data=st.data())
def test_new_documents_fare_as_in_one_build_with_the_old_ones_first(
    deduplicate: Callable, new_folder: Callable, section: Any, data: st.DataObject
) -> None:
    old, new = (data.draw(st.lists(st.sampled_from(TEXTS), max_size=8)) for _ in range(2))
    cut = [data.draw(st.integers(0, len(old)))]
    given_old, given_new = documents(old), documents(new)
    earlier = deduplicate(section, given_old, cuts=cut)
    output = new_folder()
    export(earlier, output, cut)
    folder = new_folder() / "step"
    later = deduplicate(section.model_copy(update={"against": [str(output)]}), given_new, [len(new) // 2], folder)
    together = deduplicate(section, given_old + given_new)
    assert later.reasons == together.reasons[len(old) :]
    np.testing.assert_array_equal(later.values, together.values[len(old) :])
    for twin, expected in zip(later.twins, together.twins[len(old) :], strict=True):
        if twin < -1:
            assert later.step.earlier_ids(folder, np.array([-2 - twin])) == [f"s/{expected}"]
        else:
            assert twin == (-1 if expected == -1 else expected - len(old))


SECTION = ExactDeduplicationStep(type="exact_deduplication", normalize="ccnet")


def test_what_an_earlier_release_has_is_removed_whatever_keep_says(deduplicate: Callable, tmp_path: Path) -> None:
    for name, texts in {"one": ["a", "b!", "B"], "two": ["c", "d"]}.items():
        export(deduplicate(SECTION, texts, [1]), tmp_path / "runs" / name, [1], prefix=name)
    section = SECTION.model_copy(update={"against": ["one", "two"], "keep": "longest"})
    run = deduplicate(section, ["e", "B???", "d", "b", "e."], cuts=[3], folder=tmp_path / "runs" / "step")
    assert run.reasons == ["exact_duplicate"] * 4 + [None]
    assert run.twins[0] == 4
    numbers = np.array([-2 - run.twins[i] for i in (2, 1, 3)])
    assert run.step.earlier_ids(run.folder, numbers) == ["two/1", "one/1", "one/1"]


def test_only_what_is_in_the_release_counts(deduplicate: Callable, tmp_path: Path) -> None:
    earlier = deduplicate(SECTION, ["a", "A", "b", "c", "C"])
    export(earlier, tmp_path / "old", [], without=(0, 2))  # a later step removed the first "a", and "b"
    section = SECTION.model_copy(update={"against": [str(tmp_path / "old")]})
    run = deduplicate(section, ["a", "b", "c"])
    assert run.kept == [0, 1]
    assert run.step.earlier_ids(run.folder, np.array([-2 - run.twins[2]])) == ["s/3"]


def test_copies_of_a_kept_document_stand_for_it(deduplicate: Callable, tmp_path: Path) -> None:
    texts = [f"{SENTENCE} and then it stops at last near a big old house{end}" for end in ("", " x")]
    section = MinhashDeduplicationStep(type="minhash_deduplication", words="whitespace", ngram=2)
    earlier = deduplicate(section, texts)
    assert earlier.twins == [-1, 0]
    export(earlier, tmp_path, [])
    run = deduplicate(section.model_copy(update={"against": [str(tmp_path)]}), [texts[1]])
    assert run.step.earlier_ids(run.folder, np.array([-2 - run.twins[0]])) == ["s/0"]


def test_a_folder_without_signatures(deduplicate: Callable, tmp_path: Path) -> None:
    section = SECTION.model_copy(update={"against": ["old"]})
    with pytest.raises(DataError, match=r"(?s)'old' holds no signatures of this step: .*keep_signatures: true"):
        deduplicate(section, ["a"])


def test_signatures_of_other_parameters(deduplicate: Callable, tmp_path: Path) -> None:
    section = MinhashDeduplicationStep(type="minhash_deduplication", words="whitespace")
    export(deduplicate(section, ["a b c d e f"]), tmp_path, [])
    other = section.model_copy(update={"against": [str(tmp_path)], "seed": 2, "ngram": 4, "min_similarity": 0.5})
    with pytest.raises(DataError) as error:
        deduplicate(other, ["a"])
    assert "    ngram: 5 there, 4 here\n    seed: 1 there, 2 here\n    give the step the same ones" in str(error.value)


def test_damaged_parameters(deduplicate: Callable, tmp_path: Path) -> None:
    export(deduplicate(SECTION, ["a"]), tmp_path, [])
    (tmp_path / "signatures" / SECTION.type / "parameters.json").write_text("{")
    with pytest.raises(DataError, match=r"parameters\.json is damaged"):
        deduplicate(SECTION.model_copy(update={"against": [str(tmp_path)]}), ["a"])
