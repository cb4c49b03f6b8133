from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import (
    HashSig,
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
    read_sigs,
)
from datatrove.utils.hashing import HashConfig
from pydantic import ValidationError

from pretraining.corpus.deduplication.minhash import MinhashDeduplication
from pretraining.corpus.deduplication.shingles import shingles
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep
from pretraining.errors import DataError


def section(**keys: Any) -> MinhashDeduplicationStep:
    return MinhashDeduplicationStep(**{"type": "minhash_deduplication", "words": "whitespace", **keys})


def draft(text: str) -> Draft:
    return Draft(text, "1", source="s", file="f")


def changed(text: str, share: float, seed: int = 0) -> str:
    """The text with a share of its words replaced."""
    words, generator = text.split(), random.Random(seed)
    for i in generator.sample(range(len(words)), round(share * len(words))):
        words[i] = f"x{generator.randrange(10**6)}"
    return " ".join(words)


@pytest.fixture
def pieces(speeches: list[str]) -> list[str]:
    """40 pieces of 200 words, and of every other one a copy in which 1 word of 100 is replaced."""
    words = " ".join(speeches[:8]).split()
    whole = [" ".join(words[i : i + 200]) for i in range(0, 8000, 200)]
    return whole + [changed(text, 0.01, seed) for seed, text in enumerate(whole[::2])]


@pytest.mark.parametrize(("precision", "words"), [(32, "whitespace"), (64, "whitespace"), (64, "spacy")])
def test_signatures_and_files_are_datatroves(tmp_path: Path, pieces: list[str], precision: int, words: str) -> None:
    texts = [*pieces[:12], "Zwölf Bücher kosten 12,50 Euro; das ist nicht zu teuer, Señor Ångström. " * 20]
    config = MinhashConfig(seed=5, hash_config=HashConfig(precision=precision))
    stock = MinhashDedupSignature(str(tmp_path / "stock"), config)
    if words == "whitespace":
        stock.word_tokenizer = SimpleNamespace(word_tokenize=str.split)
    stock.run((Document(text, str(i)) for i, text in enumerate(texts)), rank=3)
    step = MinhashDeduplication(section(hashing="datatrove", precision=precision, seed=5, words=words))
    for text in texts:
        step.sign(draft(text))
    step.save(tmp_path, 3)
    for band in range(14):
        name = f"bucket_{band:03d}/00003.minhash.sig"
        assert (tmp_path / name).read_bytes() == (tmp_path / "stock" / name).read_bytes()


@pytest.mark.parametrize(("hashing", "precision"), [("rensa", 32), ("datatrove", 64), ("datatrove", 32)])
def test_datatrove_reads_our_files_and_finds_the_same_groups(
    tmp_path: Path, deduplicate: Callable, pieces: list[str], hashing: str, precision: int
) -> None:
    run = deduplicate(section(hashing=hashing, precision=precision), pieces, cuts=[25, 33], folder=tmp_path / "ours")
    for rank in range(3):  # the stock reader takes every file of a folder
        assert (tmp_path / "ours" / "bucket_013" / f"{rank:05d}.minhash.sig").is_file()
    config = MinhashConfig(hash_config=HashConfig(precision=precision))
    for rank in range(14):
        MinhashDedupBuckets(str(tmp_path / "ours"), str(tmp_path / "dups"), config=config).run(rank=rank, world_size=14)
    MinhashDedupCluster(str(tmp_path / "dups"), str(tmp_path / "clusters"), config=config, save_cluster_id=True).run()
    groups: dict[int, set[int]] = {}
    for path in (tmp_path / "clusters").glob("*.clusters"):
        start = [0, 25, 33][int(path.stem)]
        for document, cluster in np.fromfile(path, dtype="<u4").reshape(-1, 2).tolist():
            groups.setdefault(cluster, set()).add(start + document)
    ours: dict[int, set[int]] = {}
    for i, twin in enumerate(run.twins):
        if twin >= 0:
            ours.setdefault(twin, {twin}).add(i)
    assert sorted(map(sorted, groups.values())) == sorted(map(sorted, ours.values()))
    assert len(ours) >= 15


