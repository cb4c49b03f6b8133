from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pretraining.corpus.draft import Draft
from pretraining.corpus.privacy.step import Privacy
from pretraining.corpus.sections.privacy import PATTERN_TYPES, PrivacyStep
from pretraining.corpus.step import Preparation, Verdict, apply
from pretraining.corpus.steps import implementation
from pretraining.errors import DataError

MAILS = ["anna@firm.de", "bob@firm.de", "carl@firm.de", "dora@firm.de", "emil@firm.de", "fred@firm.de"]


def step(**keys: Any) -> Privacy:
    return Privacy(PrivacyStep(type="privacy", **keys))


def draft(text: str) -> Draft:
    return Draft(text, "id", source="web", file="a.txt")


def preparation(base: Path) -> Preparation:
    return Preparation(base=base, folder=base, sources={}, held_out=0.0)


def test_five_are_replaced() -> None:
    document = draft("Write to " + ", ".join(MAILS[:5]) + ".")
    assert apply(step(), document) is None
    assert document.text == "Write to " + ", ".join(["[EMAIL_ADDRESS]"] * 5) + "."
    assert document.values == [(5.0,)]
    assert document.edits == [{"EMAIL_ADDRESS": 5}]


def test_with_six_the_document_goes_and_its_text_is_masked_all_the_same() -> None:
    document = draft(" ".join(MAILS))
    assert apply(step(), document) == Verdict("too_much_personal_data", 6.0, 5.0)
    assert "@" not in document.text


def test_without_a_limit_all_are_replaced() -> None:
    document = draft(" ".join(MAILS))
    assert apply(step(max_replaced=None, replace_with="<{type}>"), document) is None
    assert document.text == " ".join(["<EMAIL_ADDRESS>"] * 6)


def test_types_and_regions() -> None:
    document = draft("anna@firm.de, 212-736-5000, 020 7946 0018")
    assert apply(step(types=["PHONE_NUMBER"], regions=["GB"]), document) is None
    assert document.text == "anna@firm.de, 212-736-5000, [PHONE_NUMBER]"
    assert document.edits == [{"PHONE_NUMBER": 1}]


def test_a_clean_document_is_not_touched() -> None:
    document = draft("On 2023-01-02 version 1.2.3.4 came out.")
    assert apply(step(), document) is None
    assert (document.text, document.values, document.edits) == (
        "On 2023-01-02 version 1.2.3.4 came out.",
        [(0.0,)],
        [{}],
    )


def test_every_type_can_be_counted() -> None:
    assert set(PATTERN_TYPES) | {"PERSON", "LOCATION"} == set(Privacy.edits)
    assert implementation(PrivacyStep(type="privacy")) is Privacy
    pickle.loads(pickle.dumps(step()))


@pytest.mark.parametrize(
    "keys",
    [
        {"types": []},
        {"types": ["EMAIL"]},
        {"regions": ["us"]},
        {"replace_with": "+1 212 736 5000"},
        {"replace_with": "email@example.com"},
        {"max_replaced": -1},
    ],
)
def test_what_the_section_refuses(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PrivacyStep(type="privacy", **keys)


def test_an_unknown_region(tmp_path: Path) -> None:
    step(regions=["CN", "US"]).prepare(preparation(tmp_path))
    with pytest.raises(DataError, match="'XX' is no region with phone numbers"):
        step(regions=["XX"]).prepare(preparation(tmp_path))


def test_names_need_a_model(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give `ner_model`.*pip install 'presidio-analyzer"):
        step(types=["PERSON"]).prepare(preparation(tmp_path))
    with pytest.raises(DataError, match=r"models/ner of privacy\.ner_model is not there"):
        step(types=["PERSON"], ner_model="models/ner").prepare(preparation(tmp_path))
    step(ner_model="models/ner").prepare(preparation(tmp_path))  # the check says that it is not used
