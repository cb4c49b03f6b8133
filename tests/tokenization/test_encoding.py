"""Documents become framed tokens: every one once, in order, the same however they are cut and put into batches."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.tokenization import components
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.cuts import parts, safe_cut
from pretraining.tokenization.encoding import Encoder, encoded_in_order, smallest_unsigned, without_special_tokens
from pretraining.tokenization.special import frame

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LOSSLESS = ("byte_level", "llama3", "metaspace")
ALL = (*LOSSLESS, "unigram", "wordpiece", "uncased")


@pytest.mark.parametrize(
    ("size", "name"), [(256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32"), (152_000, "uint32")]
)
def test_smallest_unsigned(size: int, name: str) -> None:
    assert smallest_unsigned(size).name == name


def documents(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    """The ids of every document."""
    encoded = encoder.encode(texts)
    return [encoded.values[a:b].tolist() for a, b in itertools.pairwise(encoded.offsets.tolist())]


@pytest.mark.parametrize("kind", ALL)
def test_every_document_is_framed_exactly_once(kinds: dict[str, Any], kind: str) -> None:
    tokenizer, encoder = kinds[kind], Encoder(kinds[kind])
    opens, ends = frame(tokenizer)
    assert (opens is None) == (kind == "unigram")  # as T5, whose documents only end

    @settings(max_examples=30)
    @given(st.lists(TEXTS, max_size=4))
    def check(texts: list[str]) -> None:
        # The texts of special tokens are ordinary text.
        texts = [*texts, "".join(tokenizer.all_special_tokens), "", "a"]
        found = documents(encoder, texts)
        assert len(found) == len(texts)
        for text, ids in zip(texts, found, strict=True):
            assert ids[-1] == ends and ids.count(ends) == 1
            assert opens is None or (ids[0] == opens and ids.count(opens) == 1)
            if kind in LOSSLESS:
                inner = ids[opens is not None : -1]
                assert tokenizer.backend_tokenizer.decode(inner, skip_special_tokens=False) == text

    check()


def test_batches_do_not_matter(kinds: dict[str, Any], prose: list[str]) -> None:
    for tokenizer in kinds.values():
        encoder = Encoder(tokenizer)
        alone = [ids for text in prose for ids in documents(encoder, [text])]
        assert documents(encoder, prose) == alone
        backend = tokenizer.backend_tokenizer
        plain = [encoding.ids for encoding in backend.encode_batch(prose, add_special_tokens=False)]
        assert [ids[encoder.opens is not None : -1] for ids in alone] == plain


def test_results_come_in_order_and_errors_are_raised(tokenizer: Any, prose: list[str]) -> None:
    encoder = Encoder(tokenizer)
    batches = [(number, prose[: number % 4]) for number in range(12)]
    found = list(encoded_in_order(encoder, iter(batches)))
    assert [key for key, _ in found] == list(range(12))
    for (_, texts), (_, encoded) in zip(batches, found, strict=True):
        assert np.array_equal(encoded.values, encoder.encode(texts).values)
    with pytest.raises(TypeError):
        list(encoded_in_order(encoder, iter([(0, ["a"]), (1, [None])])))  # type: ignore[list-item]


def test_a_unigram_model_cannot_use_its_special_pieces() -> None:
    from tokenizers import Tokenizer, models

    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("<", -9.0), ("/", -9.0), ("s", -9.0), (">", -9.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.add_special_tokens(["<unk>", "</s>"])
    tokenizer.encode_special_tokens = True
    assert tokenizer.encode("</s>").ids == [1]  # which is why the names are taken away
    changed = Tokenizer.from_str(json.dumps(without_special_tokens(json.loads(tokenizer.to_str()))))
    assert changed.encode("</s>x").ids == [2, 3, 4, 5, 0]


def test_added_tokens_keep_their_ids(kinds: dict[str, Any]) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=kinds["llama3"].backend_tokenizer.from_str(kinds["llama3"].backend_tokenizer.to_str()),
        bos_token="<|begin_of_text|>",
        eos_token="<|end_of_text|>",
    )
    tokenizer.add_special_tokens({"extra_special_tokens": ["<|first|>"]})
    tokenizer.add_tokens(["<tool>"])
    assert tokenizer.convert_tokens_to_ids(["<|first|>", "<tool>"]) == [320, 321]
    ids = documents(Encoder(tokenizer), ["a<tool>b<|first|>"])[0]
    assert 321 in ids and 320 not in ids
    assert tokenizer.decode(ids[1:-1]) == "a<tool>b<|first|>"


def sections() -> list[TokenizerSection]:
    """Every way to take text apart that a trained tokenizer can have."""
    found = []
    for norm, lower, accents in itertools.product((None, "nfkc"), (False, True), (False, True)):
        keys: dict[str, Any] = {"normalization": norm, "lowercase": lower, "strip_accents": accents}
        found.append(TokenizerSection(algorithm="wordpiece", **keys))
        for pattern, digits in itertools.product(("gpt2", "llama3"), (None, "single", "groups_of_three")):
            keys |= {"pattern": pattern, "split_digits": digits}
            found.append(TokenizerSection(pre_tokenizer="byte_level", **keys))
            found += [TokenizerSection(pre_tokenizer="metaspace", add_prefix_space=p, **keys) for p in (False, True)]
    return found


def backend(section: TokenizerSection) -> Any:
    """A tokenizer without a model."""
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.BPE())
    if (normalizer := components.normalizer(section)) is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = components.pre_tokenizer(section)
    return tokenizer


def words(tokenizer: Any, text: str) -> list[str]:
    """What the model would see."""
    normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


HARD = st.text(st.sampled_from("aZ é\u0301ß½ͺ¨ﷺ中文。，\n\r\t\u00a0\u3000 19٣'s_-=<▁\ue000\x1c\u200d "), max_size=120)


def test_a_cut_changes_no_word() -> None:
    tried = [backend(section) for section in sections()]
    cuts = [safe_cut(json.loads(tokenizer.to_str())) for tokenizer in tried]
    assert len(tried) == 152 and None not in cuts

    @settings(max_examples=60)
    @given(HARD, st.integers(0, len(tried) - 1))
    def check(text: str, first: int) -> None:
        for tokenizer, cut in list(zip(tried, cuts, strict=True))[first::19]:
            pieces = list(parts(text, cut, size=2))
            assert [word for piece in pieces for word in words(tokenizer, piece)] == words(tokenizer, text)

    check()


def test_long_documents_are_cut_and_give_the_same_tokens(kinds: dict[str, Any], prose: list[str]) -> None:
    text = "\n".join(f"{number} {prose[number % 5]}" for number in range(450))
    for tokenizer in kinds.values():
        encoder = Encoder(tokenizer)
        assert len(list(parts(text, encoder._cut))) == 2
        ids = documents(encoder, [text])[0]
        assert (
            ids[encoder.opens is not None : -1]
            == tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        )


def test_what_is_not_known_to_be_safe_stays_whole() -> None:
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

    llama2 = Tokenizer(models.BPE())
    llama2.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    gpt2 = Tokenizer(models.BPE())
    gpt2.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reaching = Tokenizer.from_str(gpt2.to_str())
    reaching.add_tokens([AddedToken("x", rstrip=True)])
    cuts = [safe_cut(json.loads(each.to_str())) for each in (llama2, gpt2, reaching)]
    assert [cut is None for cut in cuts] == [True, False, True]
    assert list(parts("a b " * 9, None, size=4)) == ["a b " * 9]
    assert list(parts("a b\nc  d e", cuts[1], size=1)) == ["a", " b", "\nc  d", " e"]
