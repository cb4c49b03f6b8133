from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.privacy.finder import find, redact
from pretraining.corpus.privacy.spans import Match, digit_runs, fold
from pretraining.corpus.sections.privacy import PATTERN_TYPES

NEGATIVES = [
    line
    for line in (Path(__file__).parent / "negatives.txt").read_text("utf-8").splitlines()
    if not line.startswith("## ")
]
PERSONAL = [
    "maria.lopez@uni-bonn.de",
    "212-736-5000",
    "电话13912345678",
    "84.17.52.193",
    "2a02:8071:22c1:5e00::1a2b",
    "4532 0198 7654 3217",
    "DE89370400440532013000",
    "SSN 460-89-9847",
    "护照E12345678",
    "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",
    "jim (at) cs dot mit dot edu",
]
GLUE = [
    " ",
    "\n",
    "，",
    ", ",
    "-",
    ".",
    ":",
    "/",
    "tel",
    "电话",
    "v",
    "1",
    "x",
    "@",
    "(",
    "[",
    " no. ",
    "passport ",
    "账",
]
TEXTS = st.lists(st.sampled_from([*PERSONAL, *GLUE]) | st.text(max_size=8), max_size=12).map("".join)


def test_no_false_alarm() -> None:
    assert len(NEGATIVES) > 400
    assert [line for line in NEGATIVES if find(line)] == []


def test_no_false_alarm_in_the_negatives_as_one_text() -> None:
    """Except where the end of one line says what the start of the next is."""
    text = "\n\n\n".join(NEGATIVES)
    assert [text[m.start - 40 : m.end] for m in find(text)] == []


def test_every_kind_at_once(make: SimpleNamespace) -> None:
    parts = {
        "EMAIL_ADDRESS": "maria.lopez@uni-bonn.de",
        "PHONE_NUMBER": "+1 212 736 5000",
        "IP_ADDRESS": "84.17.52.193",
        "CREDIT_CARD": make.card("453201987654321"),
        "IBAN_CODE": make.iban("DE", "370400440532013000"),
        "CN_RESIDENT_ID": make.resident("110105", "19900307", "123"),
        "US_SSN": "460-89-9847",
        "SECRET_KEY": "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",
    }
    text = "; ".join(parts.values()) + "; passport no. E12345678."
    kinds = [*parts, "PASSPORT"]
    assert sorted(kinds) == sorted(PATTERN_TYPES)
    assert [m.type for m in find(text)] == kinds
    masked, counts = redact(text)
    assert masked == "; ".join(f"[{kind}]" for kind in parts) + "; passport no. [PASSPORT]."
    assert counts == dict.fromkeys(PATTERN_TYPES, 1)


def test_only_what_is_asked_for() -> None:
    text = "maria@firm.de 212-736-5000"
    assert [m.type for m in find(text, ["PHONE_NUMBER"])] == ["PHONE_NUMBER"]
    assert redact(text, ["EMAIL_ADDRESS"], replace_with="<{type}>") == (
        "<EMAIL_ADDRESS> 212-736-5000",
        {"EMAIL_ADDRESS": 1},
    )
    assert redact(text, ["EMAIL_ADDRESS"], replace_with="") == (" 212-736-5000", {"EMAIL_ADDRESS": 1})


def test_the_surer_of_two_that_overlap() -> None:
    [match] = find("mail 13912345678@qq.com 手机")
    assert match.type == "EMAIL_ADDRESS"


def test_nothing_is_left_that_a_replacement_brings_near() -> None:
    text = "tel jane.elizabeth.montgomery-smythe@department.university.edu 2127365000"
    assert [m.type for m in find(text)] == ["EMAIL_ADDRESS"]  # `tel` is too far from the digits
    assert redact(text) == ("tel [EMAIL_ADDRESS] [PHONE_NUMBER]", {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1})


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_redact_is_idempotent(text: str) -> None:
    masked, counts = redact(text)
    assert find(masked) == []
    assert redact(masked) == (masked, {})
    assert (masked == text) == (not counts)


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_spans_are_in_order_and_apart_and_the_rest_stays(text: str) -> None:
    matches = find(text)
    parts, end = [], 0
    for match in matches:
        assert end <= match.start < match.end <= len(text)
        parts += [text[end : match.start], f"[{match.type}]"]
        end = match.end
    masked = "".join([*parts, text[end:]])
    again, counts = redact(masked)
    assert redact(text) == (again, dict(Counter([m.type for m in matches]) + Counter(counts)))


def test_a_match_does_not_hold_the_value() -> None:
    [match] = find("maria@firm.de")
    assert match == Match("EMAIL_ADDRESS", 0, 13, 0.95)
    assert "maria" not in repr(match)


@given(st.text())
def test_folding_keeps_every_place(text: str) -> None:
    folded = fold(text)
    assert len(folded) == len(text)
    assert all(a == b or not a.isascii() for a, b in zip(text, folded, strict=True))


def test_digit_runs() -> None:
    text = "on 2023, 12 34 56 7, then 1234567 and 1..2..3..4..5..6..7"
    assert [text[start:end] for start, end in digit_runs(text)] == ["12 34 56 7", "1234567"]


BAD = {
    "mail": "a@",
    "labels": "@a.a.a.a.a.a.a",
    "digits": "1234567890",
    "dots": ".",
    "dotted": "1.",
    "spaced": "1 ",
    "colons": ":a",
    "spaces": " ",
    "json web tokens": "eyJ",
    "headers": "-----BEGIN PRIVATE KEY-----",
    "assignments": "token=a1b2c3d4e5f6g7h8",
    "ibans": "DE12",
    "passports": "passport ",
    "parentheses": "(at)",
}


@pytest.mark.parametrize("unit", BAD.values(), ids=BAD.keys())
def test_time_is_linear(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        start = time.process_time()
        find(text)
        return time.process_time() - start

    seconds(1000)
    assert seconds(400_000) < 8 * seconds(100_000) + 0.2


@pytest.mark.parametrize("unit", ["a@", "1234567890", "."])
def test_a_megabyte_of_nothing_takes_less_than_a_second(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    start = time.process_time()
    assert find(text) == []
    assert time.process_time() - start < 1
