from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.lines import line_spans, normalized, paragraph_spans
from pretraining.corpus.sections.span_deduplication import LineDeduplicationStep


def section(**keys: Any) -> LineDeduplicationStep:
    return LineDeduplicationStep(type="line_deduplication", **keys)


def texts_of(text: str, spans: Any) -> list[str]:
    return [text[start:end] for start, end in spans]


def test_lines_and_paragraphs() -> None:
    text = "\n  One\nTwo \n \n\tThree\n"
    assert texts_of(text, line_spans(text)) == ["One", "Two", "Three"]
    assert texts_of(text, paragraph_spans(text)) == ["One\nTwo", "Three"]


@pytest.mark.parametrize(
    ("how", "same", "other"),
    [
        ("none", ("Page 1", " Page 1 "), ("Page 1", "page 1")),
        ("c4", ("Page 1", "page 1"), ("Page 1", "Page 2")),
        ("ccnet", ("Page 1, “é”", "page 2 e"), ("Page 1", "Page 10")),
        ("ccnet", ("。。", "。。"), ("。。", "！！")),
    ],
)
def test_what_does_not_count(how: str, same: tuple[str, str], other: tuple[str, str]) -> None:
    assert normalized(same[0], how) == normalized(same[1], how)
    assert normalized(other[0], how) != normalized(other[1], how)


def test_the_first_line_stays_and_the_others_name_its_document(run_step: Callable[..., Any]) -> None:
    texts = ["Menu\nOne story.\nMenu", "About us\n\nTwo stories.", "MENU!\n\nThree stories.\nAbout us"]
    first, second, third = run_step(section(), texts)
    assert first.text == "Menu\nOne story."
    assert first.edits == {"lines_removed": 1, "characters_removed": 5}
    assert second.text == texts[1]
    assert (second.twin, second.edits, second.value) == (-1, {}, 0.0)
    assert third.text == "Three stories."
    assert third.twin == 0
    assert third.edits == {"lines_removed": 2, "characters_removed": len(texts[2]) - len(third.text)}


def test_a_source_of_its_own(run_step: Callable[..., Any]) -> None:
    texts = [("a", "Menu\nOne"), ("b", "Menu\nTwo"), ("b", "Menu\nThree")]
    assert [o.text for o in run_step(section(scope="source"), texts)] == ["Menu\nOne", "Menu\nTwo", "Three"]
    assert [o.text for o in run_step(section(), texts)] == ["Menu\nOne", "Two", "Three"]


def test_short_lines_and_thresholds(run_step: Callable[..., Any]) -> None:
    texts = ["}\nlong enough to count", "}\nlong enough to count\nnew"]
    assert [o.text for o in run_step(section(min_characters=5), texts)] == [texts[0], "}\nnew"]
    removed = run_step(section(max_removed=0.5), texts)[1]
    assert removed.reason == "too_much_removed"
    assert removed.value == pytest.approx(23 / 26)
    assert run_step(section(), [texts[0], texts[0]])[1].reason == "empty"


def test_more_lines_than_a_16_bit_number(run_step: Callable[..., Any]) -> None:
    text = "\n".join(f"line {chr(0x4E00 + i % 20_000)} {chr(0x61 + i // 20_000)}" for i in range(66_000))
    first, second = run_step(section(), [text, text + "\nnew"])
    assert first.text == text
    assert (second.text, second.edits["lines_removed"]) == ("new", 66_000)


@given(st.lists(st.lists(st.sampled_from("ABCDE"), max_size=6).map("\n".join), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_each_line_stays_once_whatever_the_tasks(run_step: Callable[..., Any], texts: list[str]) -> None:
    outcomes = run_step(section(), texts)
    assert outcomes == run_step(section(), texts, tasks=3)
    seen: set[str] = set()
    for text, outcome in zip(texts, outcomes, strict=True):
        new = list(dict.fromkeys(line for line in text.split("\n") if line and line not in seen))
        seen |= set(new)
        assert outcome.text.split() == new
