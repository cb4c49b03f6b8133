"""E-mail and IP addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from pretraining.corpus.privacy.domains import TOP_LEVEL
from pretraining.corpus.privacy.spans import Match, before, is_word

_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-" + "".join(
    chr(c) for c in range(0xC0, 0x250) if chr(c).isalpha()
)
_LABEL = r"[A-Za-z0-9À-ɏ](?:[A-Za-z0-9À-ɏ-]{0,62})"
_AT = re.compile(rf"@((?:{_LABEL}\.){{1,8}}[A-Za-z0-9-]{{2,24}})(?![A-Za-z0-9_-])")
_SPELLED = re.compile(
    r"[\[({] ?(?:at|AT|At|@) ?[\])}] ?"
    rf"({_LABEL}(?:(?:\.| ?[\[({{] ?(?:dot|DOT|Dot|\.) ?[\])}}] ?| dot | DOT ){_LABEL}){{1,5}})"
)
_DOT = re.compile(r"\.| ?[\[({] ?(?:dot|\.) ?[\])}] ?| dot ", re.IGNORECASE)
_SPELLED_MARKS = ("(at)", "[at]", "{at}", "( at )", "[ at ]", "(AT)", "[AT]", "[@]", "(@)", " AT ]")

_RESERVED = re.compile(r"(?:^|\.)example\.(?:com|org|net|edu)$", re.IGNORECASE)  # RFC 2606
_USERINFO = re.compile(r"[a-z][a-z0-9+.-]{0,20}://[^\s/@]{0,60}$")
_MESSAGE_ID = re.compile(r"(?:message-id|references|in-reply-to|content-id): ?<[^\n]*$")
_STAMP = re.compile(r"[0-9]{8,}\.")  # how Message-IDs start
_REMOTE = re.compile(r":(?:[~/]|[\w.~-]{1,100}/|[\w-]{1,100}\.git)")
_METHODS = (".to", ".cat", ".id", ".name")  # ``q@k.to(device)``


def emails(text: str) -> Iterator[Match]:
    """E-mail addresses, glued to Han characters too; not user@host of ssh and URLs, nor Message-IDs."""
    if "@" in text:
        for found in _AT.finditer(text):
            start = _local_start(text, found.start())
            end = _domain_end(text, found.start(1), found.end(1))
            if start < found.start() and end and not _is_remote(text, start, found.start(), end):
                yield Match("EMAIL_ADDRESS", start, end, 0.95)
    if any(mark in text for mark in _SPELLED_MARKS):
        yield from _spelled(text)


def _spelled(text: str) -> Iterator[Match]:
    for found in _SPELLED.finditer(text):
        gap = text[found.start() - 1 : found.start()] == " "
        start = _local_start(text, found.start() - gap)
        labels = _DOT.split(found[1])
        if start < found.start() - gap and _is_domain(labels):
            yield Match("EMAIL_ADDRESS", start, found.end(), 0.8)


def _local_start(text: str, at: int) -> int:
    """Where the part before ``@`` starts (at most 64 characters, RFC 5321); ``at`` if there is none."""
    window = text[max(0, at - 65) : at]
    local = window[len(window.rstrip(_LOCAL)) :]
    if len(local) > 64 or ".." in local or local.endswith("."):
        return at
    kept = local.lstrip(".%+-")
    return at - len(kept)


def _is_domain(labels: list[str]) -> bool:
    top = labels[-1]
    if not (top.islower() or top.isupper()) or top.lower() not in TOP_LEVEL:
        return False
    return (
        len(labels) > 1 and not any(label.endswith("-") for label in labels) and not _RESERVED.search(".".join(labels))
    )


def _domain_end(text: str, start: int, end: int) -> int:
    """The end of the longest part that is a domain (``x.com.Then`` ends after ``com``); 0 if none is."""
    while "." in text[start:end]:
        if _is_domain(text[start:end].split(".")):
            return end
        if _RESERVED.search(text[start:end]):
            return 0
        end = text.rindex(".", start, end)
    return 0


def _is_remote(text: str, start: int, at: int, end: int) -> bool:
    if text[start:at] in ("git", "hg", "svn") or _REMOTE.match(text, end) or _STAMP.match(text, start, at):
        return True
    if text[end : end + 1] == "(" and text[at:end].endswith(_METHODS):
        return True
    if text[start - 1 : start] == "@":  # a@b@c.org
        return True
    window = before(text, start, 90)
    if "://" in window and _USERINFO.search(window):
        return True
    return bool(_MESSAGE_ID.search(window))


_V4 = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")  # from the first dot: dots are rarer than digits
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:v|ver|vers|versions?|releases?|released|build|rev|revision|update[ds]?|upgraded?|firmware|driver|kernel|"
    r"bios|patch|hotfix|sp|section|sections|sec|chapter|clause|paragraph|figure|fig|table|appendix|annex|rule|article|"
    r"oid|assembly|runtime|sdk|api|plugin|package|library|installer)[\s.:#\"'=(]{0,3}(?:number |to |from |is |of )?"
    r"|(?:版本|版|章|节|第)[号:：]?\s?|[§>=~<^!]=\s?|§\s?|[a-z][/_-]|\bv)$"
)
_OTHER_AFTER = re.compile(r"[-_+~]?[A-Za-z_]|\.[0-9A-Za-z]|[-_+~][0-9]+[a-z]|/(?:[0-9]|[12][0-9]|3[01])(?![0-9.])")
_ADDRESS_BEFORE = re.compile(
    r"\b(?:ips?|ipv4|ip[ _-]?addr(?:ess)?|addr(?:ess(?:es)?)?|hosts?|client(?:_?ip)?|remote|server|peer|ping|from|"
    r"logged in|inet|dns|gateway|login|connect(?:ed|ion)?)\b[^a-z0-9]{0,6}(?:is |was |to |at |of |by )?$"
    r"|地址[^a-z0-9]{0,3}$"
)
_RESOLVERS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "114.114.114.114", "223.5.5.5"})
_V6_MIDDLE = re.compile(r":[0-9A-Fa-f]{0,4}:")
_HEX_COLON = frozenset("0123456789abcdefABCDEF:")
_CONTINUED = re.compile(r"\.?[A-Za-z0-9_]")
_V6_MAX = 39
_V6_GLOBAL = ipaddress.IPv6Network("2000::/3")


def ip_addresses(text: str) -> Iterator[Match]:
    """Public IP addresses: not private, loopback, documentation or multicast ones, not public DNS resolvers.

    Four numbers after ``version``, ``v``, ``Chrome/`` or ``section`` are no address; nor are four mostly small ones,
    unless a word like ``IP`` or ``host`` stands before them.
    """
    for found in _V4.finditer(text):
        start = found.start() - _digits_before(text, found.start())
        score = _v4_score(text, start, found.end())
        if score:
            yield Match("IP_ADDRESS", start, found.end(), score)
    end = 0
    for found in _V6_MIDDLE.finditer(text):
        if found.start() < end:
            continue
        start, end = _v6_span(text, found.start())
        if _is_v6(text, start, end):
            yield Match("IP_ADDRESS", start, end, 0.95)


def _digits_before(text: str, end: int) -> int:
    window = text[max(0, end - 3) : end]
    return len(window) - len(window.rstrip("0123456789"))


def _v4_score(text: str, start: int, end: int) -> float:
    left = text[start - 1 : start]
    if (left and (is_word(left) or left == ".")) or text[end : end + 1].isdigit() or _OTHER_AFTER.match(text, end):
        return 0.0
    value = text[start:end]
    octets = value.split(".")
    if value in _RESOLVERS or not all(octet and int(octet) < 256 and str(int(octet)) == octet for octet in octets):
        return 0.0
    address = ipaddress.IPv4Address(value)
    if octets[2:] == ["0", "0"] or not address.is_global or address.is_multicast or address.is_reserved:
        return 0.0
    window = before(text, start, 30)
    if _VERSION_BEFORE.search(window):
        return 0.0
    if _ADDRESS_BEFORE.search(window):
        return 0.95
    small = sum(int(octet) < 10 for octet in octets)
    return 0.7 if small <= 1 and octets[3] != "0" and max(map(int, octets)) >= 32 else 0.0


def _v6_span(text: str, at: int) -> tuple[int, int]:
    start, end = at, at
    while start and at - start <= _V6_MAX and text[start - 1] in _HEX_COLON:
        start -= 1
    while end < len(text) and end - at <= _V6_MAX and text[end] in _HEX_COLON:
        end += 1
    return start, end


def _is_v6(text: str, start: int, end: int) -> bool:
    if end - start > _V6_MAX or not text[start : start + 1].isdigit():
        return False
    if (start and is_word(text[start - 1])) or _CONTINUED.match(text, end):
        return False
    try:
        address = ipaddress.IPv6Address(text[start:end])
    except ValueError:
        return False
    return address in _V6_GLOBAL and address.is_global and int(address) % 2**16 != 0  # 0: a network
