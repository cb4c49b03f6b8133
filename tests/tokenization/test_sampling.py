from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.tokenization.config import SampleSection
from pretraining.tokenization.sampling import LONGEST_RUN, Lowest, TrainingSample, pieces, quotas, without_long_runs

TEXTS = [f"document {i} " + "word " * (i % 7) for i in range(60)]


def test_everything_is_read_in_order_when_the_budget_allows(make_corpus: Any, tmp_path: Path) -> None:
    sample = TrainingSample(SampleSection(), make_corpus(tmp_path, TEXTS))
    assert list(sample.texts()) == TEXTS
    size = sum(len(text.encode()) for text in TEXTS)
    assert sample.facts()["sources"] == {
        "s": {
            "documents": 60,
            "bytes": size,
            "read": {"documents": 60, "bytes": size, "left_out_of_long_runs": 0},
            "share": 1.0,
        }
    }


def test_the_sample_does_not_depend_on_order_or_files(make_corpus: Any, tmp_path: Path) -> None:
    names = [f"d{i}" for i in range(60)]
    first = make_corpus(tmp_path / "a", TEXTS, id=names)
    second = make_corpus(tmp_path / "b", TEXTS[::-1], id=names[::-1], files=3)
    section = SampleSection(bytes=500)
    one, other = TrainingSample(section, first), TrainingSample(section, second)
    assert sorted(one.texts()) == sorted(other.texts())
    assert one.facts()["read_bytes"] == other.facts()["read_bytes"] == 500
    assert 0 < len(set(one.texts())) < 60
    smaller = TrainingSample(SampleSection(bytes=250), first)
    assert len(set(smaller.texts()) - set(one.texts())) <= 1  # the one at the limit is read in part


def test_shares_follow_the_weights_and_small_sources_are_read_again(make_corpus: Any, tmp_path: Path) -> None:
    sources = ["small" if i % 10 == 0 else "large" for i in range(60)]
    corpus = make_corpus(tmp_path, TEXTS, source=sources)
    sample = TrainingSample(SampleSection(weights={"small": 3.0, "large": 1.0}), corpus)
    read = list(sample.texts())
    facts = sample.facts()
    assert facts["sources"]["small"]["share"] == pytest.approx(0.75, abs=0.005)
    assert facts["read_bytes"] == pytest.approx(sum(len(text.encode()) for text in TEXTS), abs=2)
    assert min(read.count(TEXTS[i]) for i in range(0, 60, 10)) >= 6
    none = TrainingSample(SampleSection(weights={"small": 1.0, "large": 0.0}), corpus)
    assert list(none.texts()) == TEXTS[::10]
    assert none.facts()["sources"]["large"]["read"]["documents"] == 0


def test_no_text_is_said(make_corpus: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text to train a tokenizer on; lower corpus\.held_out"):
        TrainingSample(SampleSection(), tmp_path)
    empty = make_corpus(tmp_path / "empty", ["", ""])
    with pytest.raises(DataError, match="no text to train a tokenizer on"):
        TrainingSample(SampleSection(), empty)
    with pytest.raises(DataError, match="give a source that has some a weight"):
        TrainingSample(SampleSection(weights={"other": 1.0}), make_corpus(tmp_path / "other", TEXTS))


def test_a_surrogate_in_the_corpus_is_said(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 3], np.int32)), pa.py_buffer(b"\xed\xa0\x80")]
    )
    table = pa.table({"id": ["a"], "text": bad, "source": ["s"], "metadata": ["{}"]})
    pq.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(DataError, match=r"not valid UTF-8.*run `pretrain corpus` again"):
        list(TrainingSample(SampleSection(), tmp_path).texts())


@pytest.mark.parametrize("character", ["x", "中", "=", " ", "1"])
def test_a_word_without_end_is_read_at_its_beginning_only(character: str) -> None:
    other = " " if character != " " else "x"
    text = f"before{other}{character * 1_000_000}{other}after"
    kept = without_long_runs(text)
    assert kept == f"before{other}{character * LONGEST_RUN}{other}after"
    assert without_long_runs(kept) == kept


def test_a_mebibyte_of_chinese_without_blanks_is_read_whole() -> None:
    text = "學而時習之，不亦說乎？" * 32_000
    assert without_long_runs(text) == text


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["word", " ", "\n", "long" * 40_000, "  "]), max_size=12))
def test_pieces_together_are_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    assert "".join(pieces(text)) == text


def test_pieces_begin_with_white_space_where_there_is_any() -> None:
    found = list(pieces("some words " * 60_000))
    assert len(found) == 3 and all(piece.startswith(" ") for piece in found[1:])


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 10_000), min_size=1),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.0, 10.0)),
    st.integers(1, 20_000),
)
def test_quotas_stay_within_the_budget(sizes: dict[str, int], weights: dict[str, float], budget: int) -> None:
    found = quotas(budget, sizes, weights)
    assert sum(found.values()) <= budget + len(found)
    assert all(sizes[name] and (not weights or weights[name] > 0) for name in found)
    if not weights:
        assert all(found[name] <= sizes[name] for name in found)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.integers(1, 400), st.randoms(use_true_random=False))
def test_the_lowest_hashes_make_up_what_is_wanted(sizes: list[int], budget: int, random: Any) -> None:
    hashes = random.sample(range(10_000), len(sizes))
    lowest = Lowest(budget)
    for at in range(0, len(sizes), 7):
        lowest.add(np.array(hashes[at : at + 7], np.uint64), np.array(sizes[at : at + 7], np.int64))
    wanted = min(budget, sum(sizes))
    limit, rest = lowest.limit(wanted)
    below = sum(size for size, hashed in zip(sizes, hashes, strict=True) if hashed < limit)
    assert below + rest == wanted and 0 < rest <= sizes[hashes.index(limit)]
