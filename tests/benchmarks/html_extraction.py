"""How much of a page's text the extractors find, and how much else, against the source that the page was made from.

    apt-get download python3.11-doc && dpkg-deb -x python3.11-doc_*.deb pages
    python tests/benchmarks/html_extraction.py pages/usr/share/doc/python3.11/html [--pages 100]

The folder holds Sphinx pages, and below ``_sources`` the reStructuredText of each. Words are compared as multisets:
recall is the share of the source's words that were extracted, precision the share of the extracted words that are
the source's, noise the share of pages in whose text a line of the site's frame stands. The stripping of the
markup is rough (``autodoc`` and substitutions are not resolved), so that no extractor reaches 1.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pretraining.corpus.reading.extract import extract_text
from pretraining.corpus.reading.records import Unfit
from pretraining.corpus.sections.sources import HtmlSource

WORD = re.compile(r"\w+")
FRAME = re.compile(
    r"^\W*(?:Navigation|Quick search|Show Source|Report a Bug|This Page|Previous topic|Next topic|Table of Contents"
    r"|.*Copyright 2001-20\d\d, Python Software Foundation.*)\W*$",
    re.MULTILINE,
)
DROPPED = ("index", "module", "sectionauthor", "moduleauthor", "toctree", "only", "highlight", "currentmodule", "image")
ROLE = re.compile(r":[\w:+-]+:`([^`]*)`")
TARGET = re.compile(r"`([^`<]*?)\s*<[^>]*>`_{0,2}")


def plain(source: str) -> str:
    """The words of reStructuredText, without most of its markup."""
    lines: list[str] = []
    inside: int | None = None  # indentation of a directive whose content is dropped
    for line in source.splitlines():
        indent = len(line) - len(line.lstrip())
        if inside is not None:
            if not line.strip() or indent > inside:
                continue
            inside = None
        directive = re.match(r"\s*\.\. (?:([\w:-]+)::(.*)|_.*:|(?!\[).*)", line)
        if directive:
            name, rest = directive.group(1), directive.group(2)
            if name is None or name.split(":")[-1] in DROPPED:
                inside = indent
            else:
                lines.append(rest or "")
        elif not re.match(r"\s*:[\w-]+:(\s|$)", line) and not re.match(r"\s*([=\-~^*#\"+.])\1{2,}\s*$", line):
            lines.append(line)
    text = TARGET.sub(r"\1", ROLE.sub(lambda match: match.group(1).split(" <")[0].lstrip("~!"), "\n".join(lines)))
    return re.sub(r"``|\*\*|[*`|\\]|::", " ", text)


def measure(name: str, extract: Callable[[str], str], pages: list[tuple[str, Counter[str]]]) -> None:
    """Print one line for an extractor."""
    recalls, precisions, frames, empty, characters = [], [], 0, 0, 0
    start = time.perf_counter()
    texts = [extract(html) for html, _ in pages]
    seconds = time.perf_counter() - start
    for text, (_, reference) in zip(texts, pages, strict=True):
        found = Counter(WORD.findall(text.lower()))
        both = (found & reference).total()
        recalls.append(both / reference.total())
        precisions.append(both / found.total() if found else 1.0)
        frames += bool(FRAME.search(text))
        empty += not text
        characters += len(text)
    recall, precision = sum(recalls) / len(pages), sum(precisions) / len(pages)
    print(
        f"{name:34} {recall:6.3f} {precision:9.3f} {2 * recall * precision / (recall + precision):6.3f}"
        f" {frames / len(pages):6.1%} {empty:6} {characters:11,} {len(pages) / seconds:8.1f}"
    )


def extractor(**keys: object) -> Callable[[str], str]:
    """``extract_text`` with these keys of the source; nothing for a page on which it fails."""
    source = HtmlSource.model_validate({"type": "html", "path": "x", **keys})

    def extract(html: str) -> str:
        try:
            return extract_text(html, source)[0]
        except Unfit:
            return ""

    return extract


def everything(html: str) -> str:
    """All visible text of the page, frame included."""
    from resiliparse.extract.html2text import extract_plain_text

    return str(extract_plain_text(html, preserve_formatting=True, main_content=False))


def main() -> None:
    """Print a line for each extractor."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=10**9, help="only so many, evenly chosen")
    arguments = parser.parse_args()
    pages = []
    for path in sorted((arguments.folder / "_sources").rglob("*.rst.txt")):
        page = arguments.folder / path.relative_to(arguments.folder / "_sources").with_suffix("").with_suffix(".html")
        reference = Counter(WORD.findall(plain(path.read_text("utf-8")).lower()))
        if page.is_file() and reference.total() >= 50:
            pages.append((page.read_text("utf-8"), reference))
    pages = pages[:: max(len(pages) // arguments.pages, 1)]
    print(f"{len(pages)} pages, {sum(len(html) for html, _ in pages):,} characters of HTML")
    print(f"{'extractor':34} recall precision     F1  frame  empty  characters  pages/s")
    extractor(extractor="trafilatura")("<p>the process starts</p>")
    measure("all visible text", everything, pages)
    measure("resiliparse", extractor(extractor="resiliparse"), pages)
    measure("trafilatura", extractor(extractor="trafilatura"), pages)
    measure("trafilatura, favour_precision off", extractor(extractor="trafilatura", favour_precision=False), pages)


if __name__ == "__main__":
    main()
