"""The page of the report."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pretraining.tokenization.comparison import compare, compared_documents
from pretraining.tokenization.page import render_report
from pretraining.tokenization.picture import bars
from pretraining.tokenization.writing import write_token_store

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def report(corpus_folder: Path, kinds: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report with everything in it."""
    tokenizer = kinds["uncased"]
    figures = write_token_store(tokenizer, corpus_folder, tmp_path_factory.mktemp("tokens"))
    split, documents = compared_documents(corpus_folder)
    backends = {"this tokenizer": tokenizer.backend_tokenizer, "/home/me/other": kinds["llama3"].backend_tokenizer}
    return {
        "name": "demo",
        "algorithm": "wordpiece",
        "corpus": figures,
        "sample": {
            "read_bytes": 4_000,
            "budget_bytes": 5_000,
            "sources": {"union": {"bytes": 7_000, "read": {"bytes": 4_000}, "share": 1.0}},
        },
        "embedding": {"parameters": 1_000, "embedding": 250, "share": 0.25, "tied": True},
        "comparison": {
            "asked": ["other", "gone"],
            "missing": {"gone": "not reachable"},
            "split": split,
            "documents": len(documents),
            "bytes": sum(document.size for document in documents),
            "tokenizers": compare(backends, documents),
        },
    }


class Tags(HTMLParser):
    """The tags that are open, and all links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attributes if name in ("href", "src") and value]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text(page: str) -> str:
    return " ".join(re.sub("<[^>]*>", " ", page).split())


def test_the_page_is_whole_and_says_what_was_counted(report: dict[str, Any]) -> None:
    page = render_report(report)
    tags = Tags(page)
    assert (tags.open, tags.links) == ([], [])
    words, whole = text(page), report["corpus"]["all"]
    assert f"bytes per token {whole['bytes_per_token']:.2f}" in words
    assert f"tokens per word {whole['tokens_per_word']:.2f}" in words
    assert "of the model is embedding 25.0" in words and "input and output being one matrix" in words
    assert "documents that come back 0.0" in words and "40 training documents" in words
    assert "upper and lower case differ, perhaps white space too 45" in words
    assert "gone is not here: not reachable" in words
    assert "…/other" in words and "/home/me" not in page
    assert "4 kB of training documents; the budget was 5 kB" in words.replace("\xa0", " ")
    assert render_report(report) == page


def test_what_is_not_there_is_not_spoken_of(report: dict[str, Any]) -> None:
    nothing = {"asked": [], "missing": {}, "tokenizers": []}
    page = render_report(report | {"sample": None, "embedding": None, "comparison": nothing})
    assert Tags(page).open == []
    for words in ("Side by side", "What it was trained on", "embedding"):
        assert words in text(render_report(report)) and words not in text(page)
    assert page.count('role="img"') == 1  # of the corpus, where nothing is compared


def test_texts_are_escaped(report: dict[str, Any]) -> None:
    corpus = report["corpus"] | {
        "longest_tokens": [EVIL],
        "rarest_tokens": [{"token": EVIL, "count": 1}],
        "sources": {EVIL: report["corpus"]["all"], "b": report["corpus"]["all"]},
        "round_trip": {
            "documents": 2,
            "lossless": 1,
            "losses": {"other": {"documents": 1, "examples": [{"document_id": EVIL, "text": EVIL, "again": EVIL}]}},
        },
    }
    page = render_report(report | {"name": EVIL, "corpus": corpus, "comparison": {"asked": [], "tokenizers": []}})
    assert "<script" not in page and page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 9


def test_bars_are_as_long_as_their_values() -> None:
    svg = bars(["a", "b"], [("one", [4.0, 2.0]), ("two", [None, 1.0])], said="what <it> shows")
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)]
    assert len(widths) == 3
    assert widths == pytest.approx([widths[0], widths[0] / 2, widths[0] / 4], abs=0.1)
    assert 'aria-label="what &lt;it&gt; shows"' in svg and svg.count("<title>") == 3
