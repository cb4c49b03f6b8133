"""What ``pretrain doctor`` gives the blocks: three documents, a file of each kind, and the keys that a step needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = "steam engine"
"""Stands in the English documents."""
_ENGLISH = (
    f"The {WORDS} was improved by James Watt in 1769, and within a century it had changed the work of most people. "
    "Those who write about that time have much to say of the mills, the railways and the towns that grew with them."
)
DOCUMENTS = [
    ("eng_Latn", _ENGLISH),
    (
        "cmn_Hani",
        "1769年，詹姆斯·瓦特改良了蒸汽机。此后的一百年里，工厂、铁路和城市都因为它而改变，人们的生活也不再和从前一样。",
    ),
    ("eng_Latn", _ENGLISH),
]
"""(language, text); the third repeats the first."""

STEPS: dict[str, dict[str, dict[str, Any] | None]] = {
    "language": {
        "py3langid": {"accept": ["eng_Latn", "cmn_Hani"]},
        "fasttext": {"accept": ["eng_Latn", "cmn_Hani"], "identifier": "fasttext"},
    },
    "url_filter": {"": {"stock_lists": False, "block": ["example.com"]}},  # the stock lists take seconds to load
    "normalize": {"": {}, "Chinese": {"chinese": "simplified"}},
    "toxicity": {"": {"lists": {"eng_Latn": "words.txt"}}},
    "perplexity": {
        "trained": {"model": {"type": "train", "source": "sample", "order": 2}},
        "kenlm": {"model": {"type": "kenlm", "path": "zh_CN.lm"}},
    },
    "classifier": {"": None},
    "decontamination": {"": {"benchmarks": [{"name": "sample", "path": "benchmark.jsonl"}]}},
    "sample": {"": {"rate": 0.5}},
    "budget": {"": {"documents": 2}},
    "concatenate": {"": {"by": "language"}},
    "augment": {"": {"callable": "textwrap:dedent"}},
}
"""The keys of each run of a step, by a note; steps that are not here are run with their defaults. None: it needs a
model of the user, so only its code is loaded."""

SOURCES = {"html": ["trafilatura", "resiliparse"], "warc": ["trafilatura"]}
"""The extractors to try; other sources are read once."""


def write_step_files(folder: Path) -> None:
    """Write the files that the keys in ``STEPS`` name, and ``sample.txt``, one of the documents a line."""
    (folder / "words.txt").write_text(WORDS, encoding="utf-8")
    (folder / "benchmark.jsonl").write_text(json.dumps({"text": _ENGLISH}) + "\n", encoding="utf-8")
    (folder / "sample.txt").write_text("\n".join(text for _, text in DOCUMENTS), encoding="utf-8")


def write_source(kind: str, note: str, folder: Path) -> dict[str, Any]:
    """Write a file of this kind into the folder; the keys of a source that reads it."""
    keys = _WRITERS[kind](folder)
    return {**keys, "extractor": note} if note else keys


def _plain(name: str, content: str) -> Callable[[Path], dict[str, Any]]:
    def write(folder: Path) -> dict[str, Any]:
        (folder / name).write_text(content, encoding="utf-8")
        return {"path": str(folder / name)}

    return write


def _warc(folder: Path) -> dict[str, Any]:
    page = _PAGE.encode()
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:6b3f1b2e-4a57-4b0e-9a3d-0f5d5c1f7a11>\r\n"
        "WARC-Target-URI: https://example.org/\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(response)}\r\n\r\n"
    )
    (folder / "page.warc").write_bytes(head.encode() + response + b"\r\n\r\n")
    return {"path": str(folder / "page.warc")}


def _parquet(folder: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": [text for _, text in DOCUMENTS]}), folder / "table.parquet")
    return {"path": str(folder / "table.parquet")}


def _arrow(folder: Path) -> dict[str, Any]:
    import pyarrow as pa

    table = pa.table({"text": [text for _, text in DOCUMENTS]})
    with pa.OSFile(str(folder / "table.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return {"path": str(folder / "table.arrow")}


def _hub(folder: Path) -> dict[str, Any]:
    _WRITERS["jsonl"](folder)
    return {"path": str(folder)}


def _package(folder: Path) -> dict[str, Any]:
    return {"package": "pretraining", "files": "corpus/doctor_samples.py"}


_PAGE = (
    "<html><head><title>Steam</title></head><body><nav>Home | About</nav><article><h1>Steam</h1>"
    + "".join(f"<p>{text}</p>" for _, text in DOCUMENTS)
    + "</article></body></html>"
)
_WRITERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "package": _package,
    "text": _plain("sample.txt", "\n".join(text for _, text in DOCUMENTS)),
    "markdown": _plain("sample.md", f"# Steam\n\n{_ENGLISH}\n"),
    "html": _plain("page.html", _PAGE),
    "warc": _warc,
    "jsonl": _plain("rows.jsonl", "".join(json.dumps({"text": text}) + "\n" for _, text in DOCUMENTS)),
    "csv": _plain("rows.csv", "text\n" + "".join(f'"{text}"\n' for _, text in DOCUMENTS)),
    "parquet": _parquet,
    "arrow": _arrow,
    "huggingface": _hub,
    "code": _plain("sample.py", f'"""About the {WORDS}."""\n\nYEAR = 1769\n'),
}
