from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretraining.corpus.report import ngrams
from pretraining.corpus.report.ngrams import top_ngrams


def write(folder: Path, texts: list[str], language: str | None = None, group: int = 1000) -> None:
    metadata = json.dumps({} if language is None else {"language": language})
    rows = [{"id": f"{i}", "text": text, "source": "s", "metadata": metadata} for i, text in enumerate(texts)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet", row_group_size=group)


def test_counts_of_one_two_and_three_words(tmp_path: Path) -> None:
    write(tmp_path, ["The cat sat. The cat ran.", "the cat sat"])
    (found,) = top_ngrams(tmp_path, {"s": "eng_Latn"})
    assert (found.language, found.documents, found.words, found.kind) == ("eng_Latn", 2, 9, "words")
    assert found.top[0] == [("the", 3), ("cat", 3), ("sat", 2)]
    assert found.top[1] == [("the cat", 3), ("cat sat", 2)]
    assert found.top[2] == [("the cat sat", 2)]


def test_numbers_and_addresses_are_no_words_and_part_what_they_stand_between(tmp_path: Path) -> None:
    write(tmp_path, ["call 555 now or mail jane.doe@x.com now, the 20th day"] * 2)
    (found,) = top_ngrams(tmp_path, {"s": None})
    words = {word for top in found.top for word, _ in top}
    assert {"call", "now or", "or mail", "now the"} <= words
    assert not {"call now", "mail now", "th", "jane", "doe", "the day"} & words


def test_documents_are_not_joined(tmp_path: Path) -> None:
    write(tmp_path, ["one", "two", "one", "two"])
    (found,) = top_ngrams(tmp_path, {"s": None})
    assert found.top[1] == []


def test_text_without_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, ["我们喜欢语言模型。我们喜欢语言模型。"], "cmn_Hani")
    monkeypatch.setattr(ngrams, "find_spec", lambda name: None)
    (found,) = top_ngrams(tmp_path, {"s": None})
    assert found.kind == "characters" and ("我们", 2) in found.top[1]


def test_the_sample_is_bounded_and_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [f"word{'x' * (i % 7)} again and again" for i in range(500)], group=10)
    monkeypatch.setattr(ngrams, "BYTES", 3_000)
    (found,) = top_ngrams(tmp_path, {"s": None})
    assert 1_500 < found.bytes <= 3_000
    assert found == top_ngrams(tmp_path, {"s": None})[0]


def test_the_languages_with_most_text(tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "text": "so it is " * n, "source": "s", "metadata": json.dumps({"language": f"{name}_Latn"})}
        for i, (name, n) in enumerate([("aaa", 1), ("bbb", 4), ("ccc", 2), ("ddd", 3)])
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train-0.parquet")
    assert [found.language[:3] for found in top_ngrams(tmp_path, {"s": None})] == ["bbb", "ddd", "ccc"]
