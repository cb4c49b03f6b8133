from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.privacy.finder import find
from pretraining.corpus.privacy.identity import PASSPORTS, cn_resident_id, us_ssn


def found(text: str, kind: str) -> list[str]:
    return [text[m.start : m.end] for m in find(text, [kind])]


def test_resident_ids(make: SimpleNamespace) -> None:
    number = make.resident("110105", "19900307", "123")
    ending_in_x = next(n for i in range(100) if (n := make.resident("310104", "19851231", f"{i:03d}")).endswith("X"))
    assert found(f"身份证号{number}，已核实", "CN_RESIDENT_ID") == [number]
    assert found(f"身份证：{ending_in_x}。", "CN_RESIDENT_ID") == [ending_in_x]
    assert found(f"{ending_in_x.lower()}\n", "CN_RESIDENT_ID") == [ending_in_x.lower()]
    assert found(f"{number[:6]} {number[6:14]} {number[14:]}", "CN_RESIDENT_ID")
    assert found(f"A{number}", "CN_RESIDENT_ID") == []
    assert found(f"{number}7", "CN_RESIDENT_ID") == []
    full_width = number.translate({0x30 + i: 0xFF10 + i for i in range(10)})
    assert found(full_width, "CN_RESIDENT_ID") == [full_width]


def test_a_resident_id_has_a_province_and_a_birthday(make: SimpleNamespace) -> None:
    assert cn_resident_id(make.resident("110105", "19900307", "123"))
    assert not cn_resident_id(make.resident("990105", "19900307", "123"))
    assert not cn_resident_id(make.resident("110105", "19900230", "123"))
    assert not cn_resident_id(make.resident("110105", "17900307", "123"))
    later = make.resident("110105", "20300307", "123")
    assert not cn_resident_id(later, today=datetime.date(2025, 1, 1))
    assert cn_resident_id(later, today=datetime.date(2031, 1, 1))


@given(
    st.sampled_from(["110105", "440305", "810000"]),
    st.dates(datetime.date(1900, 1, 1), datetime.date(2020, 1, 1)),
    st.integers(0, 999),
    st.data(),
)
def test_a_changed_digit_is_seen(
    make: SimpleNamespace, area: str, born: datetime.date, order: int, data: st.DataObject
) -> None:
    number = make.resident(area, born.strftime("%Y%m%d"), f"{order:03d}")
    place = data.draw(st.integers(0, 16))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != number[place]]))
    assert cn_resident_id(number)
    assert not cn_resident_id(number[:place] + other + number[place + 1 :])


def test_social_security() -> None:
    assert found("SSN: 460-89-9847", "US_SSN") == ["460-89-9847"]
    assert found("her number, 460-89-9847, was", "US_SSN") == ["460-89-9847"]
    assert found("social security number 460899847", "US_SSN") == ["460899847"]
    assert found("a number 460899847", "US_SSN") == []
    assert found("460 89 9847", "US_SSN") == []
    for digits in ("000899847", "666899847", "900899847", "460009847", "460890000", "078051120", "111111111"):
        assert not us_ssn(digits)


NUMBERS = {
    "US": "A12345678",
    "GB": "533401372",
    "CN": "E12345678",
    "DE": "C01X00T47",
    "FR": "14AB12345",
    "IT": "YA1234567",
    "ES": "PAB123456",
    "NL": "NWE45KN71",
    "CA": "GA302922",
    "IN": "K1234567",
    "JP": "TK1234567",
    "KR": "M123A4567",
    "AU": "PA1234567",
    "BR": "FZ123456",
    "RU": "75 1234567",
}


@pytest.mark.parametrize("country", PASSPORTS)
def test_passports(country: str) -> None:
    number = NUMBERS[country]
    assert found(f"Passport No. {number} was issued", "PASSPORT") == [number]
    assert found(f"her document {number} was issued", "PASSPORT") == []


@pytest.mark.parametrize(
    "text",
    [
        "护照号码：E12345678",
        "护照E12345678",
        "passport number is E12345678",
        "Reisepass Nr. E12345678",
        "PASSPORT #E12345678",
    ],
)
def test_words_for_passport(text: str) -> None:
    assert found(text, "PASSPORT") == ["E12345678"]
