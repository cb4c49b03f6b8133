from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pretraining.corpus.assets import MissingAsset
from pretraining.corpus.draft import Draft
from pretraining.corpus.models.language import Language, accepted_share, blocks, load_py3langid
from pretraining.corpus.sections.language import LanguageStep
from pretraining.corpus.step import Preparation, apply
from pretraining.errors import DataError

SENTENCES = {
    "eng_Latn": "The committee will meet again next week to decide whether the old bridge should be repaired.",
    "deu_Latn": "Der Ausschuss trifft sich nächste Woche wieder und entscheidet über die Reparatur der alten Brücke.",
    "fra_Latn": "Le comité se réunira de nouveau la semaine prochaine pour décider de la réparation du vieux pont.",
    "spa_Latn": "El comité se reunirá de nuevo la próxima semana para decidir si se debe reparar el viejo puente.",
    "por_Latn": "A comissão volta a reunir-se na próxima semana para decidir se a velha ponte deve ser reparada.",
    "ita_Latn": "Il comitato si riunirà di nuovo la prossima settimana per decidere se riparare il vecchio ponte.",
    "nld_Latn": "De commissie komt volgende week opnieuw bijeen om te beslissen of de oude brug wordt hersteld.",
    "tur_Latn": "Kurul, eski köprünün onarılıp onarılmayacağına karar vermek için gelecek hafta yeniden toplanacak.",
    "rus_Cyrl": "На следующей неделе комиссия снова соберётся, чтобы решить, нужно ли чинить старый мост.",
    "arb_Arab": "ستجتمع اللجنة مرة أخرى الأسبوع المقبل لتقرر ما إذا كان ينبغي إصلاح الجسر القديم.",
    "hin_Deva": "समिति अगले सप्ताह फिर से बैठक करेगी और तय करेगी कि पुराने पुल की मरम्मत की जाए या नहीं।",
    "cmn_Hani": "委员会下周将再次开会，决定是否应该修复这座古老的桥梁。",
    "jpn_Jpan": "委員会は来週もう一度集まり、古い橋を修理するべきかどうかを決める予定です。",
    "kor_Hang": "위원회는 다음 주에 다시 모여 오래된 다리를 수리해야 할지 결정할 것이다.",
    "tha_Thai": "คณะกรรมการจะประชุมอีกครั้งในสัปดาห์หน้าเพื่อตัดสินใจว่าจะซ่อมสะพานเก่าหรือไม่",
}


def opened(folder: Path, measure_all: bool = False, **keys: Any) -> Language:
    section = LanguageStep.model_validate({"type": "language", "accept": ["eng_Latn", "cmn_Hani"], **keys})
    step = Language(section, measure_all=measure_all)
    preparation = Preparation(folder, folder, {}, 0.0)
    step.prepare(preparation)
    step = pickle.loads(pickle.dumps(step))  # as it travels to a worker
    step.open(preparation)
    return step


def draft(text: str) -> Draft:
    return Draft(text, "a/1", source="a", file="1.txt")


@pytest.mark.parametrize(("code", "text"), SENTENCES.items())
def test_real_sentences(code: str, text: str) -> None:
    assert load_py3langid()(text)[0] == code


def test_an_accepted_document_gets_its_language(tmp_path: Path) -> None:
    document = draft(SENTENCES["eng_Latn"])
    assert apply(opened(tmp_path), document) is None
    assert document.language == document.fields["language"] == "eng_Latn"
    assert 0.65 < document.fields["language_score"] <= 1.0
    other, low, mixed = document.values[0]
    assert math.isnan(other) and math.isnan(mixed)
    assert low == pytest.approx(document.fields["language_score"], abs=1e-4)


def test_another_language_goes_whatever_the_thresholds(tmp_path: Path) -> None:
    document = draft(SENTENCES["deu_Latn"])
    verdict = apply(opened(tmp_path, threshold=None), document)
    assert verdict is not None and (verdict.reason, verdict.threshold) == ("other_language", 0.0)
    assert verdict.value > 0.9
    assert document.language == "deu_Latn"


def test_a_document_without_any_words_goes(tmp_path: Path) -> None:
    verdict = apply(opened(tmp_path), draft("12345 — 67"))
    assert verdict is not None and verdict.reason == "other_language"


def test_low_confidence(tmp_path: Path) -> None:
    document = draft("The old bridge")
    verdict = apply(opened(tmp_path, threshold=0.99), document)
    assert verdict is not None
    assert (verdict.reason, verdict.threshold) == ("low_confidence", 0.99)
    assert verdict.value == pytest.approx(document.fields["language_score"], abs=1e-4)


