from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.evaluation.pseudo_perplexity import _window, places, pseudo_perplexity
from pretraining.evaluation.targets import Scorer
from pretraining.evaluation.trained import Trained
from pretraining.objectives.sections.masked import MaskedLMSection
from pretraining.tokenization.store import TokenStore


@pytest.fixture(scope="module")
def masked(trained: Callable[..., Trained]) -> Trained:
    return trained(type="masked_lm")


@pytest.fixture(scope="module")
def bert(full_tokenizer: Any, helpers: Any) -> Any:
    return helpers.pretraining_model("bert", MaskedLMSection(), full_tokenizer).model


def test_each_token_is_predicted_alone_from_all_others(masked: Trained, bert: Any, full_tokenizer: Any) -> None:
    chosen = list(places(full_tokenizer, masked, 10))
    nll = 0.0
    for window, place in chosen:
        ids = torch.from_numpy(window.copy())[None]
        ids[0, place] = full_tokenizer.mask_token_id
        with torch.no_grad():
            nll -= float(bert(input_ids=ids).logits[0, place].log_softmax(-1)[int(window[place])])
    for size in (1, 4):
        ((found,), _) = pseudo_perplexity(Scorer(bert), full_tokenizer, masked, tokens=10, batch_size=size)
        assert found["name"] == "pseudo_perplexity" and found["value"] == pytest.approx(math.exp(nll / 10), rel=1e-5)
        assert "of 10 held-out tokens at equal distances" in found["note"]


def test_asked_for_more_than_there_are_every_ordinary_token_is_taken_once(masked: Trained, full_tokenizer: Any) -> None:
    documents = [ids[1:-1].tolist() for ids in TokenStore(masked.tokens, "validation")]
    taken = [int(window[place]) for window, place in places(full_tokenizer, masked, 10**6)]
    assert taken == [number for ids in documents for number in ids]


def test_the_sample_is_spread_over_all_documents(masked: Trained, full_tokenizer: Any) -> None:
    every = [(w.tobytes(), p) for w, p in places(full_tokenizer, masked, 10**6)]
    few = [every.index((w.tobytes(), p)) for w, p in places(full_tokenizer, masked, 7)]
    assert few == [(2 * number + 1) * len(every) // 14 for number in range(7)]


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(4, 32), st.booleans(), st.data())
def test_windows(size: int, length: int, opens: bool, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, size - 1))
    window, where = _window(np.arange(size) + 100, place, length, 1 if opens else None, 2)
    assert window[where] == place + 100
    assert len(window) == min(length, size + 1 + opens)  # full wherever there is enough text
    assert window[-1] == 2 and (window[0] == 1) == opens
    assert (np.diff(window[opens:-1]) == 1).all()


def test_samples_show_the_text_the_guesses_and_the_truth(masked: Trained, bert: Any, full_tokenizer: Any) -> None:
    _, samples = pseudo_perplexity(Scorer(bert), full_tokenizer, masked, tokens=40, batch_size=16)
    assert len(samples) == 4
    every = list(places(full_tokenizer, masked, 40))
    window, place = every[5]
    assert samples[0]["prompt"].count(full_tokenizer.mask_token) == 1
    assert full_tokenizer.bos_token not in samples[0]["prompt"]
    assert samples[0]["text"].startswith(" → ") and samples[0]["text"].count(" 0.") >= 1
    assert samples[0]["text"].endswith(f"; it was {full_tokenizer.decode([int(window[place])])!r}")
