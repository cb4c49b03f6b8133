"""Payment cards (Luhn and the issuer's prefix) and IBANs (mod 97 and the country's length)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pretraining.corpus.privacy.spans import Match, before, stands_alone

_CARD = re.compile(
    r"(?<![0-9A-Za-z_])(?:[0-9]{12,19}"
    r"|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})(?![0-9A-Za-z_])"
)
_WORD = re.compile(
    r"(?:\b(?:cards?|credit|debit|visa|master ?card|maestro|amex|american express|discover|diners|jcb|unionpay|cc|cvv"
    r"|pan|karte|kreditkarte|carte|tarjeta|carta)\b|卡|银联|账号|帳號|カード)[^\n]*$"
)
_OTHER = re.compile(
    r"\b(?:isbn|issn|ean|upc|imei|doi|arxiv|pmid|order|invoice|tracking|serial|timestamp|hash|issues?|bugs?|tickets?|ids?)\b[^\n]{0,12}$"
)


_PARTS = tuple("/-=&?#._~%")
"""Before a number in one piece they mean a piece of a URL, a file name or a code; every tenth number passes Luhn."""


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1, annex B."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


_ISSUERS = re.compile(
    r"4[0-9]{15}(?:[0-9]{3})?"  # Visa
    # Mastercard
    r"|(?:5[1-5][0-9]{4}|222[1-9][0-9]{2}|22[3-9][0-9]{3}|2[3-6][0-9]{4}|27[01][0-9]{3}|2720[0-9]{2})[0-9]{10}"
    r"|3[47][0-9]{13}"  # American Express
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12}"  # Discover
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # JCB
    r"|62[0-9]{14,17}"  # UnionPay
)
_WITH_WORD = re.compile(
    r"4[0-9]{12}"  # old Visa; without a word it is a European article number
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners Club
    r"|(?:1800|2131)[0-9]{11}"  # old JCB
    r"|(?:5[0678]|6[0-9])[0-9]{10,17}"  # Maestro, RuPay, Discover of other lengths
)


def cards(text: str, runs: Sequence[tuple[int, int]]) -> Iterator[Match]:
    """Card numbers, in one piece or grouped 4-4-4-4 or 4-6-5. Rare lengths need a word like ``card`` before them."""
    for run_start, run_end in runs:
        if run_end - run_start < 12:
            continue
        for found in _CARD.finditer(text, run_start, run_end):
            start, end = found.span()
            score = _card_score(text, start, end)
            if score:
                yield Match("CREDIT_CARD", start, end, score)


def _card_score(text: str, start: int, end: int) -> float:
    digits = text[start:end].replace(" ", "").replace("-", "")
    if len(digits) > 19 or len(set(digits)) < 3 or not luhn(digits):
        return 0.0
    if not stands_alone(text, start, end) or _in_a_row(text, start, end):
        return 0.0
    window = before(text, start, 50)
    if _WORD.search(window):
        return 0.95 if _ISSUERS.fullmatch(digits) or _WITH_WORD.fullmatch(digits) else 0.0
    in_one_piece = len(digits) == end - start
    if _OTHER.search(window) or (in_one_piece and text[start - 1 : start] in _PARTS):
        return 0.0
    return (0.6 if in_one_piece else 0.8) if _ISSUERS.fullmatch(digits) else 0.0


def _in_a_row(text: str, start: int, end: int) -> bool:
    """Whether four groups of four digits are part of a longer row of numbers, as in a table."""
    if end - start < 17:
        return False
    left, right = text[max(0, start - 2) : start], text[end : end + 2]
    return (left[-1:] == " " and left[:1].isdigit()) or (right[:1] == " " and right[1:].isdigit())


IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FO GL NL SD",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country (SWIFT's IBAN registry)."""
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}")


def iban(value: str) -> bool:
    """Whether it has its country's length and ISO 7064 mod 97-10 holds; ``value`` without spaces, in capitals."""
    if IBAN_LENGTHS.get(value[:2]) != len(value):
        return False
    return int("".join(str(int(character, 36)) for character in value[4:] + value[:4])) % 97 == 1


def ibans(text: str) -> Iterator[Match]:
    """IBANs, in one piece or grouped. All hold a run of digits, so a text without one need not be searched."""
    for found in _IBAN.finditer(text):
        start, length = found.start(), IBAN_LENGTHS.get(found[0][:2])
        if length is None:
            continue
        end = _nth_character(text, start, found.end(), length)
        if end and stands_alone(text, start, end) and iban(text[start:end].replace(" ", "").replace("-", "")):
            yield Match("IBAN_CODE", start, end, 1.0)


def _nth_character(text: str, start: int, end: int, count: int) -> int:
    """One past the ``count``-th character that is no separator; 0 if there are fewer."""
    for i in range(start, end):
        count -= text[i] not in " -"
        if not count:
            return i + 1
    return 0
