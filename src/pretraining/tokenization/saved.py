"""What the files of a tokenizer say without transformers, which takes seconds to load: its tokens and their names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretraining.errors import DataError
from pretraining.tokenization.config import NAMED_TOKENS

# Named tokens that a class of transformers has where the files do not say otherwise. Classes that are not here may add
# tokens of their own to those of the files, as T5Tokenizer does its sentinels.
_ENDOFTEXT = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_BERT = {name: f"[{name.removesuffix('_token').upper()}]" for name in NAMED_TOKENS[2:]}
_CLASSES: dict[str, dict[str, str]] = {
    "PreTrainedTokenizer": {},
    "TokenizersBackend": {},
    "BertTokenizer": _BERT,
    "GPT2Tokenizer": _ENDOFTEXT,
}


@dataclass(frozen=True)
class SavedTokenizer:
    """The tokens of a folder that ``save_pretrained`` has written.

    Attributes:
        tokens: every token, the special ones included.
        named: those with a name, such as ``eos_token``.
    """

    tokens: frozenset[str]
    named: dict[str, str]


def read_saved(folder: Path) -> SavedTokenizer | None:
    """The tokens of a local tokenizer; None where only transformers can tell which it will have.

    That is so without ``tokenizer.json``, beside the ``config.json`` of a model (whose type may decide the class of the
    tokenizer), and for classes that add tokens.

    Raises:
        DataError: a file is cut short or holds something else.
    """
    if not (folder / "tokenizer.json").is_file():
        return None
    state = _read(folder / "tokenizer.json")
    model, added = state.get("model"), state.get("added_tokens") or []
    if not isinstance(model, dict):
        raise DataError(f"{folder / 'tokenizer.json'} holds no tokenizer: it has no `model`")
    about = [_read(folder / name) for name in ("special_tokens_map.json", "tokenizer_config.json")]
    kind = str(about[1].get("tokenizer_class") or "TokenizersBackend").removesuffix("Fast")
    vocabulary = model.get("vocab")
    if kind not in _CLASSES or (folder / "config.json").exists() or not isinstance(vocabulary, dict | list):
        return None
    named = dict(_CLASSES[kind])
    for each in about:
        named |= {name: token for name in NAMED_TOKENS if (token := _content(each.get(name))) is not None}
    # A list holds pairs of a token and its score (unigram). Whatever the other files mention may be added to these.
    tokens = {str(entry[0]) for entry in vocabulary} if isinstance(vocabulary, list) else set(vocabulary)
    listed = [each.get(key) or [] for each in about for key in ("extra_special_tokens", "additional_special_tokens")]
    listed += [list((about[1].get("added_tokens_decoder") or {}).values()), added]
    for more in listed:
        entries = more.values() if isinstance(more, dict) else more
        tokens |= {token for entry in entries if (token := _content(entry)) is not None}
    return SavedTokenizer(frozenset(tokens | set(named.values())), named)


def _read(path: Path) -> dict[str, Any]:
    """The JSON object of a file; an empty one where there is no such file."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged or cut short ({error})") from error
    if not isinstance(data, dict):
        raise DataError(f"{path} holds no tokenizer: it is no JSON object")
    return data


def _content(entry: Any) -> str | None:
    """A token, written as its string or as an object with its ``content``."""
    content = entry.get("content") if isinstance(entry, dict) else entry
    return content if isinstance(content, str) else None
