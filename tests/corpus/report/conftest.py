"""A corpus in which something of everything happens, built once."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.build import build_corpus
from pretraining.corpus.config import CorpusSection

ADDRESS, OTHER = "jane.doe@harbour-mail.com", "john.roe@harbour-mail.com"


def passages(speeches: list[str]) -> list[str]:
    """Paragraphs of speeches, 1,000 bytes and more, of which no two say the same."""
    paragraphs = [" ".join(paragraph.split()) for speech in speeches for paragraph in speech.split("\n")]
    return [text for text in paragraphs if 1000 <= len(text) <= 1500 and text.endswith(".")]


def write_jsonl(path: Path, texts: list[str], *, broken: int = 0) -> None:
    """A record a text, then lines that are no JSON."""
    records = [json.dumps({"text": text}) for text in texts]
    path.write_text("\n".join([*records, *["{broken"] * broken]) + "\n", "utf-8")


STEPS: list[dict[str, Any]] = [
    {"type": "normalize"},
    {"type": "length", "min_characters": 60, "max_characters": 1_000_000},
    {"type": "c4", "languages": ["eng_Latn"], "min_sentences": None},
    {"type": "decontamination", "benchmarks": [{"name": "quiz", "path": "quiz.jsonl"}]},
    {"type": "exact_deduplication"},
    {"type": "minhash_deduplication"},
    {"type": "privacy"},
]
SECTION: dict[str, Any] = {
    "sources": [
        {"type": "jsonl", "path": "logs.jsonl", "name": "logs", "license": "CC-BY-4.0", "language": "eng_Latn"},
        {"type": "jsonl", "path": "poems.jsonl", "name": "poems", "language": "cmn_Hani"},
    ],
    "steps": STEPS,
    "held_out": 0.2,
}
ITEM = "which of the two clocks on the wall of the kitchen was the one that the keeper had built from a music box"
POEMS = (
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, speeches: list[str]) -> tuple[Path, dict[str, Any]]:
    """(corpus folder, its resolved section): 24 logs, 3 poems, 2 lines that are no JSON."""
    base = tmp_path_factory.mktemp("base")
    own = passages(speeches)
    logs = own[:14]
    texts = [
        *logs,
        *[logs[5]] * 3,  # a cluster of four
        logs[6],  # and one of two
        own[20],
        f"{own[20]}\nAnd one more line at the end of it.",
        f"You may ask {ADDRESS} for it.",
        "Too short.",
        f"this line has no end, so write to {ADDRESS} and wait\n{own[21]}",
        f"You can write to {OTHER} about it.\n{own[22]}",
        f"{own[23]}\nTell me {ITEM}.",
    ]
    write_jsonl(base / "logs.jsonl", texts, broken=2)
    write_jsonl(base / "poems.jsonl", [poem * 3 for poem in POEMS])
    write_jsonl(base / "quiz.jsonl", [ITEM, "too short to look for"])
    return built(base, SECTION)


def built(base: Path, section: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """(corpus folder, resolved section)."""
    checked = CorpusSection.model_validate(section)
    output = base / "corpus"
    output.mkdir()
    build_corpus(checked, output, base=base, progress=False)
    return output, checked.model_dump(mode="json")


@pytest.fixture
def small(tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """``small(texts, steps, key=value)`` builds a corpus of a few texts, with nothing held out."""

    def run(texts: list[str], steps: list[dict[str, Any]], **keys: Any) -> tuple[Path, dict[str, Any]]:
        write_jsonl(tmp_path / "in.jsonl", texts)
        source = {"type": "jsonl", "path": "in.jsonl", "name": "in"}
        return built(tmp_path, {"sources": [source], "steps": steps, "held_out": 0.0, "canaries": False, **keys})

    return run


class Page(HTMLParser):
    """Tags, ids and links of a page, and whether its elements are closed in order."""

    VOID = {"meta", "input", "br", "wbr", "path", "rect", "line"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words += data.split()

    @property
    def text(self) -> str:
        """What can be read, with single spaces."""
        return " ".join(self.words)


@pytest.fixture
def read_page() -> type[Page]:
    """See ``Page``."""
    return Page
