"""The rules about the tokenizer, each broken and kept."""

from __future__ import annotations

import pytest

from pretraining.section import Finding
from pretraining.tokenization.checks import RULES
from pretraining.tokenization.config import TokenizerSection


def findings(rule_id: str, **keys: str) -> list[Finding]:
    """What one rule says about a tokenizer."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    return list(rule.check(tokenizer=TokenizerSection(**keys)))  # type: ignore[arg-type]


def test_every_rule_accepts_the_defaults() -> None:
    assert [finding for rule in RULES for finding in findings(rule.id)] == []


@pytest.mark.parametrize("key", ["eos_token", "bos_token"])
def test_pad_token_is_its_own(key: str) -> None:
    (finding,) = findings("pad_token_is_its_own", **{key: "<x>", "pad_token": "<x>"})
    assert (finding.path, finding.message) == ("tokenizer.pad_token", f"'<x>' is also the {key}")


def test_one_token_may_open_and_end_a_document() -> None:
    assert findings("pad_token_is_its_own", bos_token="<|endoftext|>", eos_token="<|endoftext|>") == []


@pytest.mark.parametrize("token", ["", " ", "\n"])
def test_special_tokens_not_blank(token: str) -> None:
    (finding,) = findings("special_tokens_not_blank", eos_token=token)
    assert (finding.path, finding.fix.endswith("<|end_of_text|>")) == ("tokenizer.eos_token", True)
