"""The rules about the tokenizer, each broken and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pretraining.corpus.config import CorpusSection
from pretraining.section import Finding
from pretraining.tokenization.checks import RULES
from pretraining.tokenization.config import TokenizerSection

CORPUS = CorpusSection.model_validate(
    {"sources": [{"type": "text", "name": name, "path": f"{name}.txt"} for name in ("speeches", "wiki")]}
)


def findings(rule_id: str, base: Path = Path(), **keys: Any) -> list[Finding]:
    """What one rule says about a tokenizer."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    facts = {"tokenizer": TokenizerSection(**keys), "corpus": CORPUS, "base": base}
    wanted = rule.check.__annotations__.keys() & facts.keys()
    return list(rule.check(**{name: facts[name] for name in wanted}))


KINDS: list[dict[str, Any]] = [
    {},
    {"pattern": "llama3", "split_digits": "single", "max_token_length": 20, "reserved_tokens": 3},
    {"pre_tokenizer": "metaspace", "add_prefix_space": False, "byte_fallback": False, "character_coverage": 1.0},
    {"algorithm": "unigram", "byte_fallback": True, "max_token_length": 8, "normalization": "nfkc"},
    {"algorithm": "wordpiece", "lowercase": True, "min_frequency": 5, "character_coverage": 0.999},
    {"algorithm": "pretrained", "name_or_path": "gpt2", "revision": "main", "add_missing_tokens": True},
    {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},  # GPT-2
    {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "mask_token": "<mask>",
    },  # RoBERTa
    {"sample": {"bytes": 1000, "weights": {"speeches": 1.0, "wiki": 0.0}}},
]


@pytest.mark.parametrize("keys", KINDS)
def test_every_rule_accepts_what_is_right(keys: dict[str, Any]) -> None:
    assert [finding for rule in RULES for finding in findings(rule.id, **keys)] == []


@pytest.mark.parametrize(
    ("keys", "path", "message", "fix"),
    [
        ({"name_or_path": "gpt2"}, "name_or_path", "algorithm: bpe has no use for it", "algorithm: pretrained"),
        ({"algorithm": "unigram", "min_frequency": 3}, "min_frequency", "algorithm: unigram", "bpe or wordpiece"),
        ({"algorithm": "wordpiece", "pattern": "llama3"}, "pattern", "pre_tokenizer: bert", "byte_level or metaspace"),
        ({"byte_fallback": True}, "byte_fallback", "pre_tokenizer: byte_level", "pre_tokenizer: metaspace"),
        ({"character_coverage": 0.9}, "character_coverage", "pre_tokenizer: byte_level", "metaspace or bert"),
        ({"algorithm": "pretrained", "name_or_path": "x", "vocab_size": 999}, "vocab_size", "pretrained", "unigram"),
        ({"algorithm": "wordpiece", "add_eos_token": True}, "add_eos_token", "template: bert", "template: bos_eos"),
    ],
)
def test_keys_of_algorithm(keys: dict[str, Any], path: str, message: str, fix: str) -> None:
    (finding,) = findings("tokenizer_keys_of_algorithm", **keys)
    assert finding.path == f"tokenizer.{path}" and message in finding.message and fix in finding.fix


def test_pre_tokenizer_fits() -> None:
    (finding,) = findings("pre_tokenizer_fits", algorithm="unigram", pre_tokenizer="byte_level")
    assert (finding.path, finding.fix) == ("tokenizer.pre_tokenizer", "write metaspace")
    (finding,) = findings("pre_tokenizer_fits", pre_tokenizer="bert")
    assert finding.fix == "write byte_level or metaspace"


def test_pretrained_tokenizer_there(tmp_path: Path) -> None:
    def said(name: str | None) -> str:
        return " ".join(
            f"{each.message} {each.fix} {each.hint}"
            for each in findings("pretrained_tokenizer_there", tmp_path, algorithm="pretrained", name_or_path=name)
        )

    (tmp_path / "mine").mkdir()
    assert "which tokenizer?" in said(None)
    assert "no tokenizer.json" in said("mine")
    assert "did you mean mine?" in said("./mime")
    (tmp_path / "mine" / "tokenizer.json").write_text("{}")
    assert said("mine") == said("./mine") == said("gpt2") == said("openai-community/gpt2") == ""
    for name in ("mine/tokenizer.json", "./mine/tokenizer.json"):
        assert "tokenizer.json is a file" in said(name) and "write its folder: mine " in said(name)


@pytest.mark.parametrize("key", ["eos_token", "bos_token", "mask_token"])
def test_pad_token_is_its_own(key: str) -> None:
    (finding,) = findings("pad_token_is_its_own", **{key: "<x>", "pad_token": "<x>"})
    assert (finding.path, finding.message) == ("tokenizer.pad_token", f"'<x>' is also the {key}")


def test_special_tokens_differ() -> None:
    (finding,) = findings("special_tokens_differ", algorithm="wordpiece", mask_token="[UNK]")
    assert (finding.path, finding.message) == ("tokenizer.mask_token", "'[UNK]' is also the unk_token")


@pytest.mark.parametrize("token", ["", " ", "\n", "eos", "##", "<a b>", "<a:b>", "|x"])
def test_special_tokens_stand_apart(token: str) -> None:
    (finding,) = findings("special_tokens_stand_apart", eos_token=token)
    assert finding.path == "tokenizer.eos_token" and "[MASK]" in finding.fix
    (finding,) = findings("special_tokens_stand_apart", additional_special_tokens=["<|im_start|>", token])
    assert finding.path == "tokenizer.additional_special_tokens[1]"


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ({"algorithm": "unigram", "unk_token": None}, "unk_token"),
        ({"algorithm": "wordpiece", "unk_token": None}, "unk_token"),
        ({"algorithm": "wordpiece", "cls_token": None}, "cls_token"),
        ({"algorithm": "unigram", "template": "xlnet", "cls_token": "<cls>"}, "sep_token"),
        ({"bos_token": None}, "bos_token"),
        ({"eos_token": None}, "eos_token"),
        ({"eos_token": None, "sep_token": "<|sep|>", "add_eos_token": True}, "eos_token"),
    ],
)
def test_needed_tokens_named(keys: dict[str, Any], path: str) -> None:
    (finding,) = findings("needed_tokens_named", **keys)
    assert finding.path == f"tokenizer.{path}"


def test_vocabulary_has_room() -> None:
    (finding,) = findings("vocabulary_has_room", vocab_size=260, reserved_tokens=1)
    assert finding.message == "the special tokens and the 256 bytes alone are 260 tokens"
    assert findings("vocabulary_has_room", vocab_size=261, reserved_tokens=1) == []
    assert findings("vocabulary_has_room", algorithm="unigram", vocab_size=260, reserved_tokens=200) == []


def test_sample_weights_known() -> None:
    def said(**weights: float) -> list[tuple[str, str]]:
        found = findings("sample_weights_known", sample={"weights": weights})
        return [(each.path.removeprefix("tokenizer.sample.weights"), each.hint or each.message) for each in found]

    assert said(speeches=1.0, wikj=1.0) == [(".wikj", "did you mean wiki?"), ("", "wiki has no weight")]
    assert said(speeches=-1.0, wiki=1.0) == [(".speeches", "a share cannot be negative")]
    assert said(speeches=0.0, wiki=0.0)[0][1].startswith("no source has a weight above 0")
    assert said() == []
