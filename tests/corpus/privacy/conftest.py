"""Invented numbers with correct check digits, made here by the definitions and not by the code under test."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


def card(payload: str) -> str:
    """The payload and its Luhn digit: every second digit from the right of the payload is doubled."""
    total = 0
    for place, digit in enumerate(reversed(payload)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return payload + str(-total % 10)


def iban(country: str, account: str) -> str:
    """The account number with the country and the two check digits of ISO 7064 mod 97-10."""
    letters = {chr(ord("A") + i): str(10 + i) for i in range(26)}
    number = int("".join(letters.get(c, c) for c in account + country + "00"))
    return f"{country}{98 - number % 97:02d}{account}"


def resident(area: str, born: str, order: str) -> str:
    """A Chinese resident ID: the last character is that of ISO 7064 mod 11-2, by its recursive definition."""
    product = 0
    for digit in area + born + order:
        product = (product + int(digit)) * 2 % 11
    check = (12 - product) % 11
    return area + born + order + ("X" if check == 10 else str(check))


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """``make.card(payload)``, ``make.iban(country, account)``, ``make.resident(area, born, order)``."""
    return SimpleNamespace(card=card, iban=iban, resident=resident)
