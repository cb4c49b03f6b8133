from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.privacy.cards import IBAN_LENGTHS, iban, luhn
from pretraining.corpus.privacy.finder import find


def found(text: str, kind: str) -> list[str]:
    return [text[m.start : m.end] for m in find(text, [kind])]


PAYLOADS = {
    "visa": "453201987654321",
    "mastercard": "520082345678901",
    "mastercard of 2017": "222300987654321",
    "american express": "37123987654321",
    "discover": "601198765432109",
    "jcb": "353011133330000",
    "unionpay": "621226980012345",
    "unionpay of 19 digits": "622202020300123456",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_cards(make: SimpleNamespace, payload: str) -> None:
    number = make.card(payload)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert found(f"paid with {number}.", "CREDIT_CARD") == [number]
    assert found(f"卡号{number}，谢谢", "CREDIT_CARD") == [number]
    assert found(f"card {wrong}", "CREDIT_CARD") == []
    if len(number) != 15:
        grouped = "-".join(number[i : i + 4] for i in range(0, len(number), 4))
        assert found(f"card {grouped}", "CREDIT_CARD") == [grouped]


def test_american_express_is_grouped_4_6_5(make: SimpleNamespace) -> None:
    number = make.card(PAYLOADS["american express"])
    grouped = f"{number[:4]} {number[4:10]} {number[10:]}"
    assert found(grouped, "CREDIT_CARD") == [grouped]


def test_rare_lengths_need_a_word(make: SimpleNamespace) -> None:
    for payload in ("400638133393", "3012345678901", "63042737339"):
        number = make.card(payload)
        assert found(f"number {number}", "CREDIT_CARD") == []
        assert found(f"my credit card {number}", "CREDIT_CARD") == [number]


def test_another_issuer_is_none(make: SimpleNamespace) -> None:
    assert found(f"card {make.card('712345678901234')}", "CREDIT_CARD") == []


def test_full_width(make: SimpleNamespace) -> None:
    number = make.card(PAYLOADS["visa"]).translate({0x30 + i: 0xFF10 + i for i in range(10)})
    assert found(f"银行卡{number}", "CREDIT_CARD") == [number]


@given(st.text("0123456789", min_size=5, max_size=18), st.data())
def test_luhn_accepts_its_digit_and_rejects_another(make: SimpleNamespace, payload: str, data: st.DataObject) -> None:
    number = make.card(payload)
    place = data.draw(st.integers(0, len(number) - 1))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != number[place]]))
    assert luhn(number)
    assert not luhn(number[:place] + other + number[place + 1 :])


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.data())
def test_iban_accepts_its_digits_and_rejects_others(make: SimpleNamespace, country: str, data: st.DataObject) -> None:
    size = IBAN_LENGTHS[country] - 4
    account = data.draw(st.text("0123456789", min_size=size, max_size=size))
    number = make.iban(country, account)
    place = data.draw(st.integers(2, len(number) - 1))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != number[place]]))
    assert iban(number)
    assert not iban(number[:place] + other + number[place + 1 :])
    assert not iban(number + "0")


@pytest.mark.parametrize(
    ("country", "account"),
    [
        ("DE", "370400440532013000"),
        ("GB", "WEST12345698765432"),
        ("FR", "20041010050500013M02606"),
        ("NO", "86011117947"),
        ("MT", "MALT011000012345MTLCAST001S"),
    ],
)
def test_ibans(make: SimpleNamespace, country: str, account: str) -> None:
    number = make.iban(country, account)
    grouped = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    assert found(f"IBAN {number}.", "IBAN_CODE") == [number]
    assert found(f"IBAN: {grouped}, BIC", "IBAN_CODE") == [grouped]
    assert found(f"账户{number}", "IBAN_CODE") == [number]
    assert found(f"x{number}", "IBAN_CODE") == []


def test_an_iban_ends_where_its_country_says(make: SimpleNamespace) -> None:
    number = make.iban("NO", "86011117947")
    assert found(f"{number} 12 KR", "IBAN_CODE") == [number]
