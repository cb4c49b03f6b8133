from __future__ import annotations

import base64
import json
import random
import string

import pytest

from pretraining.corpus.privacy.finder import find
from pretraining.corpus.privacy.secrets import TOKENS, entropy

DRAW = random.Random(7)
ALPHABET = string.ascii_letters + string.digits


def drawn(size: int, alphabet: str = ALPHABET) -> str:
    return "".join(DRAW.choices(alphabet, k=size))


INVENTED = {
    "AKIA": "AKIA" + drawn(16, string.ascii_uppercase + "234567"),
    "ASIA": "ASIA" + drawn(16, string.ascii_uppercase + "234567"),
    "ghp_": "ghp_" + drawn(36),
    "gho_": "gho_" + drawn(36),
    "ghu_": "ghu_" + drawn(36),
    "ghs_": "ghs_" + drawn(36),
    "ghr_": "ghr_" + drawn(76),
    "github_pat_": f"github_pat_{drawn(22)}_{drawn(59)}",
    "glpat-": "glpat-" + drawn(20),
    "xox": f"xoxb-{drawn(12, string.digits)}-{drawn(12, string.digits)}-{drawn(24)}",
    "hooks.slack.com": f"hooks.slack.com/services/T{drawn(8, string.digits)}/B{drawn(8, string.digits)}/{drawn(24)}",
    "AIza": "AIza" + drawn(35),
    "GOCSPX-": "GOCSPX-" + drawn(28),
    "sk-": "sk-" + drawn(48),
    "hf_": "hf_" + drawn(34, string.ascii_letters),
    "sk_live_": "sk_live_" + drawn(24),
    "rk_live_": "rk_live_" + drawn(24),
    "npm_": "npm_" + drawn(36),
    "pypi-AgE": "pypi-AgE" + drawn(120),
    "SG.": f"SG.{drawn(22)}.{drawn(43)}",
}


def found(text: str) -> list[str]:
    return [text[m.start : m.end] for m in find(text, ["SECRET_KEY"])]


@pytest.mark.parametrize("mark", TOKENS)
def test_tokens(mark: str) -> None:
    token = INVENTED[mark]
    assert found(f"use {token} for it") == [token]
    assert found(f"密钥{token}，勿泄露") == [token]
    assert found(f"x{token}y") == []


@pytest.mark.parametrize("kind", ["proj-", "ant-api03-", "svcacct-", "or-v1-"])
def test_kinds_of_sk(kind: str) -> None:
    token = f"sk-{kind}{drawn(90)}"
    assert found(f'client("{token}")') == [token]


def test_private_keys() -> None:
    body = "\n".join(drawn(64, ALPHABET + "+/") for _ in range(5))
    for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "):
        block = f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"
        assert found(f"key:\n{block}\nend") == [block]
    cut_off = f"-----BEGIN PRIVATE KEY-----\n{body}"
    assert found(f"{cut_off}\n...") == [cut_off]


def test_json_web_tokens() -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    token = f"{part({'alg': 'HS256'})}.{part({'sub': '17'})}.{drawn(43)}"
    assert found(f"Cookie: {token};") == [token]
    assert found(f"{part({'no': 'header'})}.{part({'sub': '17'})}.{drawn(43)}") == []


@pytest.mark.parametrize(
    "form",
    [
        'api_key = "{}"',
        "API_KEY={}",
        "export DB_PASSWORD='{}'",
        '"client_secret": "{}",',
        "aws_secret_access_key = {}",
        "Authorization: Bearer {}",
        "secretKey => '{}'",
    ],
)
def test_assigned_values(form: str) -> None:
    value = drawn(40)
    assert found(form.format(value)) == [value]
    assert found(form.replace("api_key", "color").format("a" * 40)) == []


def test_only_random_values_of_secret_names() -> None:
    assert found(f'color = "{drawn(40)}"') == []
    assert found('api_key = "replace_me_with_your_key_2"') == []
    assert found('next_token = "' + drawn(40) + '"') == []


def test_entropy() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2
