from __future__ import annotations

import importlib
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pretraining.errors import DataError
from pretraining.objectives.vocabulary import Vocabulary
from pretraining.objectives.words import WordStarts, ends_sentence, token_texts


def words_of(tokenizer: Any, text: str, segmenter: str | None = None) -> list[str]:
    """The words that ``WordStarts`` finds in a text, each as its tokens decoded."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    starts = WordStarts(tokenizer, Vocabulary(tokenizer), segmenter=segmenter)(np.array([ids]))[0]
    starts[0] = True
    cuts = [*np.flatnonzero(starts).tolist(), len(ids)]
    return [tokenizer.decode(ids[a:b]).strip() for a, b in pairwise(cuts)]


SENTENCE = "We the People, in Order to form a great battle-field, 1863."


@pytest.mark.parametrize("kind", ["byte_level", "metaspace", "word_piece"])
def test_words_are_the_same_for_every_kind_of_tokenizer(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    words = "We the People , in Order to form a great battle - field , 1863 ."
    assert [word.replace(" ##", "") for word in words_of(tokenizer, SENTENCE)] == words.split()
    assert len(tokenizer.tokenize(SENTENCE)) > len(words.split())


def test_words_of_word_pieces_are_those_of_its_pre_tokenizer(word_piece: Any, prose: list[str]) -> None:
    starts = WordStarts(word_piece, Vocabulary(word_piece))
    for text in [SENTENCE, *prose]:
        encoded = word_piece(text, add_special_tokens=False)
        words = np.array(encoded.word_ids())
        found = starts(np.array([encoded["input_ids"]]))[0]
        assert found[0] and found[1:].tolist() == (words[1:] != words[:-1]).tolist()
        assert len(set(words.tolist())) < len(words)  # there are words of several tokens


def test_words_of_byte_level_tokens_are_those_of_its_pre_tokenizer(byte_level: Any, prose: list[str]) -> None:
    starts = WordStarts(byte_level, Vocabulary(byte_level))
    for text in prose:
        encoded = byte_level(text, add_special_tokens=False)
        words = np.array(encoded.word_ids())
        found = starts(np.array([encoded["input_ids"]]))[0]
        assert found[1:].tolist() == (words[1:] != words[:-1]).tolist()


def test_white_space_and_parts_of_characters(byte_level: Any) -> None:
    tokens = byte_level("déjà\nvu", add_special_tokens=False).tokens()
    assert len(tokens) > len("déjà vu")  # é is two tokens
    assert words_of(byte_level, "déjà\nvu été") == ["déjà", "", "vu", "été"]
    assert words_of(byte_level, "中文 words, 日本") == ["中", "文", "words", ",", "日", "本"]


def test_every_token_of_a_script_without_spaces_is_a_word() -> None:
    assert words_of(characters(), "我们来到北京abc。") == ["我", "们", "来", "到", "北", "京", "abc", "。"]


def characters() -> Any:
    """A WordPiece tokenizer that has every Chinese character of the tests as a token."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    specials = ["[UNK]", "[MASK]", "[PAD]", "[CLS]", "[SEP]"]
    vocabulary = [*specials, *"我们来到北京清华大学研究生命起源。", "abc", "study", "##ing"]
    backend = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", mask_token="[MASK]", pad_token="[PAD]", cls_token="[CLS]",
        sep_token="[SEP]",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["characters", "byte_level"])
def test_chinese_words_by_jieba(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = characters() if kind == "characters" else request.getfixturevalue(kind)
    found = words_of(tokenizer, "我们来到北京清华大学。 studying 研究生命起源", "jieba")
    assert [word.replace(" ", "").replace("##", "") for word in found] == [
        "我们", "来到", "北京", "清华大学", "。", "studying", "研究", "生命", "起源",
    ]  # fmt: skip


def test_a_missing_segmenter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    chinese = importlib.import_module("pretraining.objectives.chinese")
    chinese._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    tokenizer = characters()
    with pytest.raises(DataError, match=r"pip install 'jieba>=0.42.1,<0.43'"):
        WordStarts(tokenizer, Vocabulary(tokenizer), segmenter="jieba")


def test_a_tokenizer_that_does_not_tell_its_words_is_refused() -> None:
    class Slow:
        pad_token_id = eos_token_id = sep_token_id = None
        all_special_ids: list[int] = []

        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    with pytest.raises(DataError, match="use unit: token"):
        WordStarts(Slow(), Vocabulary(Slow()))


def test_ends_of_sentences(byte_level: Any) -> None:
    assert ends_sentence([b" end.", b"?", "。".encode(), b'."', b" 3.5", b",", b"\n", b" Mr"]).tolist() == [
        True, True, True, True, False, False, False, False,
    ]  # fmt: skip
    vocabulary = Vocabulary(byte_level)
    ends = ends_sentence(token_texts(byte_level, vocabulary)[0])
    assert ends[byte_level.convert_tokens_to_ids(".")] and not ends[vocabulary.special].any()
