from __future__ import annotations

import json
import math
import pickle
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pretraining.corpus.draft import Draft
from pretraining.corpus.models.toxicity import Toxicity, _alternatives, load_words
from pretraining.corpus.sections.toxicity import ToxicityStep
from pretraining.corpus.step import Preparation, Verdict, apply
from pretraining.errors import DataError

# Invented words: what is tested is how lists are read and matched.
WORDS = "grumblefink\nblort\nblorting\nzib zab\nü-wort\n\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "en.txt").write_text(WORDS, encoding="utf-8")
    (tmp_path / "zh.txt").write_text("蓝蓝怪\n咕噜", encoding="utf-8")
    return tmp_path


def opened(folder: Path, **keys: Any) -> Toxicity:
    lists = {} if "classifier" in keys else {"lists": {"eng_Latn": "en.txt", "cmn_Hani": "zh.txt"}}
    step = Toxicity(ToxicityStep.model_validate({"type": "toxicity", **lists, **keys}))
    preparation = Preparation(folder, folder, {}, 0.0)
    step.prepare(preparation)
    step = pickle.loads(pickle.dumps(Toxicity(step.section)))  # as it travels to a worker
    step.open(preparation)
    return step


def draft(text: str, language: str | None = "eng_Latn", id: str = "a/1") -> Draft:
    return Draft(text, id, source="a", file="1.txt", language=language)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("What a Grumblefink!", 1),
        ("BLORT, blort and blorting.", 3),
        ("blorts are not listed, nor is unblort", 0),
        ("a zib zab, and a zib by itself", 1),
        ("Ein Ü-Wort und ein U\u0308-wort", 2),
        ("nothing here", 0),
        ("", 0),
    ],
)
def test_whole_words_in_any_case(folder: Path, text: str, hits: int) -> None:
    assert load_words(folder / "en.txt", spaced=True).count(text)[0] == hits


def test_share_of_the_words(folder: Path) -> None:
    words = load_words(folder / "en.txt", spaced=True)
    assert words.count("a zib zab with blort inside") == (2, pytest.approx(3 / 6))
    assert words.count("clean") == (0, 0.0)


def test_chinese_is_matched_anywhere(folder: Path) -> None:
    words = load_words(folder / "zh.txt", spaced=False)
    assert words.count("他说咕噜咕噜。") == (2, pytest.approx(4 / 6))


def test_the_default_is_a_share(folder: Path) -> None:
    step = opened(folder)
    assert apply(step, draft("blort " + "fine " * 30)) is None
    document = draft("blort " + "fine " * 9)
    assert apply(step, document) == Verdict("toxic_share", 0.1, 0.045)
    assert document.fields["toxicity"] == {"hits": 1, "share": 0.1}


def test_c4_removes_for_one_word(folder: Path) -> None:
    step = opened(folder, variant="c4")
    assert step.section.max_share is None
    assert apply(step, draft("blort " + "fine " * 500)) == Verdict("toxic_words", 1, 0)
    assert apply(step, draft("fine " * 500)) is None


def test_a_given_number_wins_over_the_variant(folder: Path) -> None:
    step = opened(folder, variant="c4", max_hits=2)
    assert apply(step, draft("blort blort")) is None
    assert apply(step, draft("blort blort blort")) == Verdict("toxic_words", 3, 2)


def test_some_documents_stay_by_their_id(folder: Path) -> None:
    step = opened(folder, variant="c4", keep_probability=0.3)
    kept = [i for i in range(300) if apply(step, draft("blort", id=f"a/{i}")) is None]
    assert 60 < len(kept) < 120
    again = [i for i in reversed(range(300)) if apply(step, draft("another blort", id=f"a/{i}")) is None]
    assert again[::-1] == kept
    assert opened(folder, variant="mc4").section.keep_probability == 0.001


def test_flagging_removes_nothing(folder: Path) -> None:
    step = opened(folder, variant="c4", action="flag")
    document = draft("blort")
    assert apply(step, document) is None
    assert document.fields["toxicity"] == {"hits": 1, "share": 1.0}
    assert document.values[0][:2] == (1, 1.0)


