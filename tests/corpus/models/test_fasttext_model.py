from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pretraining.corpus.models import fasttext_model
from pretraining.corpus.models.fasttext_model import check_fasttext, load_fasttext
from pretraining.errors import DataError

WORDS = {"the": "en", "und": "de", "le": "fr"}


def test_predicts_the_label_of_the_words(fasttext_file: Callable[..., Path]) -> None:
    model = load_fasttext(fasttext_file(WORDS))
    ((label, probability),) = model.predict("und und und")
    assert label == "de"
    assert 0.99 < probability <= 1.0
    assert [label for label, _ in model.predict("le le und", 2)] == ["fr", "de"]


def test_lines_are_read_as_one(fasttext_file: Callable[..., Path]) -> None:
    model = load_fasttext(fasttext_file(WORDS))
    assert model.predict("le\nund\nund") == model.predict("le und und")


def test_probabilities_of_all_labels_add_up(fasttext_file: Callable[..., Path]) -> None:
    found = load_fasttext(fasttext_file(WORDS)).predict("the und", -1)
    assert sorted(label for label, _ in found) == ["de", "en", "fr"]
    assert sum(probability for _, probability in found) == pytest.approx(1.0, abs=1e-3)


def test_text_that_is_no_unicode_is_no_error(fasttext_file: Callable[..., Path]) -> None:
    assert load_fasttext(fasttext_file(WORDS)).predict("the \ud800")[0][0] == "en"


def test_labels(fasttext_file: Callable[..., Path]) -> None:
    assert load_fasttext(fasttext_file(WORDS)).labels() == ["de", "en", "fr"]


def test_loaded_once_until_the_file_changes(fasttext_file: Callable[..., Path]) -> None:
    path = fasttext_file(WORDS)
    first = load_fasttext(path)
    assert load_fasttext(path) is first
    fasttext_file({"the": "xx", "und": "de", "le": "fr"})  # as many bytes
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))
    assert load_fasttext(path).predict("the")[0][0] == "xx"


def test_loading_says_nothing(fasttext_file: Callable[..., Path], capfd: pytest.CaptureFixture[str]) -> None:
    load_fasttext(fasttext_file(WORDS)).predict("the")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_an_error_at_once(fasttext_file: Callable[..., Path], share: float) -> None:
    path = fasttext_file(WORDS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"model\.bin is not a whole fastText model"):
        load_fasttext(path)
    assert time.perf_counter() - start < 0.5


def test_another_format_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.bin"
    path.write_text("just some text " * 100)
    with pytest.raises(DataError, match="not a whole fastText model"):
        check_fasttext(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no fastText model .*absent\.bin"):
        load_fasttext(tmp_path / "absent.bin")


def test_without_fasttext_the_error_says_what_to_install(
    fasttext_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fasttext_file(WORDS)
    monkeypatch.setattr(fasttext_model.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(DataError, match="pip install fasttext-numpy2-wheel"):
        load_fasttext(path)


def test_a_model_of_word_vectors_is_an_error(tmp_path: Path) -> None:
    import fasttext

    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat\n" * 20)
    vectors = fasttext.train_unsupervised(str(text), dim=4, epoch=1, minCount=1, bucket=10, thread=1, verbose=0)
    vectors.save_model(str(tmp_path / "vectors.bin"))
    with pytest.raises(DataError, match="cannot be used as a fastText classifier: Model needs to be supervised"):
        load_fasttext(tmp_path / "vectors.bin")
