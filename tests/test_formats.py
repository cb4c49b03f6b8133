from __future__ import annotations

import pytest

from pretraining import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.7, "1 k"),
        (1234, "1.23 k"),
        (24_576_000, "24.6 M"),
        (2e9, "2 B"),
        (3e12, "3 T"),
    ],
)
def test_short(value: float, shown: str) -> None:
    assert formats.short(value).replace(formats.SPACE, " ") == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0 B"), (999, "999 B"), (590_113, "590 kB"), (13_604_112, "13.6 MB"), (5.5e9, "5.5 GB")]
)
def test_size(value: float, shown: str) -> None:
    assert formats.size(value).replace(formats.SPACE, " ") == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (231, "3 min 51 s"),
        (3599.7, "1 h 00 min"),
        (3725, "1 h 02 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert formats.duration(seconds).replace(formats.SPACE, " ") == shown


def test_unknown_is_a_dash() -> None:
    for write in (formats.count, formats.short, formats.size, formats.number, formats.percent, formats.duration):
        assert write(None) == "–"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("path: /home/me/books/*.txt", "path: …/*.txt"),
        ("path: ~/my books/a.txt", "path: …/a.txt"),
        ("path: '/home/my books/a.txt'", "path: '…/a.txt'"),
        (r"path: C:\Users\me\a.txt", "path: …/a.txt"),
        ("# from /srv/recipes/base.yaml:3, /srv/b.yaml:4", "# from …/base.yaml:3, …/b.yaml:4"),
        ("path: [/a/b.txt,/c/d.txt]", "path: […/b.txt,…/d.txt]"),
        ("path: data/raw/*.txt", "path: data/raw/*.txt"),
        ("path: ../data/a.txt", "path: ../data/a.txt"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("either/or, 1/2, and / or", "either/or, 1/2, and / or"),
    ],
)
def test_local_folders_are_left_out(text: str, shown: str) -> None:
    assert formats.without_local_folders(text) == shown


def test_shorten_says_how_much_is_left_out() -> None:
    assert formats.shorten("a" * 1_700, 600) == "a" * 600 + " … (1,100 more characters)"
    assert formats.shorten("short") == "short"
