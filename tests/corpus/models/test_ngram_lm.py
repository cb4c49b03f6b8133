"""Keeping an n-gram model and writing it as ARPA."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pretraining.corpus.models.kneser_ney import Vocabulary, train_ngrams
from pretraining.corpus.models.ngram_lm import NgramModel


def small_model() -> NgramModel:
    text = Vocabulary()
    for sentence in (["a", "b"], ["a", "b", "c"], ["b"]):
        text.add(sentence)
    return train_ngrams(text, order=3)


def test_a_model_that_was_saved_scores_the_same(tmp_path: Path) -> None:
    model = small_model()
    model.save(tmp_path / "model")
    again = NgramModel.load(tmp_path / "model")
    assert again.order == 3 and again.words == ["<unk>", "<s>", "</s>", "a", "b", "c"]
    assert isinstance(again.levels[1].keys, np.memmap)
    assert again.score([["a", "b"], ["z", "c"]]) == model.score([["a", "b"], ["z", "c"]])


def test_the_number_of_predicted_words_counts_the_end_of_every_sentence() -> None:
    assert small_model().score([["a", "b"], [], ["z"]])[1] == 3 + 1 + 2


def test_sentences_do_not_look_at_each_other() -> None:
    model = small_model()
    together = model.score([["a", "b"], ["b"]])[0]
    assert np.isclose(together, model.score([["a", "b"]])[0] + model.score([["b"]])[0])


def test_ngrams_are_the_words_of_the_text() -> None:
    model = small_model()
    found = {" ".join(model.words[i] for i in row) for row in model.ngrams(3).tolist()}
    assert found == {"<s> a b", "a b </s>", "a b c", "b c </s>", "<s> b </s>"}


def test_the_arpa_file_has_the_form_of_arpa_files(tmp_path: Path) -> None:
    small_model().write_arpa(tmp_path / "new" / "model.arpa")
    lines = (tmp_path / "new" / "model.arpa").read_text().splitlines()
    assert lines[:4] == ["\\data\\", "ngram 1=6", "ngram 2=6", "ngram 3=5"] and lines[-1] == "\\end\\"
    begin = next(line.split("\t") for line in lines if "\t<s>" in line)
    assert begin[0] == "-99" and float(begin[2]) < 0
    highest = lines[lines.index("\\3-grams:") + 1 : -2]
    assert len(highest) == 5 and all(line.count("\t") == 1 for line in highest)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.arpa"]
