from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pretraining.corpus.deduplication import repeats, substrings, windows
from pretraining.corpus.deduplication.characters import character_spans
from pretraining.corpus.deduplication.spans import without
from pretraining.corpus.sections.span_deduplication import SubstringDeduplicationStep

FUNERAL = "We are met on a great battle-field of that war. We have come to dedicate a portion of that field."


def section(**keys: Any) -> SubstringDeduplicationStep:
    return SubstringDeduplicationStep(type="substring_deduplication", **{"min_bytes": 50, **keys})


def by_hand(texts: list[str], size: int) -> list[list[tuple[int, int]]]:
    """Byte spans that are covered by windows that stand earlier."""
    seen: set[bytes] = set()
    found = []
    for data in (text.encode() for text in texts):
        spans: list[tuple[int, int]] = []
        for i in range(len(data) - size + 1):
            window = data[i : i + size]
            if window in seen:
                start = spans.pop()[0] if spans and spans[-1][1] >= i else i
                spans.append((start, i + size))
            seen.add(window)
        found.append(spans)
    return found


def test_a_passage_inside_other_words_is_cut(run_step: Callable[..., Any]) -> None:
    texts = [f"Lincoln said: {FUNERAL} So it was.", f"Quoth he, {FUNERAL} No more.", "Nothing of that field."]
    first, second, third = run_step(section(), texts)
    assert (first.text, first.twin, first.value) == (texts[0], -1, 0.0)
    assert second.text == "Quoth he, No more."
    assert second.twin == 0
    assert second.edits == {"substrings_removed": 1, "characters_removed": len(FUNERAL) + 1}
    assert third.text == texts[2]


def test_words_and_characters_stay_whole(run_step: Callable[..., Any]) -> None:
    passage = "千字文者，梁员外散骑侍郎周兴嗣所撰也。天地玄黄，宇宙洪荒，日月盈昃，辰宿列张。"
    texts = [f"unhappy{FUNERAL[:-1]}ly 王{passage}", f"xhappy{FUNERAL[:-1]}less x", f"朕{passage}终"]
    _, second, third = run_step(section(), texts)
    assert second.text == "xhappyWe fieldless x"
    assert third.text == "朕终"


def test_the_share_removes(run_step: Callable[..., Any]) -> None:
    texts = [FUNERAL, f"{FUNERAL} {' '.join(map(str, range(99)))}", f"New. {FUNERAL}"]
    outcomes = run_step(section(action="remove", max_share=0.8), texts)
    assert [o.text for o in outcomes] == texts
    assert [o.reason for o in outcomes] == [None, None, "too_much_repeated"]
    assert outcomes[2].value == pytest.approx(97 / 102, abs=0.02)
    assert [o.reason for o in run_step(section(max_share=0.8), texts)] == [None, None, "too_much_repeated"]
    assert run_step(section(), [FUNERAL, FUNERAL])[1].reason == "empty"


def test_removing_needs_a_share() -> None:
    with pytest.raises(ValidationError, match="`action: remove` needs a `max_share`"):
        section(action="remove")


FRAGMENTS = ["ab" * 14, "a" * 25, "the cat sat on the mat and ", "天地玄黄宇宙洪荒", "x", "é", " ", "ab"]
DOCUMENT = st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join)


@given(st.lists(DOCUMENT, max_size=6), st.integers(20, 40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_as_by_hand_whatever_the_tasks_and_pieces(
    run_step: Callable[..., Any], documents: list[str], size: int
) -> None:
    expected = [
        without(text, character_spans(text, spans))
        for text, spans in zip(documents, by_hand(documents, size), strict=True)
    ]
    whole = run_step(section(min_bytes=size), documents)
    assert [o.text for o in whole] == expected
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (windows, "CHUNK", 16),
            (substrings, "BATCH", 30),
            (substrings, "PIECE", 7),
            (substrings, "MAPPED", 2),
            (repeats, "RANGE", 5),
        ):
            patch.setattr(module, name, value)
        assert run_step(section(min_bytes=size), documents, tasks=3) == whole


def test_equal_hashes_of_different_bytes_cut_nothing(
    run_step: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{FUNERAL} One.", f"Two. {FUNERAL}", "Nothing here is repeated, although its hashes say that it all is."]
    hashed = substrings.span_hashes
    monkeypatch.setattr(substrings, "span_hashes", lambda *arguments: hashed(*arguments) % 1)
    monkeypatch.setattr(windows, "span_hashes", lambda *arguments: hashed(*arguments) % 1 + 1)
    assert run_step(section(), texts)[2].text == texts[2]
