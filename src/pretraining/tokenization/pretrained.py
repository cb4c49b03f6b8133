"""A tokenizer that somebody else has trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import DataError
from pretraining.tokenization.config import NAMED_TOKENS, TokenizerSection

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def load_pretrained(
    section: TokenizerSection, *, base: Path = Path(), special_tokens: Sequence[str] = (), roles: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """The tokenizer of ``tokenizer.name_or_path``, with the special tokens of the recipe and of the objective.

    Truncation and padding that its files ask for are switched off: they would cut documents without a word.

    Args:
        base: folder that a relative path starts from; what is no folder there is looked for on the hub.
        special_tokens: strings that have to be single ids.
        roles: named tokens that have to be there, such as ``mask_token``.

    Raises:
        DataError: there is no such tokenizer, it is a slow one, or it lacks a token and may not get it.
    """
    tokenizer = _load(section, base)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.clean_up_tokenization_spaces = False
    if section.model_max_length is not None:
        tokenizer.model_max_length = section.model_max_length
    _name_tokens(section, tokenizer, roles)
    _add_tokens(section, tokenizer, [*special_tokens, *section.additional_special_tokens])
    return tokenizer


def _load(section: TokenizerSection, base: Path) -> Any:
    from transformers import AutoTokenizer

    name = section.name_or_path or ""
    folder = base / name
    local = folder.is_dir()
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder) if local else name, revision=section.revision or "main")
    except Exception as error:  # tokenizers raises nothing more special for a file that it cannot read
        reason = str(error).strip().partition("\n")[0]
        place = f"the folder {folder}" if local else f"{name}: neither the folder {folder} nor, from the hub,"
        raise DataError(
            f"tokenizer.name_or_path = {name}: {place} gave no tokenizer ({reason}). Write a folder that "
            "`save_pretrained` has written, or the name of a repository of the hub that this machine can reach."
        ) from error
    if not tokenizer.is_fast:
        raise DataError(
            f"tokenizer.name_or_path = {name}: this tokenizer has no tokenizer.json, and without one encoding is too "
            "slow; convert it with transformers' `convert_slow_tokenizer` and save it"
        )
    return tokenizer


def _name_tokens(section: TokenizerSection, tokenizer: Any, roles: Sequence[str]) -> None:
    """Give the tokens their names; those that the objective needs have a name, if need be that of BERT."""
    given = {name: token for name in NAMED_TOKENS if (token := getattr(section, name)) is not None}
    alias = {"cls_token": tokenizer.bos_token, "sep_token": tokenizer.eos_token}
    for role in roles:
        if role not in given and getattr(tokenizer, role) is None:
            given[role] = alias.get(role) or f"[{role.removesuffix('_token').upper()}]"
    _require(section, tokenizer, given.values())
    if given:
        tokenizer.add_special_tokens(given)


def _add_tokens(section: TokenizerSection, tokenizer: Any, wanted: Sequence[str]) -> None:
    """Make sure that every token is one id, found as a whole in a text."""
    _require(section, tokenizer, wanted)
    known = set(tokenizer.all_special_tokens)
    new = [token for token in dict.fromkeys(wanted) if token not in known]
    if new:
        tokenizer.add_special_tokens({"extra_special_tokens": new}, replace_extra_special_tokens=False)


def _require(section: TokenizerSection, tokenizer: Any, tokens: Any) -> None:
    vocabulary = tokenizer.get_vocab()
    missing = [token for token in dict.fromkeys(tokens) if token not in vocabulary]
    if missing and not section.add_missing_tokens:
        raise DataError(
            f"the tokenizer {section.name_or_path} has no {', '.join(missing)}, which the recipe or its objective "
            f"needs. Set tokenizer.add_missing_tokens: true to add {'it' if len(missing) == 1 else 'them'} behind its "
            f"{len(tokenizer):,} tokens, or name tokens that it has (tokenizer.mask_token: ... and so on)."
        )
