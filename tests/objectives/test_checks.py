"""The rules about the objective, each broken and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pretraining.batching.config import BatchesSection
from pretraining.objectives.checks import (
    pretrained_tokenizer_suffices,
    rows_have_room_for_marks,
    rows_hold_a_pair,
    sentinels_suffice,
)
from pretraining.objectives.config import ObjectiveSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.section import Finding
from pretraining.tokenization.config import TokenizerSection

T5: dict[str, Any] = {"type": "span_corruption"}
UL2: dict[str, Any] = {"type": "mixture_of_denoisers"}


def section(**keys: Any) -> ObjectiveBase:
    """The objective with these keys."""
    return TypeAdapter(ObjectiveSection).validate_python(keys)


def findings(keys: dict[str, Any], **batches: Any) -> list[Finding]:
    """What the rule about sentinels says."""
    return list(sentinels_suffice(section(**keys), BatchesSection.model_validate(batches)))


@pytest.mark.parametrize(
    ("keys", "length"),
    [
        (T5, 512),
        ({**T5, "extra_ids": 28}, 512),
        (UL2, 512),
        ({**UL2, "extra_ids": 85}, 512),
        ({"type": "causal_lm"}, 8),
    ],
)
def test_as_many_sentinels_as_spans_are_enough(keys: dict[str, Any], length: int) -> None:
    assert findings(keys, sequence_length=length) == []


def test_prefixes_need_no_sentinels() -> None:
    prefix = {"type": "prefix", "noise_density": 0.25}
    assert findings({**UL2, "denoisers": [prefix], "extra_ids": 1}, sequence_length=4096) == []


@pytest.mark.parametrize(
    ("keys", "length", "spans", "sentinels"),
    [({**T5, "extra_ids": 27}, 512, "28", "27"), (T5, 2048, "114", "100"), (UL2, 1024, "170", "100")],
)
def test_more_spans_than_sentinels_are_refused(keys: dict[str, Any], length: int, spans: str, sentinels: str) -> None:
    (found,) = findings(keys, sequence_length=length)
    assert found.path == "objective.extra_ids"
    said = f"rows of {length:,} tokens have up to {spans} spans, and there are {sentinels} sentinels for them"
    assert found.message == said and found.fix.startswith(f"set it to {spans} or more, or use longer spans")
    assert findings({**keys, "extra_ids": int(spans)}, sequence_length=length) == []  # the advice is right


def test_the_longest_stage_counts_with_its_own_options() -> None:
    short = {"name": "short", "duration": {"steps": 1}, "sequence_length": 512}
    long = {"name": "long", "duration": {"steps": 1}, "sequence_length": 4096}
    (found,) = findings(T5, stages=[short, {**long, "sequence_length": 2048}, long])
    assert found.path == "objective.extra_ids" and found.message.startswith("rows of 4,096 tokens have up to 227 spans")
    assert findings(T5, stages=[short, {**long, "objective": {"mean_span_length": 8.0}}]) == []
    assert findings(T5, stages=[short, {**long, "objective": {"extra_ids": 300}}]) == []
    (found,) = findings(T5, stages=[{**short, "objective": {"extra_ids": 20}}])
    assert found.path == "batches.stages[0].objective.extra_ids"
    assert findings(T5, stages=[{**long, "objective": {"extra_idz": 3}}]) == []  # another rule says that


def test_tasks_are_looked_at_each() -> None:
    tasks = [{"name": "t5", "objective": {**T5, "extra_ids": 20}}, {"name": "ul2", "objective": UL2}]
    (found,) = findings({"type": "multi_task", "tasks": tasks}, sequence_length=512)
    assert found.path == "objective.tasks[0].objective.extra_ids"


def test_rows_of_a_pair_have_five_tokens() -> None:
    def said(**batches: Any) -> list[str]:
        found = rows_hold_a_pair(section(type="sentence_pair"), BatchesSection.model_validate(batches))
        return [f"{each.path}: {each.message}" for each in found]

    message = "[CLS] A [SEP] B [SEP] has 5 tokens at least, and rows have 4"
    assert said(sequence_length=4) == [f"batches.sequence_length: {message}"]
    assert said(sequence_length=5) == []
    stage, short = ({"name": name, "duration": {"steps": 1}} for name in "ab")
    short["sequence_length"] = 4
    assert said(sequence_length=64, stages=[stage, short]) == [f"batches.stages[1].sequence_length: {message}"]
    assert said(sequence_length=4, stages=[stage]) == [f"batches.sequence_length: {message}"]
    assert list(rows_hold_a_pair(section(type="masked_lm"), BatchesSection(sequence_length=4))) == []


NAMES = {"eos_token": "</s>", "mask_token": {"content": "<mask>", "special": True}}
MLM: dict[str, Any] = {"type": "masked_lm"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a small tokenizer with EOS and mask."""
    state = {"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"content": "</s>"}, {"content": "<x>"}]}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tokenizer.json").write_text(json.dumps(state))
    write_names(tmp_path / "mine", **NAMES)
    return tmp_path / "mine"


