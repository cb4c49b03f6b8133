"""What is counted while the token store is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pretraining.tokenization.documents import declared_languages
from pretraining.tokenization.figures import Figures, rates
from pretraining.tokenization.store import TokenStore
from pretraining.tokenization.writing import write_token_store

CHINESE = "子曰学而时习之不亦说乎"


@pytest.fixture
def corpus(make_corpus: Callable[..., Path], prose: list[str], tmp_path: Path) -> Path:
    """English by its source, Chinese by itself, Chinese that nobody has said to be, and French by its metadata."""
    corpus = make_corpus(
        tmp_path / "corpus",
        [*prose, CHINESE, CHINESE * 200, "deux mots"],
        source=["union"] * 5 + ["zh", "other", "other"],
        metadata=["{}"] * 5 + ['{"language": "cmn_Hani"}', '{"a": "language"}', '{"n": 1, "language": "fra_Latn"}'],
    )
    languages = {"union": {"language": "eng_Latn"}, "zh": {"language": "eng_Latn"}, "other": {}}
    (corpus / "ledger.json").write_text(json.dumps({"sources": languages}))
    return make_corpus(corpus, prose[:2], split="validation")


def write(tokenizer: Any, corpus: Path, output: Path) -> dict[str, Any]:
    """The figures of a new store."""
    output.mkdir()
    return write_token_store(tokenizer, corpus, output)


def test_figures_by_source_and_language(corpus: Path, tokenizer: Any, prose: list[str], tmp_path: Path) -> None:
    found = write(tokenizer, corpus, tmp_path / "tokens")
    assert set(found["sources"]) == {"union", "zh", "other"}
    assert set(found["languages"]) == {"eng_Latn", "cmn_Hani", "fra_Latn", "unknown"}
    english = found["languages"]["eng_Latn"]
    assert english == found["sources"]["union"]
    assert english["documents"] == 5
    assert (
        english["bytes"] == sum(len(text.encode()) for text in prose) == english["bytes_per_token"] * english["tokens"]
    )
    assert (
        english["words"] == sum(len(text.split()) for text in prose) == english["tokens"] / english["tokens_per_word"]
    )
    assert english["tokens_per_character"] is None
    for name in ("cmn_Hani", "unknown"):
        chinese = found["languages"][name]
        assert (chinese["words"], chinese["tokens_per_word"]) == (0, None)
        assert chinese["tokens_per_character"] == 3 == chinese["bytes"] / chinese["characters"]
    other = found["sources"]["other"]  # of both kinds: each figure is over the documents that it speaks of
    assert (other["words"], other["unspaced_characters"], other["tokens_per_character"]) == (2, len(CHINESE) * 200, 3)
    assert found["all"]["tokens"] == TokenStore(tmp_path / "tokens").tokens - 2 * 8
    assert found["round_trip"] == {"documents": 10, "lossless": 10, "losses": {}}


def test_the_vocabulary_is_counted(corpus: Path, tokenizer: Any, tmp_path: Path) -> None:
    found = write(tokenizer, corpus, tmp_path / "tokens")
    ids = np.concatenate(list(TokenStore(tmp_path / "tokens")))
    counts = np.bincount(ids, minlength=320)[3:]  # without the special tokens
    assert found["vocab_size"] == 320
    assert found["vocabulary_used"] == (counts > 0).mean()
    assert found["unused_tokens"] == (counts == 0).sum()
    rarest = [each["count"] for each in found["rarest_tokens"]]
    assert rarest == sorted(counts[counts > 0])[:12]
    longest = found["longest_tokens"]
    assert longest == sorted(longest, key=lambda token: (-len(token), token)) and len(longest) == 12


def test_losses_are_counted_with_examples(
    corpus: Path, kinds: dict[str, Any], prose: list[str], tmp_path: Path
) -> None:
    found = write(kinds["uncased"], corpus, tmp_path / "tokens")["round_trip"]
    assert set(found["losses"]) == {"case", "unknown"}
    assert found["lossless"] + sum(loss["documents"] for loss in found["losses"].values()) == found["documents"] == 10
    case = found["losses"]["case"]
    assert case["documents"] == 7 and len(case["examples"]) == 3
    assert case["examples"][0] == {"document_id": "train/0", "text": prose[0][:24], "again": prose[0][:24].lower()}
    assert "[UNK]" in found["losses"]["unknown"]["examples"][0]["again"]


def test_a_state_goes_on_where_it_was_saved(corpus: Path, kinds: dict[str, Any], tmp_path: Path) -> None:
    from pretraining.tokenization.documents import small_batches
    from pretraining.tokenization.encoding import Encoder

    tokenizer, path = kinds["uncased"], tmp_path / "state.npz"
    encoder, declared = Encoder(tokenizer), declared_languages(corpus)
    batches = [
        batch.slice(i, 1)
        for file in sorted(corpus.glob("*.parquet"))
        for batch in small_batches(file)
        for i in range(batch.num_rows)
    ]
    whole = Figures(tokenizer, declared)
    for number, batch in enumerate(batches):
        texts = batch.column("text").to_pylist()
        part = Figures(tokenizer, declared)
        if number:
            assert part.load(path, "key") == {"key": "key", "more": [number]}
        for figures in (whole, part):
            figures.add(batch, texts, encoder.encode(texts), train=number < 8)
        part.save(path, "key", more=[number + 1])
        assert part.result() == whole.result()
    with pytest.raises(ValueError, match="other inputs"):
        whole.load(path, "another key")


def test_nothing_gives_no_rates() -> None:
    assert rates([])["tokens"] == 0
    assert rates([])["bytes_per_token"] is None


def test_a_corpus_without_a_ledger_declares_nothing(tmp_path: Path) -> None:
    assert declared_languages(tmp_path) == {}
