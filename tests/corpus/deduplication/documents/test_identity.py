from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pretraining.corpus.deduplication.identity as identity
from pretraining.corpus.deduplication.bands import equal_keys
from pretraining.corpus.deduplication.identity import IdentityStep


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.sampled_from(["", "a", "b", "国", "\0"]), min_size=1), cuts=st.sets(st.integers(0, 8)))
def test_the_first_document_of_every_id_stays(ids: list[str], cuts: set[int], deduplicate: Callable[..., Any]) -> None:
    cut = sorted(min(at, len(ids)) for at in cuts)
    run = deduplicate(IdentityStep(), [("text", {"id": name}) for name in ids], cuts=cut)
    first = [ids.index(name) for name in ids]
    assert run.twins == [at if at != i else -1 for i, at in enumerate(first)]
    assert run.reasons == ["duplicate_id" if at != i else None for i, at in enumerate(first)]


def test_it_is_the_same_in_little_memory(deduplicate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [str(i * i % 101) for i in range(300)]
    seen = []

    def in_ranges(*arguments: Any, **options: Any) -> Any:
        for groups in equal_keys(*arguments, budget=1000, **options):
            seen.append(groups)
            yield groups

    monkeypatch.setattr(identity, "equal_keys", in_ranges)
    run = deduplicate(IdentityStep(), [("text", {"id": name}) for name in ids], cuts=[100, 100])
    assert run.twins == [ids.index(name) if ids.index(name) != i else -1 for i, name in enumerate(ids)]
    assert len(seen) > 10
