from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.checks.language import RULES
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.toxicity import ToxicityStep
from pretraining.section import Finding


def findings(base: Path, **keys: Any) -> list[Finding]:
    return findings_of({"type": "language", "accept": ["eng_Latn"], **keys}, base)


def findings_of(step: dict[str, Any], base: Path) -> list[Finding]:
    step = dict(step)
    made = ToxicityStep.model_validate(step) if step["type"] == "toxicity" else None
    steps = [] if made else [step]
    corpus = CorpusSection.model_validate({"sources": [{"type": "text", "path": "a.txt"}], "steps": steps})
    if made:
        corpus = corpus.model_copy(update={"steps": [made]})
    known = {"corpus": corpus, "base": base}
    return [
        found
        for rule in RULES
        for found in rule.check(**{name: known[name] for name in inspect.signature(rule.check).parameters})
    ]


def test_nothing_to_say(tmp_path: Path) -> None:
    assert findings(tmp_path, accept=["eng_Latn", "cmn_Hani", "srp_Cyrl"], thresholds={"cmn_Hani": 0.5}) == []


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("zh", "'cmn_Hani'"),
        ("zho_Hans", "'cmn_Hani'"),
        ("en", "'eng_Latn'"),
        ("eng_latn", "'eng_Latn'"),
        ("sr", "'srp_Latn' or 'srp_Cyrl'"),
        ("est_Latn", "'ekk_Latn'"),
    ],
)
def test_codes_that_are_never_found(tmp_path: Path, code: str, meant: str) -> None:
    (found,) = findings(tmp_path, accept=["eng_Latn", code])
    assert found.path == "corpus.steps[0].accept[1]"
    assert repr(code) in found.message and "no document would be kept" in found.message
    assert found.hint == f"did you mean {meant}?"


def test_an_unknown_code_has_no_hint(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, accept=["klingon"])
    assert found.hint == ""


def test_a_model_of_ones_own_may_know_other_languages(tmp_path: Path) -> None:
    (tmp_path / "glotlid.bin").write_bytes(b"model")
    keys = {"identifier": "fasttext", "model": "glotlid.bin"}
    assert findings(tmp_path, accept=["aai_Latn"], **keys) == []
    (found,) = findings(tmp_path, accept=["zh"], **keys)
    assert found.path == "corpus.steps[0].accept[0]"


def test_a_threshold_that_decides_nothing(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, thresholds={"deu_Latn": 0.5})
    assert found.path == "corpus.steps[0].thresholds.deu_Latn"
    assert "is not accepted" in found.message


def test_a_missing_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = findings(tmp_path, identifier="fasttext", model="nowhere.bin")
    assert found.path == "corpus.steps[0].model"
    assert "there is no file" in found.message
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PRETRAINING_ASSETS", raising=False)
    (found,) = findings(tmp_path, identifier="fasttext", model="lid.176.bin")
    assert "is not on this machine" in found.message and "sha256" in found.fix


def test_a_model_that_is_not_read(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, model="lid.176.ftz")
    assert found.path == "corpus.steps[0].model"
    assert "py3langid has its own model" in found.message


def test_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (found,) = findings(tmp_path)
    assert (found.path, found.fix) == ("corpus.steps[0].identifier", "pip install py3langid")


def test_languages_of_any_step(tmp_path: Path) -> None:
    assert findings_of({"type": "normalize", "languages": ["cmn_Hani"]}, tmp_path) == []
    (found,) = findings_of({"type": "normalize", "languages": ["eng_Latn", "zh"]}, tmp_path)
    assert found.path == "corpus.steps[0].languages[1]"
    assert "no document's language" in found.message
    assert found.hint == "did you mean 'cmn_Hani'?"


def test_word_lists(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("blort")
    assert findings_of({"type": "toxicity", "lists": {"eng_Latn": "en.txt"}}, tmp_path) == []
    (found,) = findings_of({"type": "toxicity", "lists": {"en": "en.txt"}}, tmp_path)
    assert (found.path, found.hint) == ("corpus.steps[0].lists.en", "did you mean 'eng_Latn'?")
    first, second = findings_of(
        {"type": "toxicity", "lists": {"eng_Latn": "absent.txt"}, "classifier": "absent.bin"}, tmp_path
    )
    assert (first.path, second.path) == ("corpus.steps[0].lists.eng_Latn", "corpus.steps[0].classifier")
    assert "there is no file" in first.message
