from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pretraining.corpus.decontamination.index import contamination_table
from pretraining.corpus.decontamination.step import Decontamination
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.decontamination import DecontaminationStep
from pretraining.corpus.step import Preparation, Verdict, apply
from pretraining.errors import DataError

JACKSON = "It gives me pleasure to announce to Congress that the benevolent policy of the Government approaches an end."
QUESTION = "Which of these rivers is the longest one on Earth?"  # 10 words
SHORT = "Who wrote Hamlet?"
CHINESE = "天地玄黄，宇宙洪荒，日月盈昃，辰宿列张。寒来暑往，秋收冬藏。"
FILLER = "Nothing of any interest stands in this part of the text, which goes on for a while. " * 4


class Step:
    """The step over two benchmarks, opened."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        history = [{"id": "us", "q": JACKSON}, {"id": "us", "q": JACKSON + " True?"}, {"id": "cn", "q": CHINESE}]
        (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
        quiz = [{"q": QUESTION}, {"q": SHORT}, {"q": JACKSON}]
        (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in quiz))
        benchmarks: list[dict[str, Any]] = [
            {"name": "history", "path": "history.jsonl", "fields": ["q"], "id": "id"},
            {"name": "quiz", "path": "quiz.jsonl", "fields": ["q"]},
        ]
        section = DecontaminationStep.model_validate({"type": "decontamination", "benchmarks": benchmarks, **keys})
        self.preparation = Preparation(base=folder, folder=folder / "index", sources={}, held_out=0.0)
        Decontamination(section).prepare(self.preparation)
        self.step = pickle.loads(pickle.dumps(Decontamination(section)))
        self.step.open(self.preparation)

    def __call__(self, text: str) -> tuple[Draft, Verdict | None]:
        draft = Draft(text, "s/1", source="s", file="f")
        verdict = apply(self.step, draft)
        return draft, verdict


@pytest.mark.parametrize("text", [FILLER, SHORT, " ".join(JACKSON.split()[:12]), CHINESE[:12], "", QUESTION[:-14]])
def test_what_shares_less_than_an_ngram_stays(tmp_path: Path, text: str) -> None:
    draft, verdict = Step(tmp_path)(f"{text} ...")
    assert verdict is None
    assert draft.values == [(0.0,)]
    assert draft.fields == {}


def test_a_document_that_quotes_an_item_goes_and_says_which(tmp_path: Path) -> None:
    quoted = JACKSON.upper().replace(" ", "\n").replace("END.", "-- END!")
    draft, verdict = Step(tmp_path)(f"{FILLER} He said: {quoted} {FILLER}")
    assert verdict == Verdict("contaminated", 6.0, 1.0)  # 18 words are 6 times 13
    assert draft.fields["contamination"] == {"history": 6, "quiz": 6}
    assert draft.fields["contamination_items"] == {"history": ["us"], "quiz": ["2"]}
    words = JACKSON.lower().rstrip(".")
    assert draft.fields["contamination_evidence"] == [
        {"benchmark": "history", "item": "us", "ngrams": 6, "longest": 18, "words": words},
        {"benchmark": "quiz", "item": "2", "ngrams": 6, "longest": 18, "words": words},
    ]


def test_chinese_by_characters_and_short_items_whole(tmp_path: Path) -> None:
    step = Step(tmp_path)
    draft, verdict = step("周兴嗣：" + CHINESE[:17])  # 14 characters without punctuation
    assert verdict == Verdict("contaminated", 2.0, 1.0)
    assert draft.fields["contamination_items"] == {"history": ["cn"]}
    assert step(f"Well, {QUESTION}")[0].fields["contamination"] == {"quiz": 1}
    assert Step(tmp_path, min_item_words=11)(QUESTION)[1] is None


def test_fewer_matches_than_the_threshold_are_told_only(tmp_path: Path) -> None:
    draft, verdict = Step(tmp_path, min_matches=7)(JACKSON)
    assert verdict is None
    assert draft.values == [(6.0,)]
    assert draft.fields["contamination"] == {"history": 6, "quiz": 6}


def test_the_overlap_is_cut_with_its_margin(tmp_path: Path) -> None:
    text = f"{FILLER}Then: {JACKSON} Amen.\n\n{FILLER}"
    draft, verdict = Step(tmp_path, action="cut", margin=20, min_piece=50)(text)
    assert verdict is None
    before, after = draft.text.split("\n\n")
    assert text.startswith(before)
    assert text.endswith(after.strip() + " ")
    assert len(text) - len(draft.text) == draft.edits[0]["characters_removed"]
    assert draft.edits[0]["passages_removed"] == 1
    assert len(before) in range(len(FILLER) - 25, len(FILLER) - 10)
    assert before.split()[-1] in FILLER.split()
    assert after.split()[0] in FILLER.split()
    assert draft.values == [(2.0,)]


def test_small_pieces_go_and_too_many_remove(tmp_path: Path) -> None:
    text = f"{FILLER} {JACKSON} Amen. {JACKSON} {FILLER}"
    draft, verdict = Step(tmp_path, action="cut", margin=0, min_piece=10)(text)
    assert (len(draft.text.split("\n\n")), verdict, draft.values) == (2, None, [(3.0,)])
    assert Step(tmp_path, action="cut", margin=0, max_pieces=2)(text)[1] == Verdict("too_many_pieces", 3.0, 2.0)
    assert Step(tmp_path, action="cut")(JACKSON)[1] == Verdict("empty")
    draft, verdict = Step(tmp_path, action="cut", min_matches=99)(text)
    assert (draft.text, draft.edits, verdict) == (text, [{}], None)


def test_the_table(tmp_path: Path) -> None:
    step = Step(tmp_path)
    fields = [step(text)[0].fields for text in (JACKSON, FILLER, JACKSON, QUESTION)]
    history, quiz = contamination_table(step.preparation.folder, fields)
    assert history == {
        "benchmark": "history",
        "items": 2,
        "checkable": 2,
        "ngrams": 19,
        "items_hit": 1,
        "documents_hit": 2,
        "share_hit": 0.5,
    }
    assert {key: quiz[key] for key in ("items", "checkable", "items_hit", "documents_hit")} == {
        "items": 3,
        "checkable": 2,
        "items_hit": 2,
        "documents_hit": 3,
    }


def test_a_benchmark_without_a_checkable_item(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"text": "Who?"}\n')
    section = DecontaminationStep.model_validate(
        {"type": "decontamination", "benchmarks": [{"name": "b", "path": "b.jsonl"}]}
    )
    with pytest.raises(DataError, match="none of its 1 items has 8 words or more\n    correct `fields`"):
        Decontamination(section).prepare(Preparation(tmp_path, tmp_path, {}, 0.0))
    with pytest.raises(ValidationError, match="`min_item_words` 8 is more than `ngram` 5"):
        DecontaminationStep.model_validate({**section.model_dump(), "ngram": 5})
