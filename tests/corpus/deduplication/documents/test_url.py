from __future__ import annotations

from collections.abc import Callable

import pytest

from pretraining.corpus.deduplication.url import normalized_url
from pretraining.corpus.sections.deduplication import UrlDeduplicationStep

SECTION = UrlDeduplicationStep(type="url_deduplication")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a/b?id=7",
        "https://www.Example.org/a/b/?id=7#top",
        "HTTPS://example.org:443/a/b?utm_source=x&id=7&UTM_medium=y",
        "http://user:secret@example.org:80/a/b//?id=7&",
        "www.example.org/a/b?id=7",
    ],
)
def test_one_page_has_one_address(url: str) -> None:
    assert normalized_url(url) == "example.org/a/b?id=7"


def test_other_pages_have_other_addresses() -> None:
    urls = [
        *("http://example.org/a", "http://example.org/A", "http://example.org/a?id=1", "http://example.org/a?id=2"),
        *("http://example.org:8080/a", "ftp://example.org/a", "http://m.example.org/a", "http://example.org"),
        *("http://[::1/a", "http://example.org:port/a"),
    ]
    assert len({normalized_url(url) for url in urls}) == len(urls)


def test_documents_without_an_address_pass(deduplicate: Callable) -> None:
    urls = ["http://a.org/x", None, "https://www.a.org/x/", "", 7, "http://a.org/y", None]
    run = deduplicate(SECTION, [(f"text {i}", {"url": url}) for i, url in enumerate(urls)], cuts=[2])
    assert run.reasons == [None, None, "duplicate_url", None, None, None, None]
    assert (run.twins[2], run.values[2]) == (0, 1.0)


def test_the_field_is_named(deduplicate: Callable) -> None:
    section = UrlDeduplicationStep(type="url_deduplication", url_field="link")
    run = deduplicate(section, [("a", {"link": "x.org", "url": "1"}), ("b", {"link": "x.org/", "url": "2"})])
    assert run.kept == [0]
