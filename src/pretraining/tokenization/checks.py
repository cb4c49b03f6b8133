"""The rules about the ``tokenizer`` section."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.section import Finding, Rule
from pretraining.tokenization.config import TokenizerSection


def pad_token_is_its_own(tokenizer: TokenizerSection) -> Iterator[Finding]:
    """``pad_token`` differs from the tokens that carry meaning."""
    for key in ("eos_token", "bos_token"):
        if tokenizer.pad_token == getattr(tokenizer, key):
            yield Finding(
                path="tokenizer.pad_token",
                message=f"{tokenizer.pad_token!r} is also the {key}",
                fix="give padding a token of its own, such as <|pad|>",
            )


def special_tokens_not_blank(tokenizer: TokenizerSection) -> Iterator[Finding]:
    """Special tokens have at least one character that is no white space."""
    for key in ("bos_token", "eos_token", "pad_token"):
        if not getattr(tokenizer, key).strip():
            yield Finding(
                path=f"tokenizer.{key}",
                message="a special token that is blank would be found inside ordinary text",
                fix=f"write a mark that no text contains, such as {TokenizerSection.model_fields[key].default}",
            )


RULES = [
    Rule(
        id="pad_token_is_its_own",
        says="The padding token is neither the end nor the beginning of a document.",
        why="Padding is never a target: a model whose end of document is padding never learns to stop.",
        check=pad_token_is_its_own,
    ),
    Rule(
        id="special_tokens_not_blank",
        says="Special tokens are not blank.",
        why="Special tokens are cut out of the text before anything else; a blank one would cut at every space.",
        check=special_tokens_not_blank,
    ),
]
