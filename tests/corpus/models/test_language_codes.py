from __future__ import annotations

import re

import pytest

from pretraining.corpus.models.language_codes import ISO_639_3, KNOWN_CODES, SCRIPTS, language_code, usual_codes


@pytest.mark.parametrize(
    ("label", "text", "code"),
    [
        ("en", "good morning", "eng_Latn"),
        ("zh", "早上好", "cmn_Hani"),
        ("zh", "使用 pip install transformers 安装软件包然后运行", "cmn_Hani"),
        ("zh", "zǎo shang hǎo, nǐ hǎo ma", "cmn_Latn"),
        ("sr", "Добро јутро", "srp_Cyrl"),
        ("sr", "Dobro jutro", "srp_Latn"),
        ("ru", "Dobroe utro", "rus_Latn"),
        ("ja", "おはようございます。今日は", "jpn_Jpan"),
        ("ko", "좋은 아침", "kor_Hang"),
        ("ar", "صباح الخير", "arb_Arab"),
        ("uz", "Хайрли тонг", "uzn_Cyrl"),
        ("uz", "Xayrli tong", "uzn_Latn"),
        ("als", "Guete Morge", "gsw_Latn"),
        ("yue", "早晨", "yue_Hani"),
        ("en", "12345", "eng_Zyyy"),
        ("deu_Latn", "早上好", "deu_Latn"),
    ],
)
def test_codes(label: str, text: str, code: str) -> None:
    assert language_code(label, text) == code


def test_the_tables_are_well_formed() -> None:
    assert all(re.fullmatch("[a-z]{2,3}", label) for label in ISO_639_3)
    assert all(re.fullmatch("[a-z]{3}", code) for code in ISO_639_3.values())
    assert all(re.fullmatch("[a-z]{3}_[A-Z][a-z]{3}", code) for code in KNOWN_CODES)
    assert set(SCRIPTS) <= {code[:3] for code in KNOWN_CODES}


def test_every_label_of_the_identifier_gives_a_known_language() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    known = {code[:3] for code in KNOWN_CODES}
    labels = set(LanguageIdentifier.from_model_file(MODEL_FILE).labels) - {"zxx"}  # zxx: no language at all
    assert {ISO_639_3.get(label, label) for label in labels} <= known


def test_usual_codes() -> None:
    assert usual_codes("sr") == ["srp_Latn", "srp_Cyrl"]
    assert usual_codes("zho") == ["cmn_Hani"]
    assert usual_codes("deu") == ["deu_Latn"]


def test_two_languages_that_share_a_code_stay_apart() -> None:
    assert language_code("sq", "Mirëmëngjes") == "als_Latn"  # ISO 639-3 for Tosk Albanian
    assert language_code("als", "Guete Morge") == "gsw_Latn"  # Wikipedia's label for Alemannic
    assert {"als_Latn", "gsw_Latn"} <= KNOWN_CODES
