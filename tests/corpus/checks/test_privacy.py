from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pretraining.corpus.checks.privacy import RULES
from pretraining.corpus.sections.privacy import PrivacyStep
from pretraining.section import Finding


def findings(**keys: Any) -> list[tuple[str, Finding]]:
    corpus: Any = SimpleNamespace(steps=[PrivacyStep(type="privacy"), PrivacyStep(type="privacy", **keys)])
    return [(rule.id, finding) for rule in RULES for finding in rule.check(corpus)]


def test_a_step_as_it_comes_is_fine() -> None:
    assert findings() == []


def test_names_without_a_model() -> None:
    [(rule, finding)] = findings(types=["EMAIL_ADDRESS", "PERSON", "LOCATION"])
    assert rule == "privacy_names_need_model"
    assert finding.path == "corpus.steps[1].types"
    assert "PERSON and LOCATION can be found only by a model" in finding.message
    assert "ner_model" in finding.fix


def test_a_model_without_names() -> None:
    [(rule, finding)] = findings(ner_model="models/ner")
    assert (rule, finding.path) == ("privacy_names_need_model", "corpus.steps[1].ner_model")
    assert findings(types=["PERSON"], ner_model="models/ner") == []


def test_regions_without_phone_numbers() -> None:
    [(rule, finding)] = findings(types=["EMAIL_ADDRESS"], regions=["US"])
    assert (rule, finding.path) == ("privacy_phone_regions", "corpus.steps[1].regions")
    assert findings(types=["EMAIL_ADDRESS"]) == []
    assert findings(regions=["US"]) == []


def test_regions_that_have_no_phone_numbers() -> None:
    [(rule, finding)] = findings(regions=["US", "XX", "NL"])
    assert (rule, finding.path) == ("privacy_regions_known", "corpus.steps[1].regions[1]")
    assert "'XX' is no region" in finding.message
