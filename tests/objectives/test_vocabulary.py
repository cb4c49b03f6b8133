"""What objectives must know of a tokenizer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.objectives.vocabulary import named_token


def tokenizer(*special: str, **named: str | None) -> Any:
    """One without a mask, a CLS and a SEP token."""
    roles = ("mask_token", "cls_token", "sep_token")
    return SimpleNamespace(
        all_special_tokens=[*special],
        **dict.fromkeys(roles),
        **{f"{role}_id": None for role in roles},
        **named,
    )


def test_the_id_of_a_role() -> None:
    assert named_token(SimpleNamespace(mask_token_id=0), "mask_token") == 0


@pytest.mark.parametrize(
    ("made", "role", "name"),
    [
        (tokenizer("<|endoftext|>"), "mask_token", "<|mask|>"),
        (tokenizer("<s>", "</s>"), "mask_token", "<mask>"),
        (tokenizer("[UNK]"), "mask_token", "[MASK]"),
        (tokenizer(), "mask_token", "[MASK]"),
        (tokenizer("<s>", "</s>", bos_token="<s>", eos_token="</s>"), "cls_token", "<s>"),
        (tokenizer("<s>", "</s>", bos_token="<s>", eos_token="</s>"), "sep_token", "</s>"),
        (tokenizer("</s>", bos_token=None), "cls_token", "<cls>"),
    ],
)
def test_a_missing_token_is_suggested_as_the_tokenizer_writes_its_others(made: Any, role: str, name: str) -> None:
    with pytest.raises(DataError) as raised:
        named_token(made, role)
    assert str(raised.value) == (
        f"the objective needs a {role}, and the tokenizer has none; in a recipe it gets one by "
        f'`tokenizer.{role}: "{name}"`, with `tokenizer.add_missing_tokens: true` if it is pretrained; in Python by '
        f'`tokenizer.add_special_tokens({{"{role}": "{name}"}})`'
    )
