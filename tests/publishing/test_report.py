from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.publishing.report import write_report


class Page(HTMLParser):
    """Tags, ids and links of a page, and whether its elements are closed in order."""

    VOID = {"meta", "link", "br", "img", "hr", "input"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def report(run: Path, tmp_path: Path) -> str:
    write_report(run, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text("utf-8")


def text(html: str) -> str:
    """The page without tags, with single spaces."""
    return " ".join(re.sub("<[^>]*>", " ", html).split())


@pytest.fixture(scope="module")
def page(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the unchanged run."""
    return report(untouched, tmp_path_factory.mktemp("report"))


@pytest.fixture
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the words: drawing the curves takes most of the time."""
    monkeypatch.setattr("pretraining.publishing.report._curves", lambda run: [])


CHANGES: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("evaluation/results.json", ("held_out", "bits_per_byte"), 1.2345, "bits per byte, held out 1.234"),
    ("evaluation/results.json", ("yardsticks", 2, "bits_per_byte"), 2.7182, "xz -9e 2.718"),
    ("corpus/ledger.json", ("documents", "kept"), 98_765, "98,765"),
    ("corpus/ledger.json", ("steps", 3, "removed", "too_few_words", "bytes"), 77_123, "77,123"),
    ("tokens/report.json", ("sources", "letters", "bytes_per_token"), 5.67, "5.67"),
    ("batches/plan.json", ("streams", 0, "padding"), 13_579, "2,979,000 13,579 99.10"),
    ("manifest.json", ("stages", "train", "seconds"), 3725, "train 1 h 02 min"),
    ("manifest.json", ("versions", "torch"), "2.13.7", "torch 2.13.7"),
]


@pytest.mark.usefixtures("without_curves")
def test_numbers_come_from_the_files(run: Path, tmp_path: Path, files: Any, page: str) -> None:
    for file, keys, value, _ in CHANGES:
        files.edit_json(run / file, *keys, value=value)
    changed = text(report(run, tmp_path))
    for *_, shown in CHANGES:
        assert shown not in text(page)
        assert shown in changed


def test_headline_and_curves_come_from_the_metrics(run: Path, tmp_path: Path) -> None:
    path = run / "metrics.jsonl"
    last = {
        **json.loads(path.read_text().splitlines()[0]),
        "step": 9_999,
        "tokens": 81_900_000,
        "seconds": 65,
        "loss": 2.0,
    }
    path.write_text(path.read_text() + json.dumps(last) + "\n")
    page = report(run, tmp_path)
    assert "tokens trained on 81.9 M training time 1 min 05 s" in text(page)
    assert "Loss over tokens: training ends at 2," in page


def test_the_page_is_whole_and_needs_nothing_else(page: str) -> None:
    read = Page(page)
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))
    assert read.tags.count("svg") == 6
    assert {link for link in read.links if not link.startswith("#")} == set()
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert not {"script", "img", "link", "iframe"} & set(read.tags)


def test_figures_say_what_they_show(page: str) -> None:
    assert page.count('role="img" aria-label="') == 6
    assert "Bits per byte, lower is better: this model 1.313, xz -9e after training text 1.748" in page
    assert ">xz -9e after training text</text>" in page  # text is text, not outlines


