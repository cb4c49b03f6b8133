"""Keys and tokens of services, private keys, and ``api_key = "..."`` with a random value."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from collections.abc import Iterator

from pretraining.corpus.privacy.spans import Match, before

_START, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"
TOKENS = {
    "AKIA": r"AKIA[A-Z2-7]{16}",  # AWS access key ids
    "ASIA": r"ASIA[A-Z2-7]{16}",
    "ghp_": r"ghp_[A-Za-z0-9]{36,251}",  # GitHub
    "gho_": r"gho_[A-Za-z0-9]{36,251}",
    "ghu_": r"ghu_[A-Za-z0-9]{36,251}",
    "ghs_": r"ghs_[A-Za-z0-9]{36,251}",
    "ghr_": r"ghr_[A-Za-z0-9]{36,251}",
    "github_pat_": r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    "glpat-": r"glpat-[A-Za-z0-9_-]{20,64}",  # GitLab
    "xox": r"xox[abeoprs]-[A-Za-z0-9-]{20,250}",  # Slack
    "hooks.slack.com": r"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{20,30}",
    "AIza": r"AIza[A-Za-z0-9_-]{35}",  # Google
    "GOCSPX-": r"GOCSPX-[A-Za-z0-9_-]{28}",
    "sk-": r"sk-(?:proj-|svcacct-|admin-|ant-[a-z]{2,8}[0-9]{2}-|or-v1-)?[A-Za-z0-9_-]{32,200}",  # OpenAI, Anthropic
    "hf_": r"hf_[A-Za-z]{34}",  # Hugging Face
    "sk_live_": r"sk_live_[A-Za-z0-9]{20,128}",  # Stripe
    "rk_live_": r"rk_live_[A-Za-z0-9]{20,128}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-AgE": r"pypi-AgE[A-Za-z0-9_-]{50,250}",
    "SG.": r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",  # SendGrid
}
"""Forms of tokens by the characters they start with, as the services publish them."""
_TOKENS = {mark: re.compile(_START + form + _END) for mark, form in TOKENS.items()}
_JWT = re.compile(_START + r"(eyJ[A-Za-z0-9_-]{10,4000})\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}" + _END)
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]{16,}")
_BODY = re.compile(r"[A-Za-z0-9+/=\s\\]{64,20000}")
_ASSIGNED = re.compile(
    r"[=:]>?[ \t]{0,4}(?:Bearer |Basic |bearer )?(?P<quote>[\"'`]?)"
    r"(?P<value>[A-Za-z0-9+/_-]{16,256}={0,2})(?P=quote)(?![A-Za-z0-9+/_.-])"
)
_NAME = re.compile(
    r"(?:(?:api|access|secret|private|auth|client|encryption|signing|account|session|refresh|bearer|app|master)[ _.-]?"
    r"(?:key|token|secret)(?:[ _-]?id)?|apikey|passw(?:or)?d|passphrase|pwd|secret|token|authorization|credentials?)"
    r"[\"'`\])]{0,2}[ \t]{0,4}$"
)
_HARMLESS_NAME = re.compile(
    r"(?:next|page|paging|pagination|continuation|forward|backward|client|request|starting|csrf)[_-]?token\b"
)
_SPELLED = re.compile("[A-Z]?[a-z]{3,}")
_CAMEL = re.compile("[A-Z][a-z]{3,}")
_PLACEHOLDER = re.compile(r"example|your|xxxx|placeholder|changeme|dummy|insert|replace|redacted", re.IGNORECASE)
_INVENTED = re.compile(r"12345678|abcdef|00000|sample|test[_-]|fake", re.IGNORECASE)


def secrets(text: str) -> Iterator[Match]:
    """Tokens by their published form; private keys; JSON web tokens; random values assigned to names of secrets."""
    for mark, form in _TOKENS.items():
        if mark in text:
            for found in form.finditer(text):
                if entropy(found[0]) < 3 or _PLACEHOLDER.search(found[0]):
                    continue
                if mark != "sk-" or not _in_words(found[0]):
                    yield Match("SECRET_KEY", found.start(), found.end(), 0.95)
    if "eyJ" in text:
        for found in _JWT.finditer(text):
            if _is_jwt_header(found[1]):
                yield Match("SECRET_KEY", found.start(), found.end(), 0.95)
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    yield from _assigned(text)


def entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits each."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())


def _in_words(value: str) -> bool:
    """Mostly words: between hyphens (``orders-database-2``), or as a name in ``CamelCase2``."""
    if re.search("[-_]", value):
        return sum(map(len, _SPELLED.findall(value))) > 0.6 * len(value)
    return sum(map(len, _CAMEL.findall(value))) > 0.45 * len(value)


def _is_jwt_header(part: str) -> bool:
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(header, dict) and ("alg" in header or "typ" in header)


def _private_keys(text: str) -> Iterator[Match]:
    for found in _PEM.finditer(text):
        closing = text.find("-----", found.end())
        last = _PEM_END.match(text, closing) if closing >= 0 else None
        if last and sum(len(part) for part in _BASE64.findall(text, found.end(), closing)) >= 64:
            yield Match("SECRET_KEY", found.start(), last.end(), 1.0)
        elif last is None:  # the block is cut off: what follows in base64
            body = _BODY.match(text, found.end())
            lines = list(_BASE64.finditer(text, *body.span())) if body else []
            if lines:
                yield Match("SECRET_KEY", found.start(), lines[-1].end(), 0.9)


def _assigned(text: str) -> Iterator[Match]:
    for found in _ASSIGNED.finditer(text):
        value = found["value"]
        digits = sum(map(str.isdigit, value))
        if digits < 2 or digits == len(value):
            continue
        window = before(text, found.start(), 40)
        if not _NAME.search(window) or _HARMLESS_NAME.search(window):
            continue
        if _PLACEHOLDER.search(value) or _INVENTED.search(value) or value.startswith("/"):
            continue
        if entropy(value) >= 3.2 and not _in_words(value):
            yield Match("SECRET_KEY", *found.span("value"), 0.8)
