from __future__ import annotations

from pretraining.corpus.config import GopherQualityStep, LengthStep, NormalizeStep
from pretraining.corpus.filters import Rejection
from pretraining.corpus.steps import named_steps


def test_repeated_steps_have_names_of_their_own() -> None:
    steps = [NormalizeStep(type="normalize"), LengthStep(type="length"), NormalizeStep(type="normalize")]
    assert [step.name for step in named_steps(steps)] == ["normalize", "length", "normalize_2"]


def test_steps_edit_or_reject() -> None:
    steps = [
        NormalizeStep(type="normalize"),
        LengthStep(type="length", min_characters=4),
        GopherQualityStep(type="gopher_quality"),
    ]
    normalize, length, quality = named_steps(steps)
    assert normalize.apply("one\r\n") == "one"
    assert normalize.apply("\u200b") == Rejection("empty", 0, 1)
    assert length.apply("one") == Rejection("too_short", 3, 4)
    assert length.apply(text := "four") is text
    assert quality.apply("four") == Rejection("too_few_words", 1, 50)
    assert all("too_few_words" in step.reasons for step in (quality,))