@pytest.mark.usefixtures("without_curves")
def test_text_of_documents_is_escaped(run: Path, tmp_path: Path, files: Any) -> None:
    evil = "<script>alert(1)</script>"
    for file, keys in (
        ("evaluation/results.json", ("samples", 0, "text")),
        ("evaluation/results.json", ("yardsticks", 0, "name")),
        ("corpus/ledger.json", ("steps", 0, "step")),
        ("corpus/ledger.json", ("unreadable", 0, "reason")),
        ("tokens/report.json", ("longest_tokens", 0)),
        ("manifest.json", ("name",)),
        ("manifest.json", ("stages", "train", "summary")),
    ):
        files.edit_json(run / file, *keys, value=evil)
    (run / "recipe.yaml").write_text(f"name: '{evil}'\npublishing:\n  description: '{evil}'\n")
    (run / "corpus" / "removed" / f"{evil[1:7]}.jsonl").write_text(json.dumps({"id": evil, "text": evil}) + "\n")
    page = report(run, tmp_path)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 11


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("recipe.yaml", "run"),
        ("manifest.json", "run"),
        ("corpus/ledger.json", "corpus"),
        ("tokens/report.json", "tokens"),
        ("batches/plan.json", "tokens"),
        ("metrics.jsonl", "train"),
        ("model/config.json", "train"),
        ("model/model.safetensors", "train"),
        ("evaluation/results.json", "evaluate"),
    ],
)
def test_a_missing_file_names_its_stage(run: Path, tmp_path: Path, file: str, stage: str) -> None:
    (run / file).unlink()
    with pytest.raises(DataError, match=f"run `pretrain {stage}` first"):
        write_report(run, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_optional_parts_may_be_missing(run: Path, tmp_path: Path) -> None:
    results = json.loads((run / "evaluation" / "results.json").read_text())
    results["held_out"]["word_perplexity"] = None
    (run / "evaluation" / "results.json").write_text(json.dumps({"held_out": results["held_out"]}))
    shutil.rmtree(run / "corpus" / "removed")
    lines = [line for line in (run / "metrics.jsonl").read_text().splitlines() if "held_out_loss" not in line]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    page = report(run, tmp_path)
    assert "<h2>Samples</h2>" not in page and "What removed documents look like" not in page and "xz" not in page
    assert "word perplexity –" in text(page)
    assert page.count("<svg") == 5


def test_reasons_that_removed_nothing_are_counted(page: str) -> None:
    assert '<tr class="reason"><td class="name">too_short</td>' in page
    assert '<td class="name">too_long</td>' not in page
    assert "3 more reasons removed nothing" in page


@pytest.mark.usefixtures("without_curves")
def test_the_report_of_the_corpus_is_linked_if_it_is_there(run: Path, tmp_path: Path, page: str) -> None:
    assert "corpus/report.html" not in page
    (run / "corpus" / "report.html").write_text("<!DOCTYPE html>")
    assert '<a href="corpus/report.html">corpus/report.html</a>' in report(run, tmp_path)


@pytest.mark.usefixtures("without_curves")
def test_personal_data_of_removed_documents_is_masked(run: Path, tmp_path: Path) -> None:
    sample = {"id": "a", "text": "Write to jane.doe@harbour-mail.com today."}
    (run / "corpus" / "removed" / "length-too_short.jsonl").write_text(json.dumps(sample) + "\n")
    page = report(run, tmp_path)
    assert "Write to [EMAIL_ADDRESS] today." in page and "jane.doe" not in page


@pytest.mark.usefixtures("without_curves")
def test_unreadable_records_are_listed_up_to_twenty(run: Path, tmp_path: Path, files: Any) -> None:
    record = {"source": "s", "file": "f.txt", "record": 1, "offset": None, "reason": "not UTF-8", "bytes": 9}
    many = [{**record, "record": 5_000 + i} for i in range(30)]
    files.edit_json(run / "corpus" / "ledger.json", "unreadable", value=many)
    files.edit_json(run / "corpus" / "ledger.json", "documents", "unreadable", value=1_234)
    page = text(report(run, tmp_path))
    assert "The first 20 of 1,234" in page
    assert "5,019" in page and "5,020" not in page


def test_same_bytes_wherever_the_folder_is(run: Path, tmp_path: Path, page: str) -> None:
    assert report(run, tmp_path) == page


@pytest.mark.usefixtures("without_curves")
def test_a_model_that_is_no_causal_one(run: Path, tmp_path: Path, files: Any) -> None:
    files.make_other(run)
    html = report(run, tmp_path)
    assert Page(html).open == []
    page = text(html)
    assert "loss, held out 2.718 perplexity 15.15 parameters" in page
    assert "pair accuracy 0.8125 share of the &lt;i&gt;pairs&lt;/i&gt; | told right" in page
    assert "pseudo perplexity – of 512" in page
    assert "Held-out text with one token masked is blue" in page and "Written by the model" not in page
    assert "bits per byte, held out" not in page and "windows of" not in page and "(nats per target)" in page


@pytest.mark.usefixtures("without_curves")
def test_nothing_measured_leaves_a_note(run: Path, tmp_path: Path, files: Any) -> None:
    files.make_other(run, "BertModel", type="contrastive")
    held_out = {"objective": "contrastive", "documents": 12, "bytes": 9, "figures": [], "note": "nothing, because"}
    files.edit_json(run / "evaluation" / "results.json", "held_out", value=held_out)
    page = text(report(run, tmp_path))
    assert "Note: nothing, because." in page and "(nats per text)" in page


@pytest.mark.usefixtures("without_curves")
def test_the_objectives_own_figures_stand_beside_bits_per_byte(run: Path, tmp_path: Path, files: Any) -> None:
    path = run / "evaluation" / "results.json"
    figures = [{"name": "loss", "value": 3.25, "note": "nats per target"}]
    for key, value in {"objective": "prefix_lm", "figures": figures, "note": "trained otherwise"}.items():
        files.edit_json(path, "held_out", key, value=value)
    page = text(report(run, tmp_path))
    assert "bits per byte, held out 1.313" in page and "Note: trained otherwise." in page
    assert "prefix_lm value what it is loss 3.2500 nats per target" in page
