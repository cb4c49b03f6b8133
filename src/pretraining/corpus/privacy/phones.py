"""Phone numbers: candidates by form, decided by the numbering plans in ``phonenumbers``.

``PhoneNumberMatcher`` reads 2 MB/s and finds many numbers that are none. So only runs of digits are shown to
``phonenumbers``, and one without ``+`` must look like a phone number of its region, or follow a word like ``tel``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

import phonenumbers

from pretraining.corpus.privacy.spans import MIN_DIGITS, Match, before, is_word

_MAX_DIGITS = 17  # 15 of E.164 and the international prefix 00
_WORD = re.compile(
    r"(?:\b(?:tel|tél|phones?|telephone|telefone?|telefono|teléfono|téléphone|fon|mobile|mobil|móvil|mob|cell|cellphone|"
    r"cellular|handy|fax|whatsapp|wechat|sms|dial|hotline|telefax|tlf|тел|телефон)\b"
    r"|\bcall (?:us|me|him|her|them|at|on|now)\b|电话|電話|手机|手機|联系方式|传真|热线|座机|致电|微信|전화|携帯)"
    r"[^\n0-9]{0,20}\n?[^\n0-9]{0,6}$"
)
_OTHER = re.compile(
    r"(?:\b(?:isbn|issn|ean|upc|doi|arxiv|pmid|oclc|lccn|patents?|serial|order|invoice|sku|part|model|version|id|ids|"
    r"account|acct|licen[cs]e|ticket|bug|issue|case|article|item|zip|postcode|pages?|pp)\b|订单|编号|单号|序号|账号|qq|邮编|期号)"
    r"[^\n0-9]{0,12}$"
)
_LEFT = frozenset("$£€¥#%^&.-/\\@~")
_AFTER = re.compile(
    r"[A-Za-z_%°€$£^@~]|[.,:/-][0-9]|-(?!(?:fax|office|tel|mobile|cell|home|work)\b)[A-Za-z]", re.IGNORECASE
)
_EXTENSION = re.compile(r" ?(?:x|ext\.?|extension|转|分机) ?[0-9]{1,6}(?![0-9A-Za-z])", re.IGNORECASE)
_DATE = re.compile(
    r"(?:1[5-9]|20|21)[0-9]{2}([./ -]?)(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|(?:0?[1-9]|[12][0-9]|3[01])([./ -])(?:0?[1-9]|[12][0-9]|3[01])\2(?:1[5-9]|20|21)[0-9]{2}(?![0-9])"
    r"|(?:1[5-9]|20)[0-9]{2} ?[-/] ?(?:1[5-9]|20)[0-9]{2}(?![0-9])"
)
_NORTH_AMERICA = re.compile(r"(?:1[-. ])?(?:\([2-9][0-9]{2}\)[-. ]?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-. ][0-9]{4}")
_DECIMAL = re.compile(r"\.[0-9](?![0-9])|^[^.]*\.[^.]*$(?<!\.[0-9]{4})")
_SPACES_ONLY = re.compile(r"[0-9 ]+")
_CHINA_MOBILE = re.compile(r"(?:86[- ]?)?1[3-9][0-9]([- ]?)[0-9]{4}\1[0-9]{4}")
_LOCAL_FORMS = {
    "BR": re.compile(r"\([1-9][0-9]\) ?9?[0-9]{4}-[0-9]{4}"),
    "RU": re.compile(r"8[ -]?\([0-9]{3,5}\)[ -]?[0-9]{1,3}-[0-9]{2}-[0-9]{2}"),
}
_TRUNK = re.compile(r"\(?0[0-9]{1,5}[) /.-]")
_OTHER_FORM = re.compile(r"[0-9]{5}-[0-9]{4}|[0-9]{3}-[0-9]{2}-[0-9]{4}")  # ZIP+4, US social security
_HAN = re.compile("[\u4e00-\u9fff]")
_DIGITS = re.compile("[0-9]+")
_TRUNK_LEAST = 9
_NEAR = 30


def phones(text: str, runs: Sequence[tuple[int, int]], regions: tuple[str, ...]) -> Iterator[Match]:
    """Phone numbers with ``+``, and the national ones of ``regions``.

    Args:
        text: folded.
        runs: ``digit_runs(text)``.
        regions: ISO 3166, tried in order.
    """
    for start, end in runs:
        found = _number(text, start, end, regions)
        if found:
            yield found
        elif " " in text[start:end]:
            yield from _parts(text, start, end, regions)


def _parts(text: str, start: int, end: int, regions: tuple[str, ...]) -> Iterator[Match]:
    """Numbers that stand in a row: pieces without a space that are numbers by themselves."""
    for piece in re.compile("[^ ]+").finditer(text, start, end):
        if piece.end() - piece.start() > 9:
            found = _number(text, piece.start(), piece.end(), regions)
            if found:
                yield found


def _number(text: str, start: int, end: int, regions: tuple[str, ...]) -> Match | None:
    if end - start > 32:
        return None
    while text[start - 1 : start] in ("(", "+") and start and text[start - 1] in "(+":
        start -= 1
    shape = text[start:end]
    count = sum(map(str.isdigit, shape))
    if not MIN_DIGITS <= count <= _MAX_DIGITS or not _stands_alone(text, start, end):
        return None
    extension = _EXTENSION.match(text, end)
    score = _score(text, start, shape, count, regions)
    return Match("PHONE_NUMBER", start, extension.end() if extension else end, score) if score else None


def _stands_alone(text: str, start: int, end: int) -> bool:
    left = text[max(0, start - 2) : start]
    if left and (is_word(left[-1]) or left[-1] in _LEFT or (left[-1] in ",:" and left[0].isdigit())):
        return False
    return not _AFTER.match(text, end) or bool(_EXTENSION.match(text, end))


def _score(text: str, start: int, shape: str, count: int, regions: tuple[str, ...]) -> float:
    if _DECIMAL.search(shape):
        return 0.0
    if "+" in shape:
        return 0.9 if is_valid_number(shape.replace("(+", "+").lstrip("("), None) else 0.0
    window = before(text, start, _NEAR)
    if _DATE.match(shape) or _counts_up(shape) or _OTHER.search(window):
        return 0.0
    if _WORD.search(window):
        international = shape.startswith("00") and is_valid_number("+" + shape[2:], None)
        return 0.85 if international or any(is_valid_number(shape, region) for region in regions) else 0.0
    likely = _regions_by_form(text, start, shape, count, regions)
    return 0.65 if any(is_valid_number(shape, region) for region in likely) else 0.0


def _regions_by_form(text: str, start: int, shape: str, count: int, regions: tuple[str, ...]) -> Iterator[str]:
    """The regions where a number without a word before it is written like this.

    North America: 3-3-4, not with spaces alone. China: mobile numbers, grouped 3-4-4, or in one piece near Han
    characters. Brazil and Russia: the area code in parentheses. Elsewhere: the trunk prefix 0, an area code set apart,
    and nine digits or more.
    """
    if "US" in regions and _NORTH_AMERICA.fullmatch(shape) and not _SPACES_ONLY.fullmatch(shape):
        yield "US"
    mobile = _CHINA_MOBILE.fullmatch(shape)
    around = text[max(0, start - _NEAR) : start + len(shape) + _NEAR]
    if "CN" in regions and mobile and (mobile[1] or _HAN.search(around)):
        yield "CN"
    yield from (region for region, form in _LOCAL_FORMS.items() if region in regions and form.fullmatch(shape))
    if count >= _TRUNK_LEAST and _TRUNK.match(shape) and _grouped_like_a_phone(shape):
        yield from (region for region in regions if region != "US")


def _grouped_like_a_phone(shape: str) -> bool:
    if _OTHER_FORM.fullmatch(shape):
        return False
    groups = _DIGITS.findall(shape)
    dots = shape.count(".")
    if dots and (dots < 2 or dots != len(groups) - 1):
        return False
    return len(groups) <= 6 and all(len(group) >= 2 for group in groups) and not all(len(g) == 3 for g in groups)


def _counts_up(shape: str) -> bool:
    """``01 02 03 04 05``: an enumeration; ``1234567890``: invented."""
    if shape.startswith(("12345678", "0123456789")):
        return True
    numbers = [int(group) for group in _DIGITS.findall(shape)]
    return len(numbers) > 3 and len({b - a for a, b in zip(numbers, numbers[1:], strict=False)}) == 1


@functools.lru_cache(maxsize=4096)
def is_valid_number(shape: str, region: str | None) -> bool:
    """Whether the numbering plan has this number; ``region`` (ISO 3166) for one without ``+``."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(shape, region))
    except phonenumbers.NumberParseException:
        return False
