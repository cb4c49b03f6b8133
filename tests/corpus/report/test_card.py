from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pretraining.corpus.report.card import language_code

Corpus = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="module")
def card(corpus: Corpus) -> str:
    """The card that the build wrote."""
    return (corpus[0] / "README.md").read_text("utf-8")


def front_matter(card: str) -> dict[str, Any]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_front_matter(card: str) -> None:
    facts = front_matter(card)
    assert facts["license"] == ["cc-by-4.0", "unknown"]
    assert facts["language"] == ["en", "zh"]
    assert facts["size_categories"] == ["n<1K"] and facts["task_categories"] == ["text-generation"]


def test_datasets_loads_the_splits_and_not_the_ledger(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    loaded = datasets.load_dataset(str(corpus[0]), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "validation"}
    assert loaded["train"].column_names == ["id", "text", "source", "metadata"]
    assert sum(split.num_rows for split in loaded.values()) == 20
    ledger = datasets.load_dataset(str(corpus[0]), "ledger", split="records", cache_dir=str(tmp_path))
    assert ledger.num_rows == 30 and "length.too_short" in ledger.column_names


def test_steps_with_their_numbers_and_sources(card: str) -> None:
    assert "| length | too_short | &lt; 60 characters | 2 |" in card
    assert "### minhash_deduplication" in card and "- min_characters: 60" in card
    assert "Raffel et al. 2020" in card and "arXiv 2406.17557" in card  # where the numbers come from


def test_statements_about_personal_data_and_benchmarks(card: str, small: Callable[..., Corpus]) -> None:
    assert "`privacy` replaced what it found, by patterns and checksums: EMAIL_ADDRESS 1." in card
    assert "| quiz | 2 | 1 | 1 | 1 |" in card
    folder, _ = small(["One single document."], [])
    plain = (folder / "README.md").read_text("utf-8")
    assert "No step looked for personal data." in plain and "No step looked for benchmarks" in plain
    assert "No rule removed a document." in plain
    assert front_matter(plain)["license"] == "unknown" and "language" not in front_matter(plain)
    assert [data["split"] for data in front_matter(plain)["configs"][0]["data_files"]] == ["train"]


def test_no_text_and_no_folder_of_this_machine(card: str, corpus: Corpus) -> None:
    assert "jane.doe" not in card and str(corpus[0].parent) not in card


@pytest.mark.parametrize(("language", "code"), [("eng_Latn", "en"), ("cmn_Hani", "zh"), ("yue_Hant", "yue")])
def test_languages_are_written_as_the_hub_writes_them(language: str, code: str) -> None:
    assert language_code(language) == code
