from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.tokenization.config import NAMED_TOKENS, TokenizerSection
from pretraining.tokenization.training import save_tokenizer, shortage, train_tokenizer, write_tokenizer

KINDS = ("byte_level", "llama3", "metaspace", "unigram", "wordpiece", "uncased")
TEXT = " We the People , in 1863 .\n\tlet x = 2"


def digest(tokenizer: Any) -> str:
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


@pytest.fixture(scope="session")
def corpora(make_corpus: Any, prose: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A corpus folder from a list of texts."""
    return lambda texts, **more: make_corpus(tmp_path_factory.mktemp("corpus"), texts, **more)


@pytest.fixture(scope="session")
def mixed(corpora: Any, prose: list[str]) -> Path:
    """English, French, Chinese and code, so that many characters and pairs are equally frequent."""
    code = Path(json.__file__).with_name("decoder.py").read_text("utf-8")
    french = "Où étaient les élèves français? Là-bas, près de la forêt, à côté du château."
    chinese = "學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？人不知而不慍，不亦君子乎？"
    folder: Path = corpora([*prose, french, chinese, code, chinese + french])
    return folder


SECTIONS: dict[str, dict[str, Any]] = {
    "byte_level": {"vocab_size": 600},
    "metaspace": {"vocab_size": 600, "pre_tokenizer": "metaspace", "character_coverage": 0.99},
    "unigram": {"vocab_size": 600, "algorithm": "unigram", "byte_fallback": True},
    "wordpiece": {"vocab_size": 600, "algorithm": "wordpiece", "lowercase": True},
}
TRAIN = """
import hashlib, json, sys
from pathlib import Path
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.training import train_tokenizer
for keys in json.loads(sys.argv[2]):
    backend = train_tokenizer(TokenizerSection(**keys), Path(sys.argv[1])).backend_tokenizer
    print(hashlib.sha256(backend.to_str().encode()).hexdigest())
"""


def test_the_same_text_gives_the_same_tokenizer(mixed: Path, make_corpus: Any, tmp_path: Path) -> None:
    """In this process, in another with one thread, and with the documents in another order in other files."""
    import pyarrow.parquet as pq

    here = [digest(train_tokenizer(TokenizerSection(**keys), mixed)) for keys in SECTIONS.values()]
    table = pq.read_table(mixed).to_pydict()
    shuffled = make_corpus(tmp_path / "shuffled", table["text"][::-1], files=2, id=table["id"][::-1])
    one_thread = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", TRAIN, str(shuffled), json.dumps(list(SECTIONS.values()))]
    done = subprocess.run(command, env=one_thread, capture_output=True, text=True, check=True)
    assert done.stdout.split() == here


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_is_the_same_again(kinds: dict[str, Any], kind: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = kinds[kind]
    save_tokenizer(tokenizer, tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXT).data == tokenizer(TEXT).data
    assert again(TEXT, "And more.").data == tokenizer(TEXT, "And more.").data
    marked = TEXT + "".join(tokenizer.all_special_tokens)
    assert again.tokenize(marked) == tokenizer.tokenize(marked)
    assert again.convert_tokens_to_ids(tokenizer.all_special_tokens) == tokenizer.all_special_ids
    attributes = (*NAMED_TOKENS, "padding_side", "model_input_names", "model_max_length", "vocab_size")
    for name in (*attributes, "clean_up_tokenization_spaces"):
        assert getattr(again, name) == getattr(tokenizer, name), name
    assert again.decode(again(TEXT).input_ids) == tokenizer.decode(tokenizer(TEXT).input_ids)
    assert '"PreTrainedTokenizerFast"' in (tmp_path / "tokenizer_config.json").read_text()
    assert digest(again) == digest(tokenizer)


@pytest.mark.parametrize("kind", ["byte_level", "llama3", "metaspace"])
@settings(max_examples=40)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_back(kinds: dict[str, Any], kind: str, text: str) -> None:
    backend = kinds[kind].backend_tokenizer
    assert backend.decode(backend.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_what_each_algorithm_adds_to_a_text(kinds: dict[str, Any]) -> None:
    def around(kind: str, *texts: str) -> list[str]:
        tokenizer = kinds[kind]
        ids = tokenizer(*texts).input_ids
        return [t for t in tokenizer.convert_ids_to_tokens(ids) if t in tokenizer.all_special_tokens]

    assert around("byte_level", "we") == ["<|begin_of_text|>"]
    assert around("byte_level", "we", "the") == ["<|begin_of_text|>"] * 2
    assert around("metaspace", "we") == ["<s>"] and around("unigram", "we") == ["</s>"]
    assert around("unigram", "we", "the") == ["</s>"] * 2
    assert around("wordpiece", "we", "the") == ["[CLS]", "[SEP]", "[SEP]"]
    assert sum(kinds["wordpiece"]("we", "the").token_type_ids) == len(kinds["wordpiece"]("the").input_ids) - 1
    assert "token_type_ids" not in kinds["byte_level"]("we") and "token_type_ids" not in kinds["unigram"]("we")


def test_xlnet_has_its_class_token_at_the_end_and_pads_before(corpus_folder: Path) -> None:
    keys = {"vocab_size": 260, "character_coverage": 1.0, "cls_token": "<cls>", "sep_token": "<sep>"}
    section = TokenizerSection(algorithm="unigram", template="xlnet", add_eos_token=False, **keys)  # type: ignore[arg-type]
    tokenizer = train_tokenizer(section, corpus_folder)
    pair = tokenizer("we", "the")
    assert pair.input_ids[-1] == tokenizer.cls_token_id and pair.input_ids.count(tokenizer.sep_token_id) == 2
    assert set(pair.token_type_ids) == {0, 1, 2} and pair.token_type_ids[-1] == 2
    assert tokenizer.padding_side == "left"


def test_special_tokens_come_first_and_are_single_ids(corpus_folder: Path) -> None:
    keys = {"vocab_size": 300, "reserved_tokens": 2, "additional_special_tokens": ["<|im_start|>"]}
    section = TokenizerSection(**keys, model_max_length=77)  # type: ignore[arg-type]
    tokenizer = train_tokenizer(section, corpus_folder, special_tokens=["<x_0>"], roles=["mask_token"])
    first = ["<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|mask|>", "<x_0>", "<|im_start|>"]
    reserved = [f"<|reserved_special_token_{i}|>" for i in range(2)]
    assert tokenizer.convert_ids_to_tokens(list(range(8))) == first + reserved
    assert tokenizer.mask_token_id == 3 and set(tokenizer.all_special_ids) == set(range(8))
    assert tokenizer.encode("a<x_0>b", add_special_tokens=False)[1] == 4
    assert (len(tokenizer), tokenizer.model_max_length) == (300, 77)


@pytest.mark.parametrize("keys", SECTIONS.values(), ids=SECTIONS)
def test_text_never_turns_into_a_special_token(keys: dict[str, Any], corpora: Any) -> None:
    quoted = "a </s> b [MASK] c <|pad|> d <0x41> e <extra_id_0> [unused0] "
    section = TokenizerSection(**{**keys, "reserved_tokens": 1, "vocab_size": 400})
    tokenizer = train_tokenizer(section, corpora([quoted * 50]), special_tokens=["<extra_id_0>"], roles=["mask_token"])
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True
    ids = backend.encode(quoted, add_special_tokens=False).ids
    assert not set(ids) & set(tokenizer.all_special_ids)
    assert not {token for token in tokenizer.convert_ids_to_tokens(ids) if token.startswith("<0x") and len(token) == 6}


def test_every_common_chinese_character_is_reachable(corpora: Any) -> None:
    common = "".join(chr(point) for point in range(0x4E00, 0x4E00 + 300))
    texts = [common * 20 + "\U0002a700"]  # the last one is seen once
    for keys in ({"algorithm": "unigram"}, {"algorithm": "wordpiece"}, {"pre_tokenizer": "metaspace"}):
        section = TokenizerSection(vocab_size=1500, character_coverage=0.9999, **keys)  # type: ignore[arg-type]
        tokenizer = train_tokenizer(section, corpora(texts))
        tokens = tokenizer.tokenize(common)
        assert "".join(token.removeprefix("▁") for token in tokens) == common and tokenizer.unk_token not in tokens
        rare = tokenizer.tokenize("\U0002a700")
        assert rare[-1] == ("\U0002a700" if "algorithm" in keys and keys["algorithm"] == "unigram" else rare[-1])
        assert "\U0002a700" not in tokenizer.get_vocab()


def test_runs_of_blanks_in_code_are_single_tokens(corpora: Any) -> None:
    code = "def f(x):\n    if x:\n        return [\n            x,\n        ]\n" * 30
    for keys in ({}, {"pattern": "llama3"}, {"pre_tokenizer": "metaspace"}, {"algorithm": "unigram"}):
        tokenizer = train_tokenizer(TokenizerSection(vocab_size=360, **keys), corpora([code]))  # type: ignore[arg-type]
        assert len(tokenizer.tokenize("\n        return")) <= 4, keys


def test_longest_token(mixed: Path) -> None:
    for keys in SECTIONS.values():
        tokenizer = train_tokenizer(TokenizerSection(**{**keys, "max_token_length": 3}), mixed)
        ordinary = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)
        longest = max(len(token.removeprefix("##")) for token in ordinary if not token.startswith("<0x"))
        assert longest == 3, keys


def test_too_little_text_is_said_with_the_size_reached(corpora: Any, tmp_path: Path) -> None:
    said: list[str] = []
    corpus = corpora(["short text, short text " * 3])
    line = write_tokenizer(TokenizerSection(vocab_size=5000), corpus, tmp_path, warn=said.append)
    assert "vocab_size = 5,000: the training text only supports 268 tokens (pairs seen at least 2 times)" in said[0]
    assert line == "bpe, 268 tokens, trained on 0.00 MB"
    sample = json.loads((tmp_path / "sample.json").read_text())
    assert sample["read_bytes"] == 69 and sample["sources"]["s"]["read"]["documents"] == 1
    for keys in ({"algorithm": "unigram"}, {"algorithm": "wordpiece"}):
        section = TokenizerSection(vocab_size=5000, **keys)  # type: ignore[arg-type]
        tokenizer = train_tokenizer(section, corpus)
        assert f"only supports {len(tokenizer)} tokens" in str(shortage(section, tokenizer)) and len(tokenizer) < 100


def test_the_vocabulary_has_its_size_exactly(mixed: Path) -> None:
    for keys in SECTIONS.values():
        section = TokenizerSection(**{**keys, "vocab_size": 590, "pad_to_multiple_of": 64})
        tokenizer = train_tokenizer(section, mixed)
        assert len(tokenizer) == 640 and shortage(section, tokenizer) is None, keys


def test_an_alphabet_that_does_not_fit_says_what_would(corpora: Any) -> None:
    corpus = corpora([" ".join(chr(0x4E00 + i) * (500 - i) for i in range(500))])
    with pytest.raises(
        DataError, match=r"257 places, but the alphabet takes 499.*Set vocab_size to 1_001 or so"
    ) as said:
        train_tokenizer(TokenizerSection(algorithm="unigram", vocab_size=260), corpus)
    share = float(str(said.value).partition("character_coverage to ")[2].partition(",")[0])
    section = TokenizerSection(algorithm="unigram", vocab_size=260, character_coverage=share)
    assert len(train_tokenizer(section, corpus)) <= 260
    with pytest.raises(DataError, match="the special tokens and the 256 bytes alone are 261 tokens"):
        train_tokenizer(TokenizerSection(vocab_size=260), corpus, special_tokens=["<x_0>", "<x_1>"])


def test_an_empty_corpus_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no text to train a tokenizer on"):
        train_tokenizer(TokenizerSection(vocab_size=300), tmp_path)
