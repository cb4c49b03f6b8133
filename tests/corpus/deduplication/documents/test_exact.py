from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.exact import ExactDeduplication
from pretraining.corpus.sections.deduplication import ExactDeduplicationStep

SECTION = ExactDeduplicationStep(type="exact_deduplication")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=12), st.data())
def test_twins_are_those_of_a_dictionary_however_documents_are_cut(
    deduplicate: Callable, texts: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=3)))
    run = deduplicate(SECTION, texts, cuts=cuts)
    first = [texts.index(text) for text in texts]
    assert run.twins == [-1 if one == i else one for i, one in enumerate(first)]
    assert run.reasons == [None if one == i else "exact_duplicate" for i, one in enumerate(first)]


def test_text_is_compared_as_it_is_or_as_ccnet_does(deduplicate: Callable) -> None:
    texts = ["In 1987.", "in 2024", "in 2024 ", "In 1987."]
    assert deduplicate(SECTION, texts).kept == [0, 1, 2]
    run = deduplicate(ExactDeduplicationStep(type="exact_deduplication", normalize="ccnet"), texts)
    assert run.kept == [0]
    assert run.values[1:] == [1.0] * 3


def test_signatures_that_do_not_fit_in_memory_are_spooled(deduplicate: Callable, monkeypatch) -> None:
    monkeypatch.setattr("pretraining.corpus.deduplication.base._IN_MEMORY", 64)
    texts = [str(i % 7) for i in range(30)]
    assert deduplicate(SECTION, texts, cuts=[11]).kept == list(range(7))


def test_nothing_in_nothing_out(deduplicate: Callable) -> None:
    assert deduplicate(SECTION, []).reasons == []
    assert isinstance(deduplicate(SECTION, ["a"], cuts=[0, 0]).step, ExactDeduplication)
