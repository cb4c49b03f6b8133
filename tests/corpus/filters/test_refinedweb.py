from __future__ import annotations

import math
from typing import Any

import pytest

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.refinedweb import RefinedWebLines
from pretraining.corpus.sections.cleaning import RefinedWebLinesStep
from pretraining.corpus.step import Verdict, apply

PROSE = "The President shall from time to time give to the Congress information of the state of the Union.\n" * 10
PROSE_WORDS = len(PROSE.split())
CHINESE = "总统应随时向国会报告联邦的情况，并提出他认为必要和适当的措施供国会审议。\n" * 10


def lines_step(**keys: Any) -> RefinedWebLines:
    return RefinedWebLines(RefinedWebLinesStep.model_validate({"type": "refinedweb_lines", **keys}))


def run(text: str, **keys: Any) -> tuple[Draft, Verdict | None]:
    draft = Draft(text, "id", source="test", file="test.txt")
    return draft, apply(lines_step(**keys), draft)


@pytest.mark.parametrize(
    "line",
    [
        "HOME ABOUT US CONTACT",
        "1790: OLD NEWS FOR ALL",
        "2024",
        "3 likes",
        "1,234 Views",
        "(1.2K followers)",
        "Comments",
        "   ",
    ],
)
def test_lines_that_are_no_prose_go(line: str) -> None:
    draft, verdict = run(PROSE + line + "\nIt was good news.")
    assert draft.text == PROSE + "It was good news."
    assert draft.edits == [{"lines_removed": 1}]
    assert verdict is None


@pytest.mark.parametrize(
    "line",
    [
        "In 1790 HE SPOKE to us",
        "3 likes and more",
        "he has 3 likes",
        "17 90",
        "two words",
        "Read more about it",
        "Sign-in sheets were found in the old drawer of the clerk's desk",
        "",
    ],
)
def test_other_lines_stay(line: str) -> None:
    text = PROSE + line + "\nIt was good news."
    draft, verdict = run(text)
    assert (draft.text, draft.edits, verdict) == (text, [{}], None)
    assert draft.values[0][1] == 0


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("You have 3 items in cart now", "You have 3 now"),
        ("The history of the Union Read more...", "The history of the Union"),
        ("The history of the Union read more…", "The history of the Union"),
        ("Sign-in to see this page", "to see this page"),
        ("3 Items in cart", "3"),
    ],
)
def test_phrases_are_cut_from_short_lines(line: str, left: str) -> None:
    draft, verdict = run(PROSE + line)
    assert draft.text == PROSE + left
    assert draft.edits == [{"phrases_removed": 1}] and verdict is None


def test_a_line_that_was_a_phrase_is_gone() -> None:
    draft, _ = run(PROSE + "Read more...")
    assert draft.text == PROSE.rstrip("\n")
    assert draft.edits == [{"lines_removed": 1, "phrases_removed": 1}]


def test_phrases_in_long_lines_stay() -> None:
    line = "one two three four five six seven eight items in cart"
    assert run(PROSE + line)[0].text == PROSE + line
    assert run(PROSE + line, max_phrase_words=11)[0].text == PROSE + "one two three four five six seven eight"


def test_the_value_is_the_share_of_words_removed() -> None:
    draft, verdict = run(PROSE + "MENU OF ALL PAGES\n" * 2)
    assert verdict is None and draft.values[0][1] == 8 / (PROSE_WORDS + 8)
    draft, verdict = run(PROSE + "MENU OF ALL PAGES\n" * 4)
    assert verdict == Verdict("too_many_words_removed", 16 / (PROSE_WORDS + 16), 0.05)


def test_words_of_phrases_count_as_removed() -> None:
    draft, _ = run(PROSE + "one two Read more...")
    assert draft.values[0][1] == 2 / (PROSE_WORDS + 4)


def test_each_rule_can_be_switched_off() -> None:
    text = PROSE + "HOME ABOUT\n20240101\n3 likes\nword\nRead more..."
    off: dict[str, Any] = {
        "max_uppercase": None,
        "max_digits": None,
        "counters": [],
        "min_words": None,
        "phrases_at_end": [],
        "max_removed_words": None,
    }
    assert run(text, **off)[0].text == text
    for key in off.keys() - {"max_removed_words"}:
        assert run(text, **{k: v for k, v in off.items() if k != key})[0].text != text, key


@pytest.mark.parametrize(
    "line", ["浏览：3", "1.2万次浏览", "3 likes", "赞 (25)", "阅读全文", "登录", "2024", "请登录", "人气:1024"]
)
def test_chinese_pages(line: str) -> None:
    draft, verdict = run(
        CHINESE + line + "\n这是好消息。", variant="refinedweb-cmn_Hani", counters=[*COUNTERS, "likes"]
    )
    assert draft.text == CHINESE + "这是好消息。"
    assert verdict is None


COUNTERS = RefinedWebLinesStep.VARIANTS["refinedweb-cmn_Hani"]["counters"]


def test_chinese_lines_need_no_spaces_and_phrases_are_cut() -> None:
    draft, verdict = run(CHINESE + "总统的咨文……阅读全文", variant="refinedweb-cmn_Hani")
    assert draft.text == CHINESE + "总统的咨文……" and verdict is None
    draft, verdict = run(CHINESE + "菜单\n首页", variant="refinedweb-cmn_Hani")
    assert draft.text == CHINESE + "菜单\n首页" and verdict is None


def test_chinese_is_refused_where_words_stand_between_spaces() -> None:
    draft, verdict = run(CHINESE)
    assert verdict is not None and verdict.reason == "unsegmented_script" and draft.text == CHINESE


def test_the_variant_fills_only_what_was_not_given() -> None:
    step = RefinedWebLinesStep.model_validate(
        {"type": "refinedweb_lines", "variant": "refinedweb-cmn_Hani", "max_phrase_words": 5}
    )
    assert step.max_phrase_words == 5 and step.words == "characters" and "登录" in step.phrases_at_start
    assert RefinedWebLinesStep(type="refinedweb_lines").words == "whitespace"


def test_nothing_is_divided_by_zero() -> None:
    draft, verdict = run("\n \n")
    assert draft.values[0][1] == 0 and verdict == Verdict("empty", verdict.value, verdict.threshold)
    assert math.isnan(verdict.value)
