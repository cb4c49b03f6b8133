"""A tokenizer that somebody else has trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
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
        tokenizer = AutoTokenizer.from_pretrained(str(folder)) if local else from_hub(name, section.revision or "main")
    except Exception as error:  # tokenizers raises nothing more special for a file that it cannot read
        reason = str(error).strip().partition("\n")[0]
        place = "it gave no tokenizer" if local else f"there is no folder {folder}, and the hub gave no tokenizer"
        raise DataError(
            f"tokenizer.name_or_path = {name}: {place} ({reason}). Write a folder that "
            "`save_pretrained` has written, or the name of a repository of the hub that this machine can reach."
        ) from error
    if not tokenizer.is_fast:
        raise DataError(
            f"tokenizer.name_or_path = {name}: this tokenizer has no tokenizer.json, and without one encoding is too "
            "slow; convert it with transformers' `convert_slow_tokenizer` and save it"
        )
    return tokenizer


def from_hub(name: str, revision: str = "main") -> Any:
    """The tokenizer of a repository of the hub, or of the copy in its cache where the hub cannot be reached.

    Raises:
        DataError: the hub cannot be reached, and there is no copy.
        Exception: whatever transformers raises for a tokenizer that it cannot load.
    """
    from transformers import AutoTokenizer

    if hub_answers(name, revision):
        return AutoTokenizer.from_pretrained(name, revision=revision)
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision, local_files_only=True)
    except Exception as error:
        raise DataError("it cannot be reached from here, and its cache has no copy") from error


def hub_answers(name: str, revision: str) -> bool:
    """Whether anything comes back for a repository. Asked once: transformers would ask for a minute, and log it all."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        HfApi().model_info(name, revision=revision, timeout=10)
    except (HfHubHTTPError, HFValidationError):  # an answer, or a name that no repository can have
        return True
    except Exception:  # which one is the affair of the hub's HTTP client, which has changed; or HF_HUB_OFFLINE is set
        return False
    return True


def _name_tokens(section: TokenizerSection, tokenizer: Any, roles: Sequence[str]) -> None:
    """Give the tokens their names."""
    there = {name: token for name in NAMED_TOKENS if (token := getattr(tokenizer, name)) is not None}
    given = given_names(section, there, roles)
    _require(section, tokenizer, given.values())
    if given:
        tokenizer.add_special_tokens(given)


def given_names(section: TokenizerSection, there: Mapping[str, str], roles: Sequence[str]) -> dict[str, str]:
    """The names that the recipe gives to tokens: its own, and those of ``roles`` that nobody has, if need be as BERT.

    Args:
        there: the names that the tokenizer has by itself, such as ``eos_token``, and their tokens.
        roles: the names that the objective needs.
    """
    given = {name: token for name in NAMED_TOKENS if (token := getattr(section, name)) is not None}
    alias = {"cls_token": there.get("bos_token"), "sep_token": there.get("eos_token")}
    for role in roles:
        if role not in given and role not in there:
            given[role] = alias.get(role) or f"[{role.removesuffix('_token').upper()}]"
    return given


def _add_tokens(section: TokenizerSection, tokenizer: Any, wanted: Sequence[str]) -> None:
    """Make sure that every token is one id, found as a whole in a text."""
    _require(section, tokenizer, wanted)
    known = set(tokenizer.all_special_tokens)
    new = [token for token in dict.fromkeys(wanted) if token not in known]
    if new:
        tokenizer.add_special_tokens({"extra_special_tokens": new}, replace_extra_special_tokens=False)


def _require(section: TokenizerSection, tokenizer: Any, tokens: Iterable[str]) -> None:
    lacking = lacks(section, tokenizer.get_vocab(), tokens)
    if lacking:
        raise DataError("; ".join(lacking))


def lacks(section: TokenizerSection, vocabulary: Collection[str], tokens: Iterable[str]) -> tuple[str, str] | None:
    """(what is wrong, what to do) where a vocabulary lacks some of ``tokens`` and may not get them, else None."""
    missing = [token for token in dict.fromkeys(tokens) if token not in vocabulary]
    if not missing or section.add_missing_tokens:
        return None
    more = f" and {len(missing) - 3:,} more" if len(missing) > 4 else ""
    return (
        f"the tokenizer {section.name_or_path} has no {', '.join(missing[:3] if more else missing)}{more}, which the "
        "recipe or its objective needs",
        f"set tokenizer.add_missing_tokens: true to add {'it' if len(missing) == 1 else 'them'} behind its "
        f"{len(vocabulary):,} tokens, or name tokens that it has (tokenizer.mask_token: ... and so on)",
    )
