"""Numbers of persons: Chinese resident ID, US social security, passports."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence

from pretraining.corpus.privacy.spans import Match, before, stands_alone

_CN_ID = re.compile(r"(?<![0-9A-Za-z_])[1-9][0-9]{5}([ -]?)[0-9]{8}\1[0-9]{3}[0-9Xx](?![0-9A-Za-z_])")
_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CN_PROVINCES = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")


def cn_resident_id(value: str, *, today: datetime.date | None = None) -> bool:
    """Whether 18 characters are a Chinese resident ID (GB 11643-1999): province, birth date, ISO 7064 mod 11-2."""
    if len(value) != 18 or not _CN_PROVINCES.match(value):
        return False
    if "10X98765432"[sum(w * int(d) for w, d in zip(_CN_WEIGHTS, value, strict=False)) % 11] != value[17].upper():
        return False
    try:
        born = datetime.date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        return False
    return datetime.date(1880, 1, 1) <= born <= (today or datetime.date.today())


def cn_resident_ids(text: str, runs: Sequence[tuple[int, int]]) -> Iterator[Match]:
    """Chinese resident IDs of 18 characters, in one piece or grouped 6-8-4."""
    for run_start, run_end in runs:
        if run_end - run_start < 17:
            continue
        for found in _CN_ID.finditer(text, run_start, min(len(text), run_end + 1)):
            start, end = found.span()
            if stands_alone(text, start, end) and cn_resident_id(re.sub("[ -]", "", found[0])):
                yield Match("CN_RESIDENT_ID", start, end, 1.0)


_SSN = re.compile(r"(?<![0-9A-Za-z_])[0-9]{3}([ -]?)[0-9]{2}\1[0-9]{4}(?![0-9A-Za-z_])")
_SSN_WORD = re.compile(r"(?:\bssns?\b|social[ -]?security|\bss ?#)[^\n]{0,24}$")
_SSN_OTHER = re.compile(
    r"\b(?:isbn|issn|part|model|serial|order|invoice|sku|ref|fax|tel|phone|zip|version|cas|patent|"
    r"licen[cs]e(?: number)?)\b[^\n]{0,8}$"
)
_SSN_PRINTED = frozenset({"078051120", "219099999", "123456789"})  # on sample cards and in advertisements


def us_ssn(digits: str) -> bool:
    """Whether nine digits can have been issued as a US social security number."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return False
    return digits not in _SSN_PRINTED and len(set(digits)) > 1


def us_ssns(text: str, runs: Sequence[tuple[int, int]]) -> Iterator[Match]:
    """US social security numbers as 3-2-4 with hyphens; with spaces or in one piece only after ``SSN``."""
    for run_start, run_end in runs:
        for found in _SSN.finditer(text, run_start, run_end):
            start, end = found.span()
            if not us_ssn(re.sub("[ -]", "", found[0])) or not stands_alone(text, start, end):
                continue
            window = before(text, start, 40)
            if _SSN_WORD.search(window):
                yield Match("US_SSN", start, end, 0.95)
            elif found[1] == "-" and not _SSN_OTHER.search(window):
                yield Match("US_SSN", start, end, 0.6)


PASSPORTS = {
    "US": r"[A-Z][0-9]{8}|[0-9]{9}",
    "GB": r"[0-9]{9}",
    "CN": r"[EGDSPH][0-9]{8}|E[A-HJ-NP-Z][0-9]{7}",
    "DE": r"[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{8}[0-9]?",
    "FR": r"[0-9]{2}[A-Z]{2}[0-9]{5}",
    "IT": r"[A-Z]{2}[0-9]{7}",
    "ES": r"[A-Z]{3}[0-9]{6}",
    "NL": r"[A-NP-Z]{2}[A-NP-Z0-9]{6}[0-9]",
    "CA": r"[A-Z]{2}[0-9]{6}|[A-Z][0-9]{6}[A-Z]{2}",
    "IN": r"[A-Z][0-9]{7}",
    "JP": r"[A-Z]{2}[0-9]{7}",
    "KR": r"[MSRODG][0-9]{3}[A-Z0-9][0-9]{4}",
    "AU": r"[A-Z]{1,2}[0-9]{7}",
    "BR": r"[A-Z]{2}[0-9]{6}",
    "RU": r"[0-9]{2} ?[0-9]{7}",
}
"""Numbers of passports by country. None has a public check digit outside of the machine-readable zone, so a word like
``passport`` has to stand before them."""
_PASSPORT_MARKS = ("assport", "PASSPORT", "护照", "護照", "eisepass", "asseport", "asaporte", "assaporto", "aspoort")
_FORMATS = "|".join(sorted(set("|".join(PASSPORTS.values()).split("|"))))
_PASSPORT = re.compile(
    r"(?:passports?|护照|護照|reisepass|passeport|pasaporte|passaporto|paspoort)[ \t:#.(（：)）]{0,4}"
    r"(?:(?i:number|no|num|nr|n[°º]|id|is|was|nummer|numéro|numero|número|holder|card|号码|號碼|号|为|是)"
    r"[ \t:#.(（：)）]{0,4}){0,4}"
    rf"(?P<number>(?-i:{_FORMATS}))(?![0-9A-Za-z_])",
    re.IGNORECASE,
)


def passports(text: str) -> Iterator[Match]:
    """Passport numbers right after a word for passport, with at most ``number``, ``no.``, ``is`` and signs between."""
    if any(word in text for word in _PASSPORT_MARKS):
        for found in _PASSPORT.finditer(text):
            start, end = found.span("number")
            if stands_alone(text, start, end) and sum(map(str.isdigit, found["number"])) >= 3:
                yield Match("PASSPORT", start, end, 0.85)
