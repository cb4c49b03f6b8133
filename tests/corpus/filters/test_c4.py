from __future__ import annotations

import math
from typing import Any

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.c4 import C4
from pretraining.corpus.sections.heuristics import C4Step
from pretraining.corpus.step import Verdict, apply

GOOD = "The committee met in the morning. It had much to say about rivers. Nobody stayed away from it!"


def run(text: str, **keys: Any) -> tuple[Verdict | None, Draft]:
    draft = Draft(text, "1", source="s", file="f")
    return apply(C4(C4Step(type="c4", **keys)), draft), draft


def test_every_removed_line_is_counted_by_its_cause() -> None:
    text = "\n".join(
        [
            "  " + GOOD + " ",
            "menu | home | about",
            "and so it goes on ...",
            "Only three words.",
            "Please enable JavaScript to read this page.",
            "We have a privacy policy on this site.",
            "x" * 1001 + " is too long a word.",
            "A fact that was found elsewhere[12][citation needed].",
        ]
    )
    verdict, draft = run(text)
    assert verdict is None
    assert draft.text == GOOD + "\nA fact that was found elsewhere."
    assert draft.edits == [
        {
            "lines_long_word": 1,
            "lines_no_end": 2,
            "lines_few_words": 1,
            "lines_javascript": 1,
            "lines_policy": 1,
            "citations": 2,
        }
    ]


def test_pages_with_placeholders_or_code_go() -> None:
    lorem, code = "Here is some Lorem ipsum for you.", "int main() { return 0; } it says."
    assert run(GOOD + "\n" + lorem)[0] == Verdict("lorem_ipsum", 1, 0)
    verdict, draft = run(f"{GOOD}\n{code}\n{lorem}")
    assert verdict == Verdict("curly_bracket", 1, 0) and math.isnan(draft.values[-1][-1])
    assert draft.text.startswith(GOOD + "\nint main") and draft.edits == [{}]
    assert run(f"{GOOD}\n{code}", max_curly_bracket_lines=1)[0] is None
    assert run(f"{GOOD}\n{code}\n{lorem}", max_curly_bracket_lines=None, max_lorem_ipsum_lines=None)[0] is None


def test_the_variants_differ() -> None:
    text = "He came home late. She laughed.\nThey ate 'bread and soup'"
    assert run(text)[0] == Verdict("too_few_sentences", 2, 3)
    assert run(text, variant="c4-datatrove")[0] == Verdict("too_few_sentences", 3, 5)
    assert run("It is so[1] now[2].\n" * 5)[0] == Verdict("too_few_sentences", 0, 3)
    assert run("It is so[1] now[2].\n" * 5, variant="c4-datatrove")[0] is None


def test_lines_may_end_as_they_like() -> None:
    verdict, draft = run(GOOD + "\nFineWeb keeps all lines of this kind", line_ends=None)
    assert verdict is None and draft.text.endswith("kind")


def test_chinese_by_characters() -> None:
    text = "春天来了，孩子们在公园里放风筝。老人坐在长椅上看书！心情好吗？\n登录 注册\n好。"
    verdict, draft = run(text, words="characters", line_ends=["。", "！", "？"])
    assert verdict is None and draft.text == text.split("\n", maxsplit=1)[0]
    assert draft.edits == [{"lines_no_end": 1, "lines_few_words": 1}]
