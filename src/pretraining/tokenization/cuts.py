r"""Where a long text can be cut so that its parts, encoded one by one, give exactly the tokens of the whole.

A pre-tokenizer splits the text into words, and no token reaches over the end of a word. Where a word ends whatever
stands around, a cut changes nothing. The patterns of GPT-2 and Llama 3 have a blank only at the beginning of a match
(" word") or in matches of white space alone, and look ahead only from the end of white space: so a match ends between
a letter or digit and a blank, and the search begins there anew. So it does before a line feed, which Llama 3's pattern
has after marks only. BERT's pre-tokenizer drops white space. Digits and marks are split off one by one, or in threes
from the left of a run, and what normalizers change depends on no more than a character and the marks that combine
with it; a blank combines with nothing.

A text stays whole with a part of the tokenizer that is not listed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pretraining.tokenization.components import PATTERNS

PART_CHARACTERS = 65_536
"""A longer text is cut, into parts that are a little longer than this."""

_BLANK = r"(?<=[^\W_]) (?=[^\W_])"
_LINE_FEED = r"(?<=[0-9A-Za-z\u4e00-\u9fff])\n(?=\S)"

_NORMALIZERS = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "BertNormalizer"}
_SPLITTING: list[dict[str, Any]] = [
    {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},  # GPT-2's pattern
    {"type": "BertPreTokenizer"},
    *(
        {"type": "Split", "pattern": {"Regex": each}, "behavior": "Isolated", "invert": False}
        for each in PATTERNS.values()
    ),
]
_FURTHER: list[dict[str, Any]] = [
    {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
    {"type": "Metaspace", "prepend_scheme": "never"},
    {"type": "Digits"},
    {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}"}, "behavior": "Isolated", "invert": False},
]


@dataclass(frozen=True)
class Cut:
    """Where a text may be cut, and how many characters are left out there because the normalizer puts them back."""

    place: re.Pattern[str]
    left_out: int = 0


def safe_cut(state: dict[str, Any]) -> Cut | None:
    """The cut that changes no token; None where none is known.

    Args:
        state: the JSON of ``tokenizers.Tokenizer.to_str``.
    """
    normalizers = _steps(state["normalizer"], "normalizers")
    prepends = bool(normalizers) and normalizers[-1] == {"type": "Prepend", "prepend": " "}
    words = _steps(state["pre_tokenizer"], "pretokenizers")
    known = (
        all(
            step["type"] in _NORMALIZERS or _replaces_marks(step) for step in normalizers[: len(normalizers) - prepends]
        )
        and all(_one_of(step, [*_SPLITTING, *_FURTHER]) for step in words)
        and any(_one_of(step, _SPLITTING) for step in words)
        and not any(_takes_white_space(token) for token in state["added_tokens"] if not token["special"])
    )
    if not known:
        return None
    return Cut(re.compile(_BLANK), left_out=1) if prepends else Cut(re.compile(f"{_BLANK}|{_LINE_FEED}"))


def _steps(step: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    if step is None:
        return []
    if step["type"] == "Sequence":
        return [inner for each in step[key] for inner in _steps(each, key)]
    return [step]


def _one_of(step: dict[str, Any], known: list[dict[str, Any]]) -> bool:
    return any(all(step.get(key) == value for key, value in each.items()) for each in known)


def _replaces_marks(step: dict[str, Any]) -> bool:
    """Whether a normalizer replaces one character, which is no white space, letter or digit, by others of that kind."""
    if step["type"] != "Replace" or len(step["pattern"].get("String", "")) != 1:
        return False
    found, content = step["pattern"]["String"], step["content"]
    return not found.isspace() and not found.isalnum() and not any(c.isspace() for c in content)


def _takes_white_space(token: dict[str, Any]) -> bool:
    """Whether an added token takes the white space beside it, or has some inside. (Special ones are not looked for.)"""
    return bool(token["lstrip"] or token["rstrip"] or any(c.isspace() for c in token["content"]))


def parts(text: str, cut: Cut | None, size: int = PART_CHARACTERS) -> Iterator[str]:
    """The text in parts of ``size`` characters and up to the next cut."""
    begin = 0
    while cut is not None and len(text) - begin > size and (found := cut.place.search(text, begin + size)):
        yield text[begin : found.start()]
        begin = found.start() + cut.left_out
    yield text[begin:] if begin else text