def test_thresholds_of_single_languages(tmp_path: Path) -> None:
    strict = {"threshold": 0.0, "thresholds": {"cmn_Hani": 1.0}}
    text = SENTENCES["cmn_Hani"]
    assert apply(opened(tmp_path, **strict), draft(SENTENCES["eng_Latn"])) is None
    verdict = apply(opened(tmp_path, **strict), draft(text))
    assert verdict is not None and (verdict.reason, verdict.threshold) == ("low_confidence", 1.0)
    assert apply(opened(tmp_path, threshold=1.0, thresholds={"cmn_Hani": 0.5}), draft(text)) is None


def test_only_the_beginning_is_looked_at(tmp_path: Path) -> None:
    text = SENTENCES["eng_Latn"] + "\n" + 20 * SENTENCES["deu_Latn"]
    length = len(SENTENCES["eng_Latn"])
    document = draft(text)
    assert apply(opened(tmp_path, max_characters=length), document) is None
    assert document.language == "eng_Latn"
    document = draft(text)
    apply(opened(tmp_path), document)
    assert document.language == "deu_Latn"


def test_mixed_documents(tmp_path: Path) -> None:
    english, german = SENTENCES["eng_Latn"], SENTENCES["deu_Latn"]
    text = "\n".join([english] * 6 + [german] * 12)
    step = opened(tmp_path, min_share=0.5, max_characters=300)
    document = draft(text)
    verdict = apply(step, document)
    assert verdict is not None and (verdict.reason, verdict.threshold) == ("mixed_language", 0.5)
    assert verdict.value == pytest.approx(0.31, abs=0.07)
    assert apply(opened(tmp_path, min_share=0.2, max_characters=300), draft(text)) is None


def test_the_share_is_not_measured_unless_asked_for(tmp_path: Path) -> None:
    step = opened(tmp_path, measure_all=True)
    document = draft(SENTENCES["eng_Latn"])
    apply(step, document)
    assert math.isnan(document.values[0][2])
    assert step.threshold_keys == {"threshold", "thresholds"}


def test_lines_are_cut_where_the_script_changes() -> None:
    english, chinese = SENTENCES["eng_Latn"], SENTENCES["cmn_Hani"]
    text = f"{english}\n\n{chinese}\n{chinese}\n{english}"
    assert list(blocks(text)) == [english, f"{chinese}\n{chinese}", english]
    assert len(list(blocks("\n".join([english] * 6)))) == 2
    assert list(blocks("\n\n")) == []


def test_share_of_accepted_text() -> None:
    identify = load_py3langid()
    text = SENTENCES["eng_Latn"] + "\n" + SENTENCES["rus_Cyrl"]
    both = accepted_share(text, ["eng_Latn", "rus_Cyrl"], identify)
    assert both == 1.0
    assert 0.4 < accepted_share(text, ["rus_Cyrl"], identify) < 0.6
    assert math.isnan(accepted_share("ok\n42", ["eng_Latn"], identify))


def test_fasttext(tmp_path: Path, fasttext_file: Callable[..., Path]) -> None:
    fasttext_file({"the": "en", "und": "de", "桥梁": "zh"}, "lid.bin")
    step = opened(tmp_path, identifier="fasttext", model="lid.bin")
    document = draft("the bridge and the river\nthe the the the")
    assert apply(step, document) is None
    assert document.language == "eng_Latn"
    document = draft("古老 的 桥梁")
    assert apply(step, document) is None
    assert document.language == "cmn_Hani"
    verdict = apply(step, draft("und und"))
    assert verdict is not None and verdict.reason == "other_language"


def test_a_missing_model_fails_before_the_first_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"there is no file .*nowhere\.bin"):
        opened(tmp_path, identifier="fasttext", model="nowhere.bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PRETRAINING_ASSETS", raising=False)
    with pytest.raises(MissingAsset, match=r"lid\.176\.bin is not on this machine"):
        opened(tmp_path, identifier="fasttext", model="lid.176.bin")


def test_without_py3langid_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_py3langid.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "py3langid.langid", None)
    with pytest.raises(DataError, match="pip install py3langid"):
        opened(tmp_path)


def test_languages_to_accept_are_required() -> None:
    with pytest.raises(ValidationError, match="accept"):
        LanguageStep.model_validate({"type": "language"})
    with pytest.raises(ValidationError, match="at least 1 item"):
        LanguageStep.model_validate({"type": "language", "accept": []})
