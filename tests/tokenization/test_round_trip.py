"""Which documents come back, and what is lost of the others."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.tokenization.encoding import Encoder
from pretraining.tokenization.round_trip import RoundTrip, _doubtful, around_difference, byte_strings, kind_of_loss

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize("kind", ["byte_level", "llama3", "metaspace"])
def test_every_text_is_proven_to_come_back_without_decoding(kinds: dict[str, Any], kind: str) -> None:
    encoder, strings = Encoder(kinds[kind]), byte_strings(kinds[kind])
    assert strings is not None

    @settings(max_examples=50)
    @given(st.lists(TEXTS, min_size=1, max_size=4))
    def check(texts: list[str]) -> None:
        column = pa.array(["x", *texts], pa.string()).slice(1)  # a column need not begin where its buffer does
        doubtful = _doubtful(strings, column, encoder.encode(texts))
        # Where the escape of metaspace is in the text, it is decoded to be sure.
        assert [i for i in doubtful if "\ue000" not in texts[i] and "▁" not in texts[i]] == []

    check()


@pytest.mark.parametrize("kind", ["byte_level", "llama3", "metaspace", "unigram", "wordpiece", "uncased"])
def test_losses_are_those_of_decoding(kinds: dict[str, Any], kind: str) -> None:
    tokenizer = kinds[kind]
    encoder, trip = Encoder(tokenizer), RoundTrip(tokenizer)

    @settings(max_examples=30)
    @given(st.lists(TEXTS | st.just(" ▁a \ue0001 b"), min_size=1, max_size=3))
    def check(texts: list[str]) -> None:
        found = {number: again for number, _, _, again in trip.losses(pa.array(texts), encoder.encode(texts))}
        backend = tokenizer.backend_tokenizer
        for number, text in enumerate(texts):
            ids = Encoder(tokenizer).encode([text]).values[encoder.opens is not None : -1].tolist()
            assert found.get(number, text) == backend.decode(ids, skip_special_tokens=False)

    check()


def test_the_bytes_of_a_token_are_what_it_decodes_to(kinds: dict[str, Any]) -> None:
    for kind in ("byte_level", "metaspace"):
        strings = byte_strings(kinds[kind])
        assert strings is not None
        special = set(kinds[kind].all_special_ids)
        for number, content in enumerate(strings.table.to_pylist()):
            if number not in special:
                decoded = kinds[kind].backend_tokenizer.decode([number])
                assert content.decode(errors="replace").removeprefix(" " if strings.strip else "") == decoded


@pytest.mark.parametrize(
    ("text", "again", "unknown", "kind"),
    [
        ("a  b.", "a b .", False, "white_space"),
        ("A b", "a  b", False, "case"),
        ("Él ﬁt", "el fit", False, "unicode"),
        ("a ☃ b", "a [UNK] b", True, "unknown"),
        ("abc", "abd", False, "other"),
    ],
)
def test_kind_of_loss(text: str, again: str, unknown: bool, kind: str) -> None:
    assert kind_of_loss(text, again, unknown=unknown) == kind


def test_examples_show_the_difference_that_the_kind_speaks_of() -> None:
    text, again = "x" * 40 + " , The snow☃man", "x" * 40 + ", the snow[UNK]man"
    assert around_difference(text, again, "white_space")[0].endswith("The snow☃man")
    assert around_difference(text, again, "unknown")[1].endswith("snow[UNK]man")
    here, there = around_difference("a" * 100, "a" * 100 + "b", "other")
    assert (here, there) == ("a" * 24, "a" * 24 + "b")
