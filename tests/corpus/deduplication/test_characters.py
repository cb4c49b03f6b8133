from __future__ import annotations

import pytest

from pretraining.corpus.deduplication.characters import character_spans


@pytest.mark.parametrize(
    ("text", "cut", "expected"),
    [
        ("one two three", "e two th", "two"),
        ("one two three", "two", "two"),
        ("天地玄黄", "地玄", "地玄"),
        ("naïve idea", "ïve id", ""),
        ("cafe\u0301 bar", "\u0301 bar", "bar"),
        ("हिन्दी भाषा", "\u093fन्दी भा", ""),
        ("a 👍🏽 b", "🏽 b", "b"),
        ("a 👩\u200d🚀 b", "🚀 b", "b"),
        ("🇩🇪 b", "🇪 b", "b"),
        ("a\r\nb", "\nb", "b"),
        ("ab", "b", ""),
        ("one two three", " two ", "two"),
    ],
)
def test_what_belongs_together_is_not_torn(text: str, cut: str, expected: str) -> None:
    start = text.encode().index(cut.encode())
    spans = character_spans(text, [(start, start + len(cut.encode()))])
    assert "".join(text[a:b] for a, b in spans) == expected


def test_bytes_inside_a_character_shrink_to_whole_ones() -> None:
    text = "天地 玄黄"
    assert character_spans(text, [(1, 12)]) == [(1, 4)]
    assert character_spans(text, [(0, 3), (4, 5), (7, 13)]) == [(0, 1), (3, 5)]
