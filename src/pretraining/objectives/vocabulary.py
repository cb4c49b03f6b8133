"""What an objective must know of a tokenizer: which ids are special, and which may stand in for a token."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pretraining.errors import DataError
from pretraining.tokenization.special import usual_name


class Vocabulary:
    """Tables of a tokenizer, indexed by token id; ``V`` is the largest id + 1.

    Attributes:
        special: bool (V,), the ids of control tokens (CLS, SEP, MASK, PAD, UNK, sentinels) and ids of no token;
            padding is always among them.
        ordinary: int64, all other ids in order.
        pad_token_id: what fills rows: the padding token, else EOS, else SEP.

    Args:
        tokenizer: a fast tokenizer of transformers, or anything with ``get_vocab``, ``all_special_ids`` and the
            named ids.

    Raises:
        TypeError: it is something else, such as a name, or a tokenizer of ``tokenizers``.
    """

    def __init__(self, tokenizer: Any) -> None:
        require_tokenizer(tokenizer)
        ids = np.unique(np.fromiter(tokenizer.get_vocab().values(), np.int64))
        self.special: npt.NDArray[np.bool_] = np.ones(int(ids.max()) + 1, bool)
        self.special[ids] = False
        self.special[list(tokenizer.all_special_ids)] = True
        added = getattr(tokenizer, "added_tokens_decoder", {})
        self.special[[number for number, token in added.items() if token.special]] = True
        named = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id)
        self.pad_token_id: int = next((number for number in named if number is not None), 0)
        self.special[self.pad_token_id] = True
        self.ordinary: npt.NDArray[np.int64] = np.flatnonzero(~self.special)


def require_tokenizer(tokenizer: Any) -> None:
    """Refuse what is no tokenizer of transformers, such as its name.

    Raises:
        TypeError: it has no vocabulary, or no special tokens.
    """
    if not (hasattr(tokenizer, "all_special_ids") and hasattr(tokenizer, "get_vocab")):
        raise TypeError(f"a fast tokenizer of transformers is needed, not {type(tokenizer).__name__}")


def named_token(tokenizer: Any, role: str) -> int:
    """The id of ``mask_token``, ``cls_token`` or another token with a role.

    Raises:
        DataError: the tokenizer has none.
    """
    number = getattr(tokenizer, f"{role}_id")
    if number is None:
        alias = {"cls_token": "bos_token", "sep_token": "eos_token"}  # one token in both roles, as in RoBERTa
        there = getattr(tokenizer, "all_special_tokens", None) or [""]
        name = getattr(tokenizer, alias.get(role, role), None) or usual_name(role, there[0])
        raise DataError(
            f"the objective needs a {role}, and the tokenizer has none; in a recipe it gets one by "
            f'`tokenizer.{role}: "{name}"`, with `tokenizer.add_missing_tokens: true` if it is pretrained; in Python '
            f'by `tokenizer.add_special_tokens({{"{role}": "{name}"}})`'
        )
    return int(number)
