from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.evaluation import perplexity
from pretraining.evaluation.documents import Document, encode
from pretraining.evaluation.perplexity import _batches, _divide, _kept, score, sliding_windows


def one_token_at_a_time(model: Any, ids: list[int], window: int, stride: int) -> float:
    """-log p of each token, given exactly the context that its window shows, in a forward pass of its own."""
    total = 0.0
    for target in range(1, len(ids)):
        place = 0 if target <= window else math.ceil((target - window) / stride)  # the first window that reaches it
        context = torch.tensor([ids[place * stride : target]])
        with torch.no_grad():
            logits = model(input_ids=context, use_cache=False).logits[0, -1].double()
        total -= float(torch.log_softmax(logits, -1)[ids[target]])
    return total


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize(("window", "stride", "batch_size"), [(16, 8, 4), (16, 16, 3), (24, 5, 16), (64, 1, 8)])
def test_equals_one_token_at_a_time(
    request: pytest.FixtureRequest,
    tokenizer: Any,
    speeches: list[str],
    name: str,
    window: int,
    stride: int,
    batch_size: int,
) -> None:
    model = request.getfixturevalue(name)
    texts = [speeches[0][:130], "We the people.", speeches[1][:60], "", "é"]
    documents = encode(tokenizer, texts)
    result = score(model, documents, window=window, stride=stride, batch_size=batch_size)
    expected = [one_token_at_a_time(model, d.ids.tolist(), window, stride) for d in documents]
    assert result.document_nll == pytest.approx(expected, rel=1e-5)
    assert result.nll == pytest.approx(sum(expected), rel=1e-5)
    assert result.tokens == sum(len(d.ids) - 1 for d in documents)


def test_small_logit_budget_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, llama: Any, tokenizer: Any, speeches: list[str]
) -> None:
    documents = encode(tokenizer, [text[:600] for text in speeches[:2]])
    whole = score(llama, documents, window=32, stride=20)
    shapes: list[tuple[int, ...]] = []
    cross_entropy = perplexity.F.cross_entropy

    def spy(logits: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        shapes.append(tuple(logits.shape))
        return cross_entropy(logits, *args, **kwargs)

    monkeypatch.setattr(perplexity.F, "cross_entropy", spy)
    monkeypatch.setattr(perplexity, "LOGIT_BYTES", 7 * 400 * 4)
    small = score(llama, documents, window=32, stride=20)
    assert small.document_nll == pytest.approx(whole.document_nll, rel=1e-6)
    assert max(positions for positions, _ in shapes) <= 7


def test_figures_follow_their_definitions(llama: Any, tokenizer: Any) -> None:
    text = "Fellow-Citizens of the Senate — and of the House"
    result = score(llama, encode(tokenizer, [text]), window=32, stride=16)
    assert (result.bytes, result.words) == (len(text.encode()), 9)
    assert result.bits_per_byte == pytest.approx(result.nll / (result.bytes * math.log(2)))
    assert result.token_perplexity == pytest.approx(math.exp(result.nll / result.tokens))
    assert result.word_perplexity == pytest.approx(math.exp(result.nll / 9))


def test_word_perplexity_that_no_float_holds_is_infinite(llama: Any, tokenizer: Any) -> None:
    result = score(llama, encode(tokenizer, ["国" * 400]), window=32, stride=16)
    assert result.word_perplexity == math.inf


def test_smaller_stride_sees_more_context(llama: Any, tokenizer: Any, speeches: list[str]) -> None:
    documents = encode(tokenizer, speeches[:1])
    assert score(llama, documents, window=32, stride=4).nll != score(llama, documents, window=32, stride=32).nll


def test_nothing_to_score(llama: Any) -> None:
    with pytest.raises(DataError, match=r"raise corpus\.held_out"):
        score(llama, [Document(np.array([0]), 0, 0)], window=8, stride=4)


@pytest.mark.parametrize("stride", [0, 9])
def test_impossible_stride(llama: Any, stride: int) -> None:
    with pytest.raises(ValueError, match=f"stride {stride} is not within 1 and the window of 8"):
        score(llama, [Document(np.arange(5), 4, 1)], window=8, stride=stride)


@given(
    tokens=st.lists(st.integers(0, 200), min_size=1, max_size=5),
    window=st.integers(1, 40),
    stride=st.integers(1, 40),
    most=st.integers(1, 50),
    rows=st.integers(1, 9),
)
def test_every_token_is_scored_once(tokens: list[int], window: int, stride: int, most: int, rows: int) -> None:
    stride = min(stride, window)
    windows = [w for i, n in enumerate(tokens) for w in _divide(sliding_windows(i, n, window, stride), most)]
    batches = list(_batches(windows, rows=rows, positions=most))
    scored = sorted((w.document, place) for batch in batches for w in batch for place in range(w.end - w.scored, w.end))
    assert scored == [(i, place) for i, n in enumerate(tokens) for place in range(n)]
    assert all(w.length <= window and w.begin % stride == 0 for w in windows)
    assert all(len(batch) <= rows and len(batch) * _kept(batch) <= most for batch in batches)
    # a token has all the document before it, or at least window - stride tokens and itself
    assert all(w.begin == 0 or w.length - w.scored >= window - stride for w in windows)
