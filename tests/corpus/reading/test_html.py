from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from pretraining.corpus.reading import extract
from pretraining.corpus.sections.sources import HtmlSource
from pretraining.errors import DataError

EXTRACTORS = ["trafilatura", "resiliparse"]


def page(paragraphs: list[str], *, head: str = "", table: str = "", comment: str = "") -> str:
    """A page with a menu, a footer and, perhaps, a table and a reader's comment."""
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    menu = "".join(f'<li><a href="/{name}">{name}</a></li>' for name in ("Home", "Shop", "Imprint", "Log in"))
    said = f'<div id="comments"><div class="comment"><p>{comment}</p></div></div>' if comment else ""
    return (
        f"<!DOCTYPE html><html><head>{head}<title>The  State\nof the Union</title><style>p {{color: red}}</style>"
        f'</head><body><nav class="menu"><ul>{menu}</ul></nav><main><article><h1>An Address</h1>{body}{table}'
        "</article></main>"
        f"{said}<footer><p>Cookies make this site work.</p></footer><script>track()</script></body></html>"
    )


@pytest.fixture(scope="module")
def paragraphs(speeches: list[str]) -> list[str]:
    """Long paragraphs of a speech."""
    return [text.strip() for text in speeches[0].split("\n") if len(text) > 200][:5]


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_text_without_menu_and_footer(tmp_path: Path, read: Callable, paragraphs: list[str], extractor: str) -> None:
    (tmp_path / "a.html").write_text(page(paragraphs))
    result = read(type="html", path="a.html", extractor=extractor)
    (doc,) = result.docs
    assert all(text in doc.text for text in paragraphs)
    assert not any(word in doc.text for word in ("Imprint", "Log in", "Cookies", "track", "color"))
    assert doc.id == "s/a.html" and doc.fields == {"title": "The State of the Union"}


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_tables_are_kept_or_left_out(tmp_path: Path, read: Callable, paragraphs: list[str], extractor: str) -> None:
    table = "<table><tr><th>Year</th><th>Debt</th></tr><tr><td>1790</td><td>75 million</td></tr></table>"
    (tmp_path / "a.html").write_text(page(paragraphs, table=table))
    assert "75 million" in read(type="html", path="a.html", extractor=extractor).docs[0].text
    without = read(type="html", path="a.html", extractor=extractor, include_tables=False)
    assert "75 million" not in without.docs[0].text and paragraphs[-1] in without.docs[0].text


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_comments_are_left_out_or_kept(tmp_path: Path, read: Callable, paragraphs: list[str], extractor: str) -> None:
    comment = "I was there that day, and every word of this is true, as far as I can remember it now."
    (tmp_path / "a.html").write_text(page(paragraphs, comment=comment))
    assert comment not in read(type="html", path="a.html", extractor=extractor).docs[0].text
    assert comment in read(type="html", path="a.html", extractor=extractor, include_comments=True).docs[0].text


def test_precision_is_trafilaturas() -> None:
    with pytest.raises(ValidationError, match="resiliparse has no `favour_precision`"):
        HtmlSource(type="html", path="x", extractor="resiliparse", favour_precision=False)
    assert HtmlSource(type="html", path="x", favour_precision=False).favour_precision is False


def test_a_page_in_an_old_encoding(tmp_path: Path, read: Callable) -> None:
    text = "国情咨文是美国总统每年在国会联席会议上发表的报告，阐述政府的施政方针和国家的现状。" * 3
    (tmp_path / "a.html").write_bytes(page([text], head='<meta charset="gb2312">').encode("gb18030"))
    result = read(type="html", path="a.html")
    assert text in result.docs[0].text and "replaced_characters" not in result.docs[0].fields
    (tmp_path / "b.html").write_bytes(page([text] * 9, head='<meta charset="utf-8">').encode() + b"\xe5")
    assert read(type="html", path="b.html").docs[0].fields["replaced_characters"] == 1


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize("html", ["<html><body></body></html>", "<html><script>x</script></html>", "<!-- -->"])
def test_a_page_without_text(tmp_path: Path, read: Callable, extractor: str, html: str) -> None:
    (tmp_path / "a.html").write_text(html)
    (lost,) = read(type="html", path="a.html", extractor=extractor).lost
    assert lost.reason in ("no_text", "bad_html") and lost.bytes == len(html)


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_pages_that_are_meant_to_break_things(tmp_path: Path, read: Callable, extractor: str) -> None:
    pages = {
        "deep.html": "<div>" * 2_000 + "text",
        "attributes.html": "<p " + " ".join(f"a{i}=1" for i in range(5_000)) + ">text</p>",
        "unclosed.html": "<a <b <c " * 5_000,
        "entities.html": "&#0;&#x110000;&nosuch;" * 5_000,
    }
    for name, html in pages.items():
        (tmp_path / name).write_text(html)
    result = read(type="html", path="*.html", extractor=extractor, seconds_per_page=1.0)
    assert len(result.docs) + len(result.lost) == len(pages)


def test_a_page_that_is_too_large(tmp_path: Path, read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from pretraining.corpus.reading import html

    monkeypatch.setattr(html, "MAX_PAGE", 100)
    (tmp_path / "a.html").write_text("<p>text</p>" * 10)
    assert read(type="html", path="a.html").reasons == [(None, "too_large")]


SLOW = "<div>" * 50_000 + "text"  # minutes of C++, which no Python signal handler would interrupt


def test_a_page_that_takes_too_long_costs_itself(tmp_path: Path, read: Callable, paragraphs: list[str]) -> None:
    (tmp_path / "a.html").write_text(SLOW)
    (tmp_path / "b.html").write_text(page(paragraphs))
    result = read(type="html", path="*.html", extractor="resiliparse", seconds_per_page=0.2)
    assert [(u.file, u.reason) for u in result.lost] == [("a.html", "timed_out")]
    assert paragraphs[0] in result.docs[0].text


def test_an_extractor_that_crashes_costs_a_page(tmp_path: Path, read: Callable, paragraphs: list[str]) -> None:
    (tmp_path / "a.html").write_text(page(paragraphs))
    assert len(read(type="html", path="a.html").docs) == 1
    child = extract._process()._child
    assert child is not None
    child.kill()
    child.wait()
    assert read(type="html", path="a.html").reasons == [(None, "bad_html")]
    assert len(read(type="html", path="a.html").docs) == 1


def test_a_missing_extractor_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract._Process, "ask", lambda self, request: ("missing", "No module named 'x'", None))
    with pytest.raises(DataError, match="pip install trafilatura"):
        extract.extract_text("<p>text</p>", HtmlSource(type="html", path="x"))


def test_no_process_is_left_behind() -> None:
    code = (
        "from pretraining.corpus.reading import extract\n"
        "from pretraining.corpus.sections.sources import HtmlSource\n"
        "source = HtmlSource(type='html', path='x', extractor='resiliparse')\n"
        "print(extract.extract_text('<p>We the People</p>', source)[0])\n"
        "print(extract._process()._child.pid)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, pid = run.stdout.split("\n")[:2]
    assert text == "We the People" and run.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