def write_names(folder: Path, tokenizer_class: str = "PreTrainedTokenizerFast", **names: Any) -> None:
    """``tokenizer_config.json``."""
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class, **names}))


def said(folder: Path, objective: dict[str, Any] = MLM, stages: Any = (), **keys: Any) -> list[str]:
    """What the rule about pretrained tokenizers says."""
    tokenizer = TokenizerSection(algorithm="pretrained", name_or_path=folder.name, **keys)
    batches = BatchesSection.model_validate({"stages": list(stages)})
    found = pretrained_tokenizer_suffices(tokenizer, section(**objective), batches, folder.parent)
    return [f"{each.path}: {each.message}; {each.fix}" for each in found]


def test_a_pretrained_tokenizer_with_all_that_is_needed_is_accepted(folder: Path) -> None:
    assert said(folder) == said(folder, additional_special_tokens=["<x>"]) == []
    assert said(folder, {"type": "span_corruption"}, add_missing_tokens=True) == []
    assert said(folder.with_name("openai-gpt")) == []  # none here: one of the hub
    write_names(folder, eos_token="</s>")
    assert said(folder, mask_token="<x>") == []
    write_names(folder)
    (folder / "special_tokens_map.json").write_text(json.dumps(NAMES))
    assert said(folder) == []
    (folder / "special_tokens_map.json").unlink()
    for name in ("T5TokenizerFast", "BertTokenizer"):  # classes with tokens of their own
        write_names(folder, name)
        assert said(folder) == []
    write_names(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert said(folder) == []


def test_tokens_that_a_pretrained_tokenizer_lacks_are_named(folder: Path) -> None:
    write_names(folder, eos_token="</s>")
    (message,) = said(folder)
    assert message == (
        "tokenizer.name_or_path: the tokenizer mine has no [MASK], which the recipe or its objective needs; set "
        "tokenizer.add_missing_tokens: true to add it behind its 4 tokens, or name tokens that it has "
        "(tokenizer.mask_token: ... and so on)"
    )
    (message,) = said(folder, T5)
    assert "has no <extra_id_0>, <extra_id_1>, <extra_id_2> and 97 more, which" in message
    stage = {"name": "one", "duration": {"steps": 1}, "objective": {"extra_ids": 4}}
    (message,) = said(folder, T5, [stage])
    assert "has no <extra_id_0>, <extra_id_1>, <extra_id_2>, <extra_id_3>, which" in message
    (message,) = said(folder, {"type": "causal_lm"}, bos_token="<begin>", additional_special_tokens=["<y>"])
    assert "has no <begin>, <y>, which" in message


def test_a_pretrained_tokenizer_without_an_end_is_refused(folder: Path) -> None:
    write_names(folder, bos_token="</s>")
    (message,) = said(folder, {"type": "causal_lm"})
    assert message.startswith("tokenizer.eos_token: the tokenizer has neither an eos_token nor a sep_token, so nothing")
    assert said(folder, {"type": "causal_lm"}, eos_token="</s>") == []
    assert said(folder, {"type": "sentence_pair"}, add_missing_tokens=True) == []  # it gets a sep_token


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("tokenizer.json", '{"model": {"vocab": {"a": 0', "is damaged or cut short"),
        ("tokenizer.json", "{}", "holds no tokenizer: it has no `model`"),
        ("tokenizer.json", "[]", "holds no tokenizer: it is no JSON object"),
        ("tokenizer_config.json", "", "is damaged or cut short"),
    ],
)
def test_a_pretrained_tokenizer_that_cannot_be_read_is_refused(
    folder: Path, file: str, text: str, message: str
) -> None:
    (folder / file).write_text(text)
    (found,) = said(folder)
    assert found.startswith(f"tokenizer.name_or_path: {folder / file} {message}") and "restore it" in found


@pytest.mark.parametrize("tasks", [False, True])
def test_rows_too_short_for_the_marks_are_refused(tasks: bool) -> None:
    fim: dict[str, Any] = {"type": "fill_in_the_middle"}
    plain = {"name": "plain", "objective": {"type": "causal_lm"}}
    two = {"type": "multi_task", "tasks": [plain, {"name": "fim", "objective": fim}]}
    objective = section(**(two if tasks else fim))
    stages = [
        {"name": "short", "duration": {"steps": 1}, "sequence_length": 15},
        {"name": "long", "duration": {"steps": 1}},
    ]

    def found(**batches: Any) -> list[Finding]:
        return list(rows_have_room_for_marks(objective, BatchesSection.model_validate(batches)))

    assert found(sequence_length=16) == []
    (one,) = found(sequence_length=16, stages=stages)
    assert one.path == "batches.stages[0].sequence_length" and one.fix == "set it to 16 or more"
    assert one.message == "fill_in_the_middle leaves 8 tokens of a row free for its marks, and a row has 15"
    (one,) = found(sequence_length=12, stages=stages[1:])
    assert one.path == "batches.sequence_length"
    assert not list(rows_have_room_for_marks(section(type="causal_lm"), BatchesSection(sequence_length=12)))
