from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.bloom import BloomDeduplication
from pretraining.corpus.sections.span_deduplication import BloomDeduplicationStep
from pretraining.corpus.step import Preparation
from pretraining.errors import DataError


def section(**keys: Any) -> BloomDeduplicationStep:
    return BloomDeduplicationStep(type="bloom_deduplication", **keys)


def test_documents_that_were_seen_go(run_step: Callable[..., Any], tmp_path: Path) -> None:
    texts = ["One.", "Two.", " One.\n", "one.", "Two."]
    outcomes = run_step(section(), texts, tasks=2, folder=tmp_path)
    assert [o.reason for o in outcomes] == [None, None, "seen_before", None, "seen_before"]
    assert [o.value for o in outcomes] == [0.0, 0.0, 1.0, 0.0, 1.0]
    summary = json.loads((tmp_path / "bloom.json").read_text())
    assert (summary["items"], summary["different"]) == (5, 3)
    assert summary["expected_false_removals"] == pytest.approx(3e-6)


@pytest.mark.parametrize("count", [400, 1000, 4095, 5000])
def test_every_size_keeps_what_is_new(run_step: Callable[..., Any], tmp_path: Path, count: int) -> None:
    texts = [f"document {i}" for i in range(count)]
    outcomes = run_step(section(false_positive_rate=0.01), [*texts, *texts], folder=tmp_path)
    assert all(o.reason == "seen_before" for o in outcomes[count:])
    lost = sum(o.reason is not None for o in outcomes[:count])
    summary = json.loads((tmp_path / "bloom.json").read_text())
    assert lost == count - summary["different"]
    assert lost <= 2 * summary["expected_false_removals"] + 10
    assert summary["bits"] < 30 * 2 * count


def test_lines(run_step: Callable[..., Any]) -> None:
    texts = ["Menu\nOne", "menu\n\nTwo\nThree", "Menu"]
    outcomes = run_step(section(unit="line", normalize="c4", max_removed=0.5), texts, tasks=3)
    assert [o.text for o in outcomes] == ["Menu\nOne", "Two\nThree", ""]
    assert outcomes[1].edits == {"lines_removed": 1, "characters_removed": 6}
    assert [o.reason for o in outcomes] == [None, None, "too_much_removed"]


def test_a_filter_that_is_too_small_is_an_error(run_step: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"expected_items = 2 different documents(.|\n)*set expected_items to 4"):
        run_step(section(expected_items=2), ["a", "b", "a", "c"])
    assert [o.reason for o in run_step(section(expected_items=2), ["a", "b", "a"])] == [None, None, "seen_before"]


def test_without_rbloom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rbloom", None)
    with pytest.raises(DataError, match="pip install 'rbloom"):
        BloomDeduplication(section()).prepare(Preparation(tmp_path, tmp_path, {}, 0.0))


@given(st.lists(st.sampled_from("ABCDE"), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
def test_the_first_stays_whatever_the_tasks(run_step: Callable[..., Any], texts: list[str]) -> None:
    outcomes = run_step(section(), texts)
    assert outcomes == run_step(section(), texts, tasks=3)
    assert [o.reason is None for o in outcomes] == [text not in texts[:i] for i, text in enumerate(texts)]
