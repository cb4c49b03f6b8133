from __future__ import annotations

import pytest

from pretraining.corpus.privacy.finder import find


def found(text: str, kind: str) -> list[str]:
    return [text[m.start : m.end] for m in find(text, [kind])]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("Write to maria.lopez@uni-bonn.de.", ["maria.lopez@uni-bonn.de"]),
        ("邮箱zhang@163.com，谢谢", ["zhang@163.com"]),
        ("我的邮箱是12345678@qq.com请联系", ["12345678@qq.com"]),
        ("邮箱：ｌｉ．ｗｅｉ＠１２６．ｃｏｍ", ["ｌｉ．ｗｅｉ＠１２６．ｃｏｍ"]),
        ("<a href='mailto:Jim.O+lists@Cs.Mit.EDU'>", ["Jim.O+lists@Cs.Mit.EDU"]),
        ("a_b%c-d@x-y.co.uk, e@f.io;g@h.museum", ["a_b%c-d@x-y.co.uk", "e@f.io", "g@h.museum"]),
        ("Mail jürgen@müller.de today", ["jürgen@müller.de"]),
        ("ask bob@firm.com.Then wait", ["bob@firm.com"]),
        ("(bob@firm.com)", ["bob@firm.com"]),
        ("联系zhang@163.com(张三)", ["zhang@163.com"]),
        ("For references, ask bob@firm.com", ["bob@firm.com"]),
        ("jim (at) cs dot mit dot edu", ["jim (at) cs dot mit dot edu"]),
        ("jim.x[at]firm[dot]com", ["jim.x[at]firm[dot]com"]),
        ("jim [AT] firm.com", ["jim [AT] firm.com"]),
    ],
)
def test_mail(text: str, addresses: list[str]) -> None:
    assert found(text, "EMAIL_ADDRESS") == addresses


def test_a_local_part_has_64_characters_at_most() -> None:
    assert found("a" * 64 + "@firm.com", "EMAIL_ADDRESS") == ["a" * 64 + "@firm.com"]
    assert found("a" * 65 + "@firm.com", "EMAIL_ADDRESS") == []


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("logged in from 84.17.52.193 at noon", ["84.17.52.193"]),
        ('84.17.52.193 - - [02/Jan/2023:12:34:56 +0000] "GET /"', ["84.17.52.193"]),
        ("http://84.17.52.193:8080/x", ["84.17.52.193"]),
        ("IP: 5.6.7.8", ["5.6.7.8"]),
        ("IP地址：５．６．７．８", ["５．６．７．８"]),
        ("84.17.52.193,91.64.8.77", ["84.17.52.193", "91.64.8.77"]),
        ("networks 84.17.0.0 and 84.17.52.0/24", []),
        ("client 84.17.52.193/32", ["84.17.52.193"]),
        ("from 2a02:8071:22c1:5e00::1a2b to", ["2a02:8071:22c1:5e00::1a2b"]),
        ("http://[2a02:8071:22c1:5e00:1:2:3:4]:80/", ["2a02:8071:22c1:5e00:1:2:3:4"]),
    ],
)
def test_addresses(text: str, addresses: list[str]) -> None:
    assert found(text, "IP_ADDRESS") == addresses


def test_a_word_before_four_small_numbers_decides() -> None:
    assert found("host 5.6.7.8", "IP_ADDRESS") == ["5.6.7.8"]
    assert found("see 5.6.7.8", "IP_ADDRESS") == []
    assert found("version 84.17.52.193", "IP_ADDRESS") == []
