from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.report.data import gather
from pretraining.corpus.report.page import write_corpus_report

Corpus = tuple[Path, dict[str, Any]]
Small = Callable[..., Corpus]


@pytest.fixture(scope="module")
def html(corpus: Corpus) -> str:
    """The page that the build wrote."""
    return (corpus[0] / "report.html").read_text("utf-8")


@pytest.fixture
def text(html: str, read_page: Any) -> str:
    """What can be read on it."""
    return str(read_page(html).text)


def page_of(corpus: Corpus, tmp_path: Path) -> str:
    write_corpus_report(gather(*corpus), tmp_path / "page.html")
    return (tmp_path / "page.html").read_text("utf-8")


def test_the_page_is_whole_and_needs_nothing_else(html: str, read_page: Any) -> None:
    page = read_page(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert not {"img", "link", "iframe"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", html)


def test_the_headline_accounts_for_every_record(corpus: Corpus, text: str) -> None:
    ledger = json.loads((corpus[0] / "ledger.json").read_text("utf-8"))
    documents = ledger["documents"]
    assert documents == {"in": 30, "kept": 20, "removed": 8, "unreadable": 2}
    assert "in 30 documents" in text and "kept 20 66.7 %" in text
    assert "removed 8 26.7 %" in text and "unreadable 2 6.7 %" in text


def test_unreadable_records_are_said_aloud(text: str) -> None:
    assert "2 records could not be read" in text
    assert "bad_json , 2: a line is not JSON" in text
    assert "logs logs.jsonl 26 " in text and "logs logs.jsonl 27 " in text


def test_removals_are_listed_by_rule_with_share_and_threshold(text: str) -> None:
    assert re.search(r"too_short 2 7\.14 % \d+ < 60 characters", text)
    assert re.search(r"contaminated 1 3\.85 % [\d,]+ ≥ 1 n-grams", text)
    assert re.search(r"exact_duplicate 4 16\.00 %", text)
    assert re.search(r"near_duplicate 1 4\.76 %", text)


def test_names_of_steps_may_break_on_a_phone_and_are_escaped(html: str) -> None:
    assert "<td>exact_<wbr>deduplication</td>" in html


def test_rules_that_never_fired_are_listed(text: str) -> None:
    assert re.search(r"length: too_long\b", text) and re.search(r"c4: [a-z_, ]*lorem_ipsum", text)


def test_removals_by_step_and_source(text: str) -> None:
    assert "step logs poems length 2 decontamination 1 exact_deduplication 4 minhash_deduplication 1" in text


def test_sources_licences_and_languages(text: str) -> None:
    assert "logs CC-BY-4.0 27 " in text and "poems not stated 3 " in text
    assert re.search(r"eng_Latn 17 [\d,]+ 8 [\d,]+ cmn_Hani 3 [\d,]+ 0 0", text)


def test_rules_on_one_number_share_a_picture_with_both_thresholds(html: str, text: str) -> None:
    label = 'aria-label="length.too_short and length.too_long: 20 kept and 8 removed documents"'
    svg = html[html.index(label) :].partition("</svg>")[0]
    assert svg.count('class="limit"') == 2 and svg.count('class="gone"') == 2
    assert "too_short, too_long" in text and "Removed: < 60 characters." in text


def test_duplicates_by_cluster_size_and_side_by_side(html: str, text: str) -> None:
    assert "documents in a cluster clusters documents removed 2 1 1 4 1 3" in text
    assert "repeats logs/logs.jsonl:6, similarity 1.000" in text
    assert "exact_deduplication: 4 removed documents by similarity to their twin" in html
    near = text[text.index("minhash_deduplication documents in a cluster") :]
    assert "And one more line at the end of it." in near
    assert re.search(r"The first [\d,]+ characters are the same and left out", near)


def test_personal_data_is_counted_and_never_shown(corpus: Corpus, html: str, text: str) -> None:
    removed = (corpus[0] / "removed" / "length-too_short.jsonl").read_text("utf-8")
    changed = (corpus[0] / "changed" / "c4.jsonl").read_text("utf-8")
    assert "[EMAIL_ADDRESS]" in removed and "jane.doe" not in removed + changed  # planted, and replaced in the files
    assert "jane.doe" not in html and "john.roe" not in html
    assert "You may ask [EMAIL_ADDRESS] for it." in text
    assert "so write to [EMAIL_ADDRESS] and wait" in text
    assert "EMAIL_ADDRESS 1" in text and "PHONE_NUMBER 0" in text


def test_personal_data_is_not_shown_without_a_privacy_step_either(small: Small) -> None:
    folder, _ = small(["Ask jane.doe@varnholm.org.", "a good text " * 20], [{"type": "length", "min_characters": 60}])
    assert "jane.doe" in (folder / "removed" / "length-too_short.jsonl").read_text("utf-8")  # the file holds it
    html = (folder / "report.html").read_text("utf-8")
    assert "jane.doe" not in html and "[EMAIL_ADDRESS]" in html


def test_what_privacy_replaced_is_in_no_sample_of_changes(corpus: Corpus) -> None:
    changed = (corpus[0] / "changed" / "privacy.jsonl").read_text("utf-8")
    assert "[EMAIL_ADDRESS]" in changed and "john.roe" not in changed


def test_overlap_with_benchmarks(text: str) -> None:
    assert "quiz 2 1 1 100.0 % 1" in text


def test_edits_with_differences(html: str, text: str) -> None:
    assert "lines_no_end 1" in text
    assert "<del>− this line has no end" in html


def test_frequent_words_by_language(text: str) -> None:
    words = text[text.index("Frequent words") :]
    assert re.search(r"eng_Latn \d+ documents", words) and re.search(r"cmn_Hani \d documents", words)
    assert "of the" in words and re.search("[\u4e00-\u9fff]{2}", words)


def test_canaries_and_recipe(text: str) -> None:
    assert re.search(r"(\d+) of \1 expectations were met", text)
    assert "min_characters: 60" in text and "shard_bytes:" in text and "workers:" not in text
    assert "datatrove 0.10" in text


def test_the_same_folder_gives_the_same_bytes(corpus: Corpus, html: str, tmp_path: Path) -> None:
    assert page_of(corpus, tmp_path) == html
    shutil.copytree(corpus[0], tmp_path / "elsewhere")
    assert page_of((tmp_path / "elsewhere", corpus[1]), tmp_path) == html


def test_texts_and_names_are_escaped(small: Small) -> None:
    evil = "<script>alert(1)</script>"
    folder, _ = small([f"{evil} {'a good text ' * 20}", evil], [{"type": "length", "min_characters": 60}])
    html = (folder / "report.html").read_text("utf-8")
    assert evil not in html and "&lt;script&gt;alert(1)" in html


def test_one_document_and_nothing_removed(small: Small, read_page: Any) -> None:
    folder, _ = small(["One single document, which nothing removes."], [])
    page = read_page((folder / "report.html").read_text("utf-8"))
    assert page.open == []
    assert "No rule removed a document." in page.text
    assert "could not be read" not in page.text
    absent = {"duplicates", "privacy", "benchmarks", "removed", "canaries", "distributions"}
    assert not absent & set(page.ids)


def test_values_that_are_all_the_same_are_named_not_drawn(small: Small, read_page: Any) -> None:
    folder, _ = small(["One single document, which nothing removes."], [{"type": "length", "min_characters": 1}])
    page = read_page((folder / "report.html").read_text("utf-8"))
    assert "svg" not in page.tags
    assert "2 more numbers are the same for every document" in page.text


def test_what_was_not_measured_is_said(small: Small, read_page: Any) -> None:
    steps = [{"type": "textbook", "min_characters": 10, "max_symbols": None, "min_votes": 3, "min_stop_words": None}]
    folder, _ = small(["A text of some words.", "Short."], steps, keep_measurements=False)
    text = read_page((folder / "report.html").read_text("utf-8")).text
    assert "With keep_measurements: false, measuring stops at the first rule" in text
    assert re.search(r"Switched off, and not measured: [^.]*textbook\.too_many_symbols", text)
    assert re.search(r"with a value for no document[^.]*textbook\.too_few_votes", text)


def test_a_long_ledger_is_sampled_and_says_so(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    folder = tmp_path / "long"
    shutil.copytree(corpus[0], folder)
    path = next((folder / "ledger").glob("*.parquet"))
    rows = pq.read_table(path)
    pq.write_table(rows, path, row_group_size=1)
    monkeypatch.setattr("pretraining.corpus.report.rows.ROWS", 10)
    facts = gather(folder, corpus[1])
    assert facts.rows.sampled and 5 <= facts.rows.read <= 10 and facts.rows.whole == rows.num_rows
    page = page_of((folder, corpus[1]), tmp_path)
    assert f"{facts.rows.read} of the {rows.num_rows} records" in page
