"""``find`` and ``redact``: all families together, without overlaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from pretraining.corpus.privacy.cards import cards, ibans
from pretraining.corpus.privacy.identity import cn_resident_ids, passports, us_ssns
from pretraining.corpus.privacy.names import Recognizer
from pretraining.corpus.privacy.network import emails, ip_addresses
from pretraining.corpus.privacy.phones import phones
from pretraining.corpus.privacy.secrets import secrets
from pretraining.corpus.privacy.spans import Match, digit_runs, fold
from pretraining.corpus.sections.privacy import ENTITY_TYPES, PATTERN_TYPES, REGIONS

_ORDER: dict[str, int] = {name: i for i, name in enumerate((*PATTERN_TYPES, *ENTITY_TYPES))}
_ALONE = {
    "SECRET_KEY": secrets,
    "EMAIL_ADDRESS": emails,
    "PASSPORT": passports,
    "IP_ADDRESS": ip_addresses,
}
_IN_RUNS = {"CN_RESIDENT_ID": cn_resident_ids, "CREDIT_CARD": cards, "US_SSN": us_ssns}


def find(
    text: str,
    types: Collection[str] = PATTERN_TYPES,
    regions: Iterable[str] = REGIONS,
    recognizer: Recognizer | None = None,
) -> list[Match]:
    """Personal data in a text, in order and without overlaps.

    Time grows linearly with the text. Of matches that overlap, the one with the higher score stays, then the type that
    ``PATTERN_TYPES`` names first, then the first.

    Args:
        text: any; full-width digits, letters and separators are read as ASCII. Offsets are those of this text.
        types: Presidio's names; those in ``sections.privacy.PATTERN_TYPES`` need no model.
        regions: ISO 3166, of phone numbers without ``+``.
        recognizer: finds ``PERSON`` and ``LOCATION`` (``names.load_recognizer``).
    """
    matches = list(_candidates(fold(text), frozenset(types), tuple(regions)))
    if recognizer is not None:
        matches.extend(match for match in recognizer(text) if match.type in types)
    return _apart(matches)


def _candidates(text: str, types: frozenset[str], regions: tuple[str, ...]) -> Iterator[Match]:
    for name, family in _ALONE.items():
        if name in types:
            yield from family(text)
    runs = digit_runs(text)
    if runs:
        if "IBAN_CODE" in types:
            yield from ibans(text)
        for name, in_runs in _IN_RUNS.items():
            if name in types:
                yield from in_runs(text, runs)
        if "PHONE_NUMBER" in types:
            yield from phones(text, runs, regions)


def _apart(matches: list[Match]) -> list[Match]:
    """The best of those that overlap. Memory and time by the number of matches."""
    kept: list[Match] = []
    taken: set[int] = set()  # 1 per character of kept matches: they are short
    for match in sorted(matches, key=lambda m: (-m.score, _ORDER[m.type], m.start)):
        if taken.isdisjoint(range(match.start, match.end)):
            taken.update(range(match.start, match.end))
            kept.append(match)
    return sorted(kept, key=lambda m: m.start)


def redact(
    text: str,
    types: Collection[str] = PATTERN_TYPES,
    regions: Iterable[str] = REGIONS,
    replace_with: str = "[{type}]",
    recognizer: Recognizer | None = None,
) -> tuple[str, dict[str, int]]:
    """The text with every match replaced, and how many by type.

    Nothing that ``find`` finds is left: a replacement can bring a word like ``tel`` nearer to another number, so the
    text is searched again after it changed. Names are looked for once, because a model may take a placeholder for one.

    Args:
        text: as in ``find``, like ``types``, ``regions`` and ``recognizer``.
        replace_with: ``{type}`` in it becomes the type. Neither digits nor ``@``, or it would be found again.
    """
    regions = tuple(regions)
    counts: Counter[str] = Counter()
    matches = find(text, types, regions, recognizer)
    while matches:
        counts.update(match.type for match in matches)
        text = _replaced(text, matches, replace_with)
        matches = find(text, types, regions)
    return text, {name: counts[name] for name in _ORDER if counts[name]}


def _replaced(text: str, matches: list[Match], replace_with: str) -> str:
    parts, end = [], 0
    for match in matches:
        parts += [text[end : match.start], replace_with.replace("{type}", match.type)]
        end = match.end
    return "".join([*parts, text[end:]])