def test_the_order_in_a_file_is_that_of_the_stock_reader(
    tmp_path: Path, deduplicate: Callable, pieces: list[str]
) -> None:
    deduplicate(section(), pieces, folder=tmp_path / "ours")
    config = MinhashConfig(hash_config=HashConfig(precision=32))
    from datatrove.io import get_datafolder

    file = get_datafolder(str(tmp_path / "ours")).open("bucket_004/00000.minhash.sig", "rb")
    records: list[HashSig] = list(read_sigs(file, 0, config, max_hash=2**32 - 1))
    assert sorted(record.doc_id for record in records) == list(range(len(pieces)))


def test_near_duplicates_go_with_their_similarity(deduplicate: Callable, pieces: list[str]) -> None:
    runs = [deduplicate(section(hashing=hashing), pieces) for hashing in ("rensa", "datatrove")]
    for run in runs:
        removed = [i for i, reason in enumerate(run.reasons) if reason == "near_duplicate"]
        assert len(removed) >= 18  # Jaccard near 0.9: 0.999 each
        for i in removed:
            assert run.twins[i] == 2 * (i - 40)
            one, other = (set(shingles(draft(pieces[j]), "whitespace", 5).tolist()) for j in (i, run.twins[i]))
            assert abs(run.values[i] - len(one & other) / len(one | other)) < 0.12  # four standard errors


def test_less_similar_than_asked_for_stays_with_its_value(deduplicate: Callable, pieces: list[str]) -> None:
    texts = [pieces[0], changed(pieces[0], 0.02), pieces[0] + " end"]
    strict = deduplicate(section(min_similarity=0.95), texts)
    assert strict.reasons == [None, None, "near_duplicate"]
    assert 0.6 < strict.values[1] < 0.95
    assert deduplicate(section(), texts).reasons == [None, "near_duplicate", "near_duplicate"]


def test_short_documents_are_compared_too(deduplicate: Callable) -> None:
    texts = ["Two words", "two words!", "Two other words", "?!", "?!", "!?", "国 家"]
    assert deduplicate(section(), texts).kept == [0, 2, 3, 5, 6]


def test_shingles_of_words_with_several_bytes() -> None:
    assert len(shingles(draft("Été à Paris 国家 ok"), "whitespace", 2)) == 4
    assert shingles(draft("été à"), "whitespace", 2).tolist() == shingles(draft("Ete, a"), "whitespace", 5).tolist()
    assert (shingles(draft("a b a b"), "whitespace", 2)[[0, 2]] == shingles(draft("a b"), "whitespace", 2)).all()


@pytest.mark.parametrize("cuts", [[], [1], [7, 7, 30]])
def test_nothing_depends_on_how_documents_are_cut(
    deduplicate: Callable, pieces: list[str], cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = deduplicate(section(keep="longest"), pieces)
    monkeypatch.setattr("pretraining.corpus.deduplication.base._IN_MEMORY", 1000)
    monkeypatch.setattr("pretraining.corpus.deduplication.minhash.BAND_BYTES", 4000)
    other = deduplicate(section(keep="longest"), pieces, cuts=cuts)
    assert (other.twins, other.reasons) == (whole.twins, whole.reasons)
    np.testing.assert_array_equal(other.values, whole.values)
    assert all(whole.reasons[twin] is None for twin in whole.twins if twin >= 0)


def test_seed_and_precision_make_other_signatures() -> None:
    steps = [section(), section(seed=2), section(hashing="datatrove"), section(hashing="datatrove", seed=2)]
    signatures = [MinhashDeduplication(step).signature(draft("a b c d e f")) for step in steps]
    assert [s.dtype for s in signatures] == [np.uint32, np.uint32, np.uint64, np.uint64]
    assert (signatures[0] != signatures[1]).any() and (signatures[2] != signatures[3]).any()
    assert section(hashing="datatrove", precision=32).precision == 32


def test_rensa_has_32_bits_only() -> None:
    with pytest.raises(ValidationError, match="rensa makes hashes of 32 bits"):
        section(precision=64)


def test_rensa_that_is_not_there(monkeypatch: pytest.MonkeyPatch, deduplicate: Callable) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(DataError, match=r"pip install 'rensa>=0.5,<0.6', or say `hashing: datatrove`"):
        deduplicate(section(), ["a"])
    assert deduplicate(section(hashing="datatrove"), ["a", "a"]).kept == [0]
