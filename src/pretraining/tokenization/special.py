"""Special tokens: those that a tokenizer is made with, and those that frame a stored document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pretraining.errors import DataError
from pretraining.tokenization.config import NAMED_TOKENS, TokenizerSection

NO_END = (
    "the tokenizer has neither an eos_token nor a sep_token, so nothing would tell where a document ends",
    "name one in the recipe's `tokenizer` section",
)
"""(What is wrong, what to do) where no token ends a document."""

_APART = re.compile(r"[^\W_][\W_]")
_SHARED = {("bos_token", "eos_token"), ("bos_token", "cls_token"), ("eos_token", "sep_token")}
_STYLES = {"byte_level": "<|{}|>", "metaspace": "<{}>", "bert": "[{}]"}
_RESERVED = {"byte_level": "<|reserved_special_token_{}|>", "metaspace": "<reserved_{}>", "bert": "[unused{}]"}


def frame(tokenizer: Any) -> tuple[int | None, int]:
    """(id of the token that opens a stored document, or None; id of the token that ends it).

    BOS opens where the tokenizer has one (GPT, Llama), else CLS (BERT), else nothing (T5); EOS ends, else SEP. Where
    one token is both, as GPT-2's ``<|endoftext|>``, it only ends, so that there is one between two documents.

    Args:
        tokenizer: anything with ``bos_token_id``, ``cls_token_id``, ``eos_token_id`` and ``sep_token_id``.

    Raises:
        DataError: there is neither EOS nor SEP.
    """
    opens = tokenizer.cls_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    ends = tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    if ends is None:
        raise DataError("; ".join(NO_END))
    return (None if opens == ends else opens), ends


def stands_apart(token: str) -> bool:
    """Whether no token that is learned from text can be the same string.

    No learned token reaches from a letter or a digit over a mark after it, whatever the pre-tokenizer, so a special
    token such as ``<s>`` or ``[MASK]`` is never made of text, and ``eos`` or ``##`` might be.
    """
    return _APART.search(token) is not None and not re.search(r"[\s:\ud800-\udfff]", token)


def equal_names(named: dict[str, str]) -> list[tuple[str, str]]:
    """Pairs of named tokens that are one token although they mean different things."""
    keys = list(named)
    return [
        (first, second)
        for number, first in enumerate(keys)
        for second in keys[number + 1 :]
        if named[first] == named[second] and (first, second) not in _SHARED
    ]


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of a tokenizer that is trained."""

    named: dict[str, str]
    """Those that transformers knows by name: ``bos_token`` and so on."""
    others: list[str]
    """Those of the objective, of the recipe, and the reserved ones."""

    @property
    def all(self) -> list[str]:
        """Every token once, in the order of the ids."""
        return list(dict.fromkeys([*self.named.values(), *self.others]))


def usual_name(role: str, like: str) -> str:
    """What a token with a role is called beside a special token such as ``like``: ``<|mask|>``, ``<mask>``, ``[MASK]``.

    ``like`` may be any special token of the tokenizer; one that is written in neither way is taken for BERT's.
    """
    name = role.removesuffix("_token")
    for style in (_STYLES["byte_level"], _STYLES["metaspace"]):
        if like.startswith(style.partition("{")[0]):
            return style.format(name)
    return _STYLES["bert"].format(name.upper())


def special_tokens_of(
    section: TokenizerSection, special_tokens: Sequence[str] = (), roles: Sequence[str] = ()
) -> SpecialTokens:
    """The special tokens of a tokenizer that is trained: those of the section, and what the objective needs.

    A role that the section leaves empty gets the usual name (``<|mask|>``, ``<mask>``, ``[MASK]``); CLS and SEP are BOS
    and EOS where there are any, as in RoBERTa.

    Args:
        special_tokens: strings that the objective needs as single ids.
        roles: named tokens that it needs, such as ``mask_token``.

    Raises:
        DataError: two tokens that mean different things are the same, or one could be made of text.
    """
    given = {name: getattr(section, name) for name in NAMED_TOKENS}
    alias = {"cls_token": given["bos_token"], "sep_token": given["eos_token"]}
    for role in roles:
        if given[role] is None:
            given[role] = alias.get(role) or usual_name(role, _STYLES[section.pre_tokenizer or "byte_level"])
    named = {name: token for name, token in given.items() if token is not None}
    for first, second in equal_names(named):
        raise DataError(f"special tokens must differ, but {first} and {second} are both {named[first]!r}")
    for name, token in named.items():
        if token in special_tokens and name in ("bos_token", "eos_token", "pad_token", "unk_token"):
            raise DataError(
                f"the objective needs a token {token!r} of its own, which is also tokenizer.{name}; rename that"
            )
    reserved = _RESERVED[section.pre_tokenizer or "byte_level"]
    others = [*special_tokens, *section.additional_special_tokens]
    others += [reserved.format(number) for number in range(section.reserved_tokens)]
    tokens = SpecialTokens(named, [token for token in dict.fromkeys(others) if token not in named.values()])
    for token in tokens.all:
        if not stands_apart(token):
            raise DataError(
                f"the special token {token!r} could be made of ordinary text; give it a letter or digit that a mark "
                "follows, and neither white space nor a colon, as in <s>, [MASK] or <|pad|>"
            )
    return tokens
