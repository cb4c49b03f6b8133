"""Modified Kneser-Ney smoothing against the formulas, written out slowly, and against kenlm."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

import kenlm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.models.kneser_ney import FALLBACK, Vocabulary, discounts, train_ngrams
from pretraining.corpus.models.ngram_lm import BEGIN, UNKNOWN, NgramModel
from pretraining.corpus.models.words import script_words, sentences

Sentences = list[list[str]]


def trained(text: Sentences, order: int, min_count: int = 1) -> NgramModel:
    vocabulary = Vocabulary()
    for sentence in text:
        vocabulary.add(sentence)
    return train_ngrams(vocabulary, order=order, min_count=min_count)


class Reference:
    """Chen & Goodman's recursion over dictionaries of tuples."""

    def __init__(self, text: Sentences, order: int) -> None:
        rows = [("<s>", *sentence, "</s>") for sentence in text]
        self.order = min(order, max(map(len, rows)))
        raw: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(self.order + 1)]
        for row in rows:
            for n in range(1, self.order + 1):
                raw[n].update(row[i : i + n] for i in range(len(row) - n + 1))
        self.adjusted = [dict(counts) for counts in raw]
        for n in range(1, self.order):
            before: dict[tuple[str, ...], set[str]] = defaultdict(set)
            for first, *rest in raw[n + 1]:
                before[tuple(rest)].add(first)
            for gram in raw[n]:
                if gram[0] != "<s>":
                    self.adjusted[n][gram] = len(before[gram])
        del self.adjusted[1][("<s>",)]
        self.discounts = [
            (0.0, *discounts(np.array(list(counts.values()), dtype=np.int32))) if counts else FALLBACK
            for counts in self.adjusted
        ]
        self.vocabulary = len({word for row in rows for word in row}) + 1 - 1  # with <unk>, without <s>

    def probability(self, context: tuple[str, ...], word: str) -> float:
        n = len(context) + 1
        lower = self.probability(context[1:], word) if context else 1 / self.vocabulary
        after = {gram: count for gram, count in self.adjusted[n].items() if gram[:-1] == context}
        total = sum(after.values())
        if total == 0:
            return lower
        taken = sum(self.discounts[n][min(count, 3)] for count in after.values())
        count = after.get((*context, word), 0)
        return (count - self.discounts[n][min(count, 3)]) / total + taken / total * lower


def probabilities_after(model: NgramModel, context: tuple[str, ...]) -> dict[str, float]:
    """Of every word that can be predicted."""
    history = [model.words.index(word) if word in model.words else UNKNOWN for word in context]
    return {
        word: float(10 ** model.log_probs(np.array([*history, number]))[-1])
        for number, word in enumerate(model.words)
        if number != BEGIN
    }


texts = st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(text=texts, order=st.integers(2, 4))
def test_probabilities_are_those_of_the_formulas(text: Sentences, order: int) -> None:
    model, reference = trained(text, order), Reference(text, order)
    assert model.order == reference.order
    seen = {tuple(row[i : i + n]) for s in text for row in [["<s>", *s]] for n in range(order) for i in range(len(row))}
    for context in sorted(c for c in seen if len(c) < model.order):
        for word, probability in probabilities_after(model, context).items():
            assert probability == pytest.approx(reference.probability(context, word), rel=1e-5), (context, word)


@settings(max_examples=40, deadline=None)
@given(
    text=texts,
    order=st.integers(2, 4),
    min_count=st.integers(1, 3),
    context=st.lists(st.sampled_from(["<s>", "a", "b", "c", "never seen"]), max_size=4),
)
def test_probabilities_sum_to_one_after_any_context(
    text: Sentences, order: int, min_count: int, context: list[str]
) -> None:
    total = sum(probabilities_after(trained(text, order, min_count), tuple(context)).values())
    assert total == pytest.approx(1.0, abs=1e-5)


@pytest.fixture(scope="module")
def speech_sentences(speeches: list[str]) -> Sentences:
    return [script_words(line) for text in speeches[:4] for line in sentences(text)]


@pytest.mark.parametrize(("order", "min_count"), [(3, 1), (5, 1), (4, 2)])
def test_kenlm_reads_the_file_and_scores_alike(
    speech_sentences: Sentences, speeches: list[str], tmp_path: Path, order: int, min_count: int
) -> None:
    model = trained(speech_sentences, order, min_count)
    model.write_arpa(tmp_path / "model.arpa")
    native = kenlm.Model(str(tmp_path / "model.arpa"))
    assert native.order == order
    unseen = [script_words(line) for line in sentences(speeches[5])] + [["zzz", "qqq"], []]
    assert any(word not in model.words for sentence in unseen for word in sentence)
    for sentence in [*speech_sentences[:20], *unseen]:
        theirs = sum(score for score, _, _ in native.full_scores(" ".join(sentence)))  # its own sum is of 32 bits
        assert theirs == pytest.approx(model.score([sentence])[0], abs=1e-4)


def test_rare_ngrams_are_dropped_from_three_words_on(speech_sentences: Sentences) -> None:
    everything, frequent = trained(speech_sentences, 4), trained(speech_sentences, 4, min_count=2)
    sizes = [[len(level.keys) for level in model.levels] for model in (everything, frequent)]
    assert sizes[0][:2] == sizes[1][:2]
    assert sizes[0][2] > 2 * sizes[1][2] > 0 and sizes[0][3] > 2 * sizes[1][3] > 0


def test_unseen_words_back_off_to_the_uniform_share() -> None:
    text = [["a", "b"], ["a", "c"]]
    model, reference = trained(text, 2), Reference(text, 2)
    assert probabilities_after(model, ())["<unk>"] == pytest.approx(reference.probability((), "z"), rel=1e-5)
    assert model.score([["z"]]) == model.score([["<unk>"]]) == model.score([["<s>"]])


def test_discounts_are_equation_26() -> None:
    adjusted = np.repeat([1, 2, 3, 4], [40, 12, 6, 4]).astype(np.int32)
    y = 40 / (40 + 2 * 12)
    assert discounts(adjusted) == pytest.approx((1 - 2 * y * 12 / 40, 2 - 3 * y * 6 / 12, 3 - 4 * y * 4 / 6))
    assert discounts(np.array([1, 1, 5], dtype=np.int32)) == FALLBACK


def test_text_like_the_training_text_is_likelier(speeches: list[str], speech_sentences: Sentences) -> None:
    model = trained(speech_sentences, 3)

    def perplexity(lines: Sentences) -> float:
        total, count = model.score(lines)
        return math.pow(10, -total / count)

    unseen = [script_words(line) for line in sentences(speeches[6])]
    backwards = [sentence[::-1] for sentence in unseen]
    assert perplexity(speech_sentences) < perplexity(unseen) / 5 < perplexity(backwards) / 5