def test_the_list_of_the_language_is_used(folder: Path) -> None:
    step = opened(folder, variant="c4")
    assert apply(step, draft("blort 咕噜", "cmn_Hani")) == Verdict("toxic_words", 1, 0)
    document = draft("blort", "deu_Latn")
    assert apply(step, document) is None
    assert "toxicity" not in document.fields
    assert all(map(math.isnan, document.values[0]))


def test_without_a_language_every_list_is_used(folder: Path) -> None:
    assert apply(opened(folder, variant="c4"), draft("blort 咕噜", None)) == Verdict("toxic_words", 2, 0)


def test_a_field_of_the_source_is_no_error(folder: Path) -> None:
    step = opened(folder, keep_probability=0.5)
    assert step.threshold(step.rules[1], {"toxicity": 0.7}) == 0.045


def test_json_lists(folder: Path) -> None:
    (folder / "en.json").write_text(json.dumps(["blort", "zib zab"]))
    assert load_words(folder / "en.json", spaced=True).count("zib zab blort")[0] == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"\n \n", "is empty"),
        ("latin1.txt", "fl\xfcche".encode("latin-1"), "cannot be read"),
        ("words.json", b'{"en": ["blort"]}', "is not a JSON list of strings"),
        ("broken.json", b'["blort"', "cannot be read"),
    ],
)
def test_lists_that_cannot_be_used(folder: Path, name: str, content: bytes, message: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"the word list .*{name} {message}"):
        opened(folder, lists={"eng_Latn": name})


def test_a_missing_list(folder: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*absent\.txt"):
        opened(folder, lists={"eng_Latn": "absent.txt"})


def test_something_to_look_for_is_required() -> None:
    with pytest.raises(ValidationError, match="give `lists`, `classifier`, or both"):
        ToxicityStep.model_validate({"type": "toxicity"})


def test_classifier(folder: Path, fasttext_file: Callable[..., Path]) -> None:
    fasttext_file({"grr": "toxic", "hello": "fine"}, "toxic.bin")
    step = opened(folder, classifier="toxic.bin")
    document = draft("grr grr\ngrr grr")
    verdict = apply(step, document)
    assert verdict is not None and (verdict.reason, verdict.threshold) == ("toxic_score", 0.4)
    assert document.fields["toxicity"] == {"score": round(verdict.value, 4)}
    document = draft("hello hello")
    assert apply(step, document) is None
    assert document.fields["toxicity"]["score"] < 0.01


def test_a_label_that_the_classifier_does_not_have(folder: Path, fasttext_file: Callable[..., Path]) -> None:
    fasttext_file({"grr": "toxic", "hello": "fine"}, "toxic.bin")
    with pytest.raises(DataError, match=r"no label 'nsfw'; it has fine, toxic"):
        opened(folder, classifier="toxic.bin", label="nsfw")


@given(st.sets(st.text("ab-é(", min_size=1, max_size=4), min_size=1, max_size=12), st.text("ab-é( ", max_size=20))
def test_the_prefix_tree_finds_what_a_plain_pattern_finds(words: set[str], text: str) -> None:
    plain = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    assert re.findall(_alternatives(words), text) == re.findall(plain, text)


@given(st.sets(st.sampled_from(["a", "ab", "a b", "b-a", "*", "b *"]), min_size=1), st.text("ab *-", max_size=30))
def test_what_c4_finds_is_found(words: set[str], text: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(words))
        file.flush()
        found = load_words(Path(file.name), spaced=True)
    hits, _ = found.count(text)
    assert hits == len(found.pattern.findall(text))  # so the short cut by first words changes nothing
    c4 = rf"(?:\W|^)({'|'.join(map(re.escape, words))})(?:\W|$)"  # how C4 and datatrove 0.10.1 flank the words
    assert bool(hits) == bool(re.search(c4, text))
